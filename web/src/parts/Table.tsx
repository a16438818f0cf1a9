// The frame of a list: its caption for screen readers, and its columns' names.

import type { ComponentChildren } from "preact";

/** A column's name, and how it is shown: `num`, `wide-only`; a name in brackets is for screen readers only. */
export type Column = string | [name: string, classes: string];

export function Table({ caption, columns, first, children }: { caption: string; columns: Column[]; first?: ComponentChildren; children: ComponentChildren }) {
  return (
    <div class="table">
      <table>
        <caption class="sr">{caption}</caption>
        <thead>
          <tr>
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
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
