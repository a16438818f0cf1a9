// The frame of a list: its caption for screen readers, and its columns' names. On a phone each row is a card, and each cell of it
// says its column's name (`data-label`, drawn by tables.css).

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** A column's name, and how it is shown: `num`, `wide-only`; a name in brackets is for screen readers only. */
export type Column = string | [name: string, classes: string];

interface Props {
  caption: string;
  columns: Column[];
  /** A column of its own before the others. */
  first?: ComponentChildren;
  /** How many rows there are, where not all are drawn (parts/Rows.tsx). */
  rows?: number;
  children: ComponentChildren;
}

export function Table({ caption, columns, first, rows, children }: Props) {
  const table = useRef<HTMLTableElement>(null);
  useLayoutEffect(() => {
    if (table.current) label(table.current);
  });
  return (
    <div class="table">
      <table ref={table} aria-rowcount={rows === undefined ? undefined : rows + 1}>
        <caption class="sr">{caption}</caption>
        <thead>
          <tr aria-rowindex={rows === undefined ? undefined : 1}>
            {first}
            {columns.map((column) => {
              const [name, classes] = typeof column === "string" ? [column, ""] : column;
              const hidden = name.startsWith("(");
              return (
                <th key={name} scope="col" class={classes}>
                  {hidden ? <span class="sr">{name.slice(1, -1)}</span> : name}
                </th>
              );
            })}
          </tr>
        </thead>
        {rows === undefined ? <tbody>{children}</tbody> : children}
      </table>
    </div>
  );
}

/** Columns whose name is only for screen readers have no label: what is in them speaks for itself. */
export function label(table: HTMLTableElement, bodies: Iterable<HTMLTableSectionElement> = table.tBodies): void {
  const names = [...(table.tHead?.rows[0]?.cells ?? [])].map((cell) => (cell.querySelector(".sr, input") ? "" : (cell.textContent ?? "")));
  for (const body of bodies) {
    for (const row of body.rows) {
      [...row.cells].forEach((cell, index) => {
        const name = names[index] ?? "";
        if (cell.dataset.label !== name) cell.dataset.label = name;
      });
    }
  }
}
