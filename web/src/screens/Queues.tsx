// The durable queues: how much waits, for how long, and what came of the rest.

import { Empty, Loading, Problem } from "../parts/basic.tsx";
import { Page } from "../parts/Shell.tsx";
import { count, millis } from "../logic/format.ts";
import { href, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { Table } from "../parts/Table.tsx";

export function Queues({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const queues = useLive(resources.queues(ns));
  const items = queues.value ?? [];
  const most = Math.max(1, ...items.map((one) => one.queued + one.retrying + one.running));
  return (
    <Page name="Queues" title="Queues" lead="One per function, spread over the sidecars that took its calls.">
      <Problem problem={queues.problem} retry={queues.reload} />
      {queues.loading && !queues.value && <Loading what="queues" />}
      {queues.value && items.length === 0 && (
        <Empty title="Every queue is empty" command="gateless invoke hello -d 'an order' --async">
          <p>
            Nothing waits, runs or is dead. <a href={href("triggers", { ns })}>Triggers</a> put calls into queues, and so does:
          </p>
        </Empty>
      )}
      {items.length > 0 && (
        <Table caption={`Queues of ${ns}`} columns={["Function", ["Load", "wide-only"], ["Waiting", "num"], ["Retrying", "num"], ["Running", "num"], ["Oldest", "num"], ["Dead", "num"]]}>
          {items.map((one) => {
            const link = (state: string, value: number) => (
              <a class={value === 0 ? "plain" : ""} href={href("calls", { ns }, { function: one.function, state })}>{count(value)}</a>
            );
            return (
              <tr key={one.function}>
                <th scope="row">
                  <a data-row class="strong" href={href("calls", { ns }, { function: one.function })}>{one.function}</a>
                </th>
                <td class="wide-only">
                  <span class="load" aria-hidden="true">
                    <i class="running" style={{ width: `${(one.running / most) * 100}%` }} />
                    <i class="queued" style={{ width: `${(one.queued / most) * 100}%` }} />
                    <i class="retrying" style={{ width: `${(one.retrying / most) * 100}%` }} />
                  </span>
                </td>
                <td class="num">{link("queued", one.queued)}</td>
                <td class="num">{link("retrying", one.retrying)}</td>
                <td class="num">{link("running", one.running)}</td>
                <td class="num">{one.queued + one.retrying === 0 ? "–" : millis(one.oldest_age_ms)}</td>
                <td class="num">
                  <a class={one.dead === 0 ? "plain" : "bad"} href={href("deadLetters", { ns }, { function: one.function })}>{count(one.dead)}</a>
                </td>
              </tr>
            );
          })}
        </Table>
      )}
    </Page>
  );
}
