// A function's last minutes on one chart, what the autoscaler decided and why, what is wrong if something is, and what runs.

import type { GatelessFunction } from "../../api/sdk.ts";
import { useState } from "preact/hooks";
import type { Stats } from "../../api/sdk.ts";
import { LazyChart } from "../../parts/LazyChart.tsx";
import { Ago, Badge, Copy, Figure, Problem, State, toneOf } from "../../parts/basic.tsx";
import { clock, count, millis, number, plural } from "../../logic/format.ts";
import { href } from "../../router.ts";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";
import { Address } from "./Address.tsx";
import { Conditions } from "./Conditions.tsx";
import { Table } from "../../parts/Table.tsx";

const SPANS = [
  [120, "2 min"],
  [300, "5 min"],
  [600, "10 min"],
] as const;

const NONE: Stats = { observed_since: null, samples: [], decisions: [] };

export function Overview({ fn }: { fn: GatelessFunction }) {
  const history = useLive(resources.history(fn.namespace, fn.name));
  const [seconds, setSeconds] = useState<number>(120);
  const [marked, setMarked] = useState<number | null>(null);
  const stats = history.value ?? NONE;
  return (
    <>
      <Conditions fn={fn} />
      <Address fn={fn} />
      <Now stats={stats} />
      <section class="card" aria-labelledby="chart">
        <header>
          <h2 id="chart">Concurrency, instances, held calls</h2>
          <div class="segments" role="group" aria-label="Time shown">
            {SPANS.map(([span, label]) => (
              <button key={span} type="button" aria-pressed={span === seconds} onClick={() => setSeconds(span)}>
                {label}
              </button>
            ))}
          </div>
        </header>
        <Problem problem={history.problem} retry={history.reload} />
        <div class="chart-and-list">
          <LazyChart stats={stats} seconds={seconds} marked={marked} onMark={setMarked} label={describe(stats)} />
          <Decisions stats={stats} marked={marked} onMark={setMarked} />
        </div>
      </section>
      <Instances fn={fn} />
    </>
  );
}

function describe(stats: Stats): string {
  const last = stats.samples.at(-1);
  if (!last) return "Nothing happened in the last ten minutes";
  return `Now ${number(last.in_flight)} calls in flight, ${last.held} held, ${plural(last.ready, "instance")}; ${plural(stats.decisions.length, "scaling decision")} in ten minutes`;
}

function Now({ stats }: { stats: Stats }) {
  const last = stats.samples.at(-1);
  return (
    <dl class="figures">
      <Figure label="Calls per second" value={number(last?.rps ?? 0)} />
      <Figure label="Errors per second" value={number(last?.errors_per_second ?? 0)} tone={last && last.errors_per_second > 0 ? "bad" : undefined} />
      <Figure label="p95" value={millis(last?.p95_ms)} note={`p50 ${millis(last?.p50_ms)}`} />
      <Figure label="Instances" value={count(last?.ready ?? 0)} note={last ? `${last.desired} wanted${last.starting > 0 ? `, ${last.starting} starting` : ""}` : "0 wanted"} />
      <Figure label="Held now" value={count(last?.held ?? 0)} tone={last && last.held > 0 ? "warn" : undefined} />
      <Figure label="Queued · dead" value={`${count(last?.queued ?? 0)} · ${count(last?.dead ?? 0)}`} tone={last && last.dead > 0 ? "bad" : undefined} />
    </dl>
  );
}

function Decisions({ stats, marked, onMark }: { stats: Stats; marked: number | null; onMark(index: number | null): void }) {
  const newest = stats.decisions.map((decision, index) => ({ decision, index })).reverse();
  return (
    <div class="decisions">
      <h3>Scaling decisions</h3>
      {newest.length === 0 ? (
        <p class="hint">None in the last ten minutes. Each is told with its reason as it is made.</p>
      ) : (
        <ol tabIndex={0} aria-label="Scaling decisions, newest first">
          {newest.map(({ decision, index }) => (
            <li
              key={`${decision.time} ${decision.revision}`}
              class={index === marked ? "marked" : ""}
              onMouseEnter={() => onMark(index)}
              onMouseLeave={() => onMark(null)}
            >
              <span class="step">
                {decision.previous} → {decision.desired}
              </span>
              <span class="why">{decision.explanation}</span>
              <time dateTime={decision.time}>{clock(decision.time)}</time>
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}

function Instances({ fn }: { fn: GatelessFunction }) {
  const instances = useLive(resources.instances(fn.namespace, fn.name));
  const items = instances.value ?? [];
  return (
    <section class="card" aria-labelledby="instances">
      <header>
        <h2 id="instances">Instances</h2>
        <Badge>{items.length}</Badge>
      </header>
      <Problem problem={instances.problem} retry={instances.reload} />
      {instances.value && items.length === 0 && (
        <p class="nothing">None runs. The next call is held, an instance started, and the call forwarded to it.</p>
      )}
      {items.length > 0 && (
        <Table caption={`Instances of ${fn.name}`} columns={["Instance", "State", "Revision", "Sidecar", "Started", "(Logs)"]}>
          {items.map((one) => (
            <tr key={one.id}>
              <th scope="row" class="mono">
                {one.id} <Copy text={one.id} label="Copy instance id" />
              </th>
              <td><State tone={toneOf(one.state)}>{one.state}</State></td>
              <td>{one.revision}</td>
              <td class="mono">{one.sidecar}</td>
              <td><Ago time={one.started_at} /></td>
              <td class="num">
                <a href={href("logs", { ns: fn.namespace }, { function: fn.name, instance: one.id })}>Logs</a>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
