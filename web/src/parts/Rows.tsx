// The rows of a long list: in chunks, of which only those near the window are drawn. The others are as high as they were, or as their
// neighbours are, so that the page keeps its length and the list its place.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { label } from "./Table.tsx";

const CHUNK = 20;
/** Before anything was measured, in CSS pixels. */
const ROW = 38;
/** How far outside the window rows are drawn, in CSS pixels. */
const NEAR = 500;

interface Props<T> {
  items: T[];
  columns: number;
  /** `index`: of the whole list; the row says it by `aria-rowindex`, after the head. */
  draw(item: T, index: number): ComponentChildren;
}

/** Bodies of a table. The first chunk is drawn at once, and every chunk of a short list. */
export function Rows<T>({ items, columns, draw }: Props<T>) {
  const chunks = Math.ceil(items.length / CHUNK);
  // One height for all that were not drawn yet: the last that was.
  const row = useRef(ROW);
  return (
    <>
      {Array.from({ length: chunks }, (_, index) => (
        <Chunk key={index} items={items.slice(index * CHUNK, (index + 1) * CHUNK)} from={index * CHUNK} columns={columns} draw={draw} always={index === 0} row={row} />
      ))}
    </>
  );
}

interface ChunkProps<T> extends Props<T> {
  from: number;
  always: boolean;
  row: { current: number };
}

function Chunk<T>({ items, from, columns, draw, always, row }: ChunkProps<T>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [near, setNear] = useState(always);
  const height = useRef(0);
  useEffect(() => {
    const element = body.current;
    if (always || !element) return;
    let inside = false;
    // Whoever walks by keyboard goes on from the row that has the focus, wherever the window was scrolled to.
    const settle = (focused: EventTarget | null) => setNear(inside || element.contains(focused as Node | null) || element.contains(document.activeElement));
    const left = ({ relatedTarget }: FocusEvent) => settle(relatedTarget);
    const seen = new IntersectionObserver(
      (entries) => {
        inside = entries.at(-1)?.isIntersecting ?? false;
        settle(null);
      },
      { rootMargin: `${NEAR}px 0px` },
    );
    seen.observe(element);
    element.addEventListener("focusout", left);
    return () => {
      seen.disconnect();
      element.removeEventListener("focusout", left);
    };
  }, [always]);
  useLayoutEffect(() => {
    if (!near || !body.current) return;
    const table = body.current.closest("table");
    if (table) label(table, [body.current]);
    height.current = body.current.offsetHeight;
    row.current = height.current / items.length;
  }, [near, items.length]);
  return (
    <tbody ref={body}>
      {near ? (
        items.map((item, index) => draw(item, from + index))
      ) : (
        <tr class="spacer" aria-hidden="true">
          <td colSpan={columns} style={{ height: `${height.current || items.length * row.current}px` }} />
        </tr>
      )}
    </tbody>
  );
}
