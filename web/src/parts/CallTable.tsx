// Asynchronous calls as rows; the calls screen and the dead letters share it.

import type { Invocation } from "../api/sdk.ts";
import { Ago, State, toneOf } from "./basic.tsx";
import type { Selection } from "./selection.ts";
import { Rows } from "./Rows.tsx";
import { Table, type Column } from "./Table.tsx";
import { millis, shortId } from "../logic/format.ts";
import { href } from "../router.ts";

interface Props {
  ns: string;
  items: Invocation[];
  /** null: nothing can be done with them. */
  selection: Selection | null;
  showFunction: boolean;
}

export function CallTable({ ns, items, selection, showFunction }: Props) {
  const columns: Column[] = ["Call", "State", ...(showFunction ? ["Function"] : []), "Request", "Attempts", ["Took", "num"], "Accepted"];
  return (
    <Table
      caption="Async calls, newest first"
      columns={columns}
      rows={items.length}
      first={
        selection && (
          <th scope="col" class="check-cell">
            <label class="tick"><input type="checkbox" aria-label="Select all" checked={selection.all} onChange={selection.toggleAll} /></label>
          </th>
        )
      }
    >
      <Rows items={items} columns={columns.length + (selection ? 1 : 0)} draw={(call, index) => (
        <tr key={call.id} aria-rowindex={index + 2}>
          {selection && (
            <td class="check-cell">
              <label class="tick"><input type="checkbox" aria-label={`Select ${call.id}`} checked={selection.has(call.id)} onChange={() => selection.toggle(call.id)} /></label>
            </td>
          )}
          <th scope="row" class="mono">
            <a data-row href={href("call", { ns, name: call.function, id: call.id })} title={call.id}>
              {shortId(call.id)}
            </a>
          </th>
          <td title={call.waits_for === "function" ? "The catalogue has no such function now, though nobody deleted it" : call.reason ?? undefined}>
            <State tone={toneOf(call.state)}>{call.waits_for === "function" ? "waits for its function" : call.state}</State>
          </td>
          {showFunction && <td>{call.function}</td>}
          <td class="mono clip" title={`${call.method} ${call.path}`}>
            {call.method} {call.path}
          </td>
          <td>
            <Attempts call={call} />
          </td>
          <td class="num">{took(call)}</td>
          <td>
            <Ago time={call.accepted_at} />
          </td>
        </tr>
      )} />
    </Table>
  );
}

const MAX_MARKS = 8;

/** One mark an attempt, coloured by how it ended, and the statuses in words. */
function Attempts({ call }: { call: Invocation }) {
  const said = call.attempts.map((attempt) => attempt.status ?? attempt.error ?? "under way").join(", ");
  if (call.attempts.length === 0) return <span class="hint">none yet</span>;
  return (
    <span class="marks" title={said}>
      {call.attempts.slice(-MAX_MARKS).map((attempt) => (
        <i key={attempt.number} class={attempt.status == null ? (attempt.error ? "bad" : "busy") : attempt.status < 400 ? "ok" : "bad"} aria-hidden="true" />
      ))}
      {call.attempts.at(-1)?.status ?? (call.attempts.at(-1)?.error ? "error" : "…")}
    </span>
  );
}

function took(call: Invocation): string {
  if (!call.accepted_at || !call.finished_at) return "–";
  return millis(Date.parse(call.finished_at) - Date.parse(call.accepted_at));
}
