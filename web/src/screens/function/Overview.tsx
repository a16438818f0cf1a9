// A function's last minutes on one chart, what happened then and why, what is wrong if something is, and what runs.

import type { GatelessFunction } from "../../api/sdk.ts";
import { useMemo, useState } from "preact/hooks";
import type { Stats } from "../../api/sdk.ts";
import { clockSkew } from "../../events.ts";
import { happenings, type Happening } from "../../logic/happenings.ts";
import type { Range } from "../../parts/Chart.tsx";
import { LazyChart } from "../../parts/LazyChart.tsx";
import { Ago, Badge, Copy, Figure, Problem, State, toneOf } from "../../parts/basic.tsx";
import { clock, count, millis, number, plural } from "../../logic/format.ts";
import { href, refine, useRoute } from "../../router.ts";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";
import { Address } from "./Address.tsx";
import { Conditions } from "./Conditions.tsx";
import { Table } from "../../parts/Table.tsx";

/** Of a range, in seconds. */
const SHORTEST = 5;
const LONGEST = 600;
const SPANS = [
  [120, "2 min"],
  [300, "5 min"],
  [600, "10 min"],
] as const;

const NONE: Stats = { observed_since: null, samples: [], decisions: [], marks: [] };

/** A range of the past from the address, where a drag put it. */
function rangeOf(query: URLSearchParams): Range | null {
  const [from, to] = [Number(query.get("from")), Number(query.get("to"))];
  return Number.isFinite(from) && Number.isFinite(to) && from > 0 && to - from >= SHORTEST ? { from, to } : null;
}

const show = (range: Range | null) => refine({ from: range ? range.from.toFixed(1) : "", to: range ? range.to.toFixed(1) : "" });

export function Overview({ fn }: { fn: GatelessFunction }) {
  const history = useLive(resources.history(fn.namespace, fn.name));
  const { query } = useRoute();
  const seconds = SPANS.find(([span]) => String(span) === query.get("span"))?.[0] ?? SPANS[0][0];
  const [marked, setMarked] = useState<string | null>(null);
  const stats = history.value ?? NONE;
  const happened = useMemo(() => happenings(stats), [stats]);
  const range = useMemo(() => rangeOf(query), [query.get("from"), query.get("to")]);
  const shown = range ? happened.filter(({ at }) => at >= range.from * 1000 && at <= range.to * 1000) : happened;
  return (
    <>
      <Conditions fn={fn} />
      <Address fn={fn} />
      <Now stats={stats} />
      <section class="card" aria-labelledby="chart">
        <header>
          <h2 id="chart">Concurrency, instances, held calls</h2>
          <div class="actions">
            {range && <Steps range={range} />}
            <div class="segments" role="group" aria-label="Time shown">
              {SPANS.map(([span, label]) => (
                <button
                  key={span}
                  type="button"
                  aria-pressed={range === null && span === seconds}
                  onClick={() => refine({ from: "", to: "", span: span === SPANS[0][0] ? "" : String(span) })}
                >
                  {label}
                </button>
              ))}
              {!range && (
                <button type="button" aria-pressed={false} title="Stops the chart; a range can also be dragged in it" onClick={() => show(lately(seconds))}>
                  Range
                </button>
              )}
            </div>
          </div>
        </header>
        <Problem problem={history.problem} retry={history.reload} />
        <div class="chart-and-list">
          <LazyChart stats={stats} happenings={happened} seconds={seconds} range={range} onRange={show} marked={marked} onMark={setMarked} label={describe(stats)} />
          <Happenings happened={shown} marked={marked} onMark={setMarked} live={range === null} />
        </div>
      </section>
      <Instances fn={fn} />
    </>
  );
}

function lately(seconds: number): Range {
  const now = (Date.now() + clockSkew.value) / 1000;
  return { from: now - seconds, to: now };
}

/** The range, and what dragging does without a pointer. */
function Steps({ range }: { range: Range }) {
  const span = range.to - range.from;
  const move = (by: number) => show({ from: range.from + by * span, to: range.to + by * span });
  const zoom = (by: number) => show({ from: range.from + (span * (1 - by)) / 2, to: range.to - (span * (1 - by)) / 2 });
  return (
    <>
      <span class="hint">
        {clock(range.from * 1000)} to {clock(range.to * 1000)}
      </span>
      <div class="segments" role="group" aria-label="Range shown">
        <button type="button" onClick={() => move(-0.5)}>Earlier</button>
        <button type="button" onClick={() => move(0.5)}>Later</button>
        <button type="button" disabled={span / 2 < SHORTEST} onClick={() => zoom(0.5)}>Closer</button>
        <button type="button" disabled={span * 2 > LONGEST} onClick={() => zoom(2)}>Wider</button>
      </div>
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

function Happenings({ happened, marked, onMark, live }: { happened: Happening[]; marked: string | null; onMark(key: string | null): void; live: boolean }) {
  const newest = [...happened].reverse();
  return (
    <div class="decisions">
      <h3>What happened</h3>
      {newest.length === 0 ? (
        <p class="hint">{live ? "Nothing in the last ten minutes. Scaling decisions with their reasons, deploys and drains are told as they come." : "Nothing in this range."}</p>
      ) : (
        <ol tabIndex={0} aria-label="What happened, newest first">
          {newest.map(({ key, title, text, time, kind, bad }) => (
            <li key={key} class={`${kind} ${key === marked ? "marked" : ""}`} onMouseEnter={() => onMark(key)} onMouseLeave={() => onMark(null)}>
              <span class={bad ? "step bad" : "step"}>{title}</span>
              <time dateTime={time}>{clock(time)}</time>
              {text && <span class="why">{text}</span>}
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
        <Badge count>{items.length}</Badge>
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
              <td class="acts">
                <a href={href("logs", { ns: fn.namespace }, { function: fn.name, instance: one.id })}>Logs</a>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
