// Every function of the namespace and how it is, this second.

import type { GatelessFunction } from "../api/sdk.ts";
import { useMemo, useState } from "preact/hooks";
import { Empty, Figure, Loading, Problem, State, useNow, type Tone } from "../parts/basic.tsx";
import { Icon } from "../parts/Icon.tsx";
import { useInAddress } from "../parts/inAddress.ts";
import { Page } from "../parts/Shell.tsx";
import { Sparkline } from "../parts/Sparkline.tsx";
import { count, millis, number, plural } from "../logic/format.ts";
import { href, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import { slide, SPARK_SECONDS, type Pulse } from "../store/reduce.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";
import { Hello } from "./functions/Hello.tsx";
import { Rows } from "../parts/Rows.tsx";
import { Table, type Column } from "../parts/Table.tsx";

/** A sample that is a moment late is no second without calls. */
const LATE_MS = 1500;
const COLUMNS: Column[] = ["Function", "Health", ["Last minute", "wide-only"], ["Calls/s", "num"], ["Errors/s", "num"], ["p95", "num"], ["Instances", "num"], ["Held now", "num"]];
const QUIET: number[] = Array<number>(SPARK_SECONDS).fill(0);

export function Functions({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const list = useLive(resources.functions(ns));
  const pulses = useLive(resources.pulses(ns));
  const mayDeploy = useMay("deploy");
  const mayInvoke = useMay("invoke");
  /** The first function was made on this page: what comes next is still told. */
  const [first, setFirst] = useState(false);
  const [search, setSearch] = useInAddress("q");
  const items = list.value?.items ?? [];
  const found = useMemo(() => items.filter((fn) => matches(fn, search)), [items, search]);
  const now = useNow(1000);
  return (
    <Page
      name="Functions"
      title="Functions"
      counted
      lead={list.value ? <>{plural(items.length, "function")} in {ns}{list.value.truncated && ", the first of more"}</> : undefined}
      actions={
        <>
          <Search value={search} onChange={setSearch} label="Search functions" />
          {mayDeploy && (
            <a class="button primary" href={href("register", { ns })}>
              <Icon name="plus" />
              Register
            </a>
          )}
        </>
      }
    >
      <Problem problem={list.problem} retry={list.reload} />
      {list.loading && !list.value && <Loading what="functions" />}
      {list.value && (items.length === 0 || first) && <First ns={ns} started={first} mayDeploy={mayDeploy && mayInvoke} onDeployed={() => setFirst(true)} />}
      {items.length > 0 && <Totals pulses={[...(pulses.value?.values() ?? [])]} />}
      {items.length > 0 && (
        <Table caption={`Functions of ${ns}`} columns={COLUMNS} rows={found.length}>
          <Rows items={found} columns={COLUMNS.length} draw={(fn, index) => <Row key={fn.uid} index={index} fn={fn} ns={ns} pulse={pulses.value?.get(fn.name)} now={now} />} />
        </Table>
      )}
      {items.length > 0 && found.length === 0 && <p class="nothing">No function is called “{search}”.</p>}
    </Page>
  );
}

function matches(fn: GatelessFunction, search: string): boolean {
  const text = `${fn.name} ${Object.entries(fn.labels).flat().join(" ")}`.toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

export function Search({ value, onChange, label }: { value: string; onChange(value: string): void; label: string }) {
  return (
    <span class="search">
      <input type="search" aria-label={label} placeholder={label} value={value} onInput={(event) => onChange(event.currentTarget.value)} />
      <kbd aria-hidden="true">/</kbd>
    </span>
  );
}

export function healthOf(fn: GatelessFunction): { tone: Tone; text: string; why: string } {
  const ready = fn.status.conditions.find((condition) => condition.type === "Ready");
  const text = (ready?.reason ?? "unknown").replace(/_/g, " ");
  const tone = ready?.status === "true" ? "ok" : ready?.status === "false" ? "bad" : "busy";
  return { tone, text, why: ready?.message ?? "" };
}

/** The same line for all that are flat. */
const calm = (spark: number[]) => (spark.every((value) => value === 0) ? QUIET : spark);

function Row({ index, fn, ns, pulse, now }: { index: number; fn: GatelessFunction; ns: string; pulse: Pulse | undefined; now: number }) {
  const health = healthOf(fn);
  const sample = pulse?.sample;
  const spark = pulse ? calm(slide(pulse.spark, pulse.at, now - LATE_MS)) : QUIET;
  // Drawn again when something of it changed: most functions are quiet, and this is asked every second.
  return useMemo(() => (
    <tr aria-rowindex={index + 2}>
      <th scope="row">
        <a data-row class="strong" href={href("function", { ns, name: fn.name })}>
          {fn.name}
        </a>
        <small>{fn.status.latest_revision}{fn.spec.kind !== "process" && ` · ${fn.spec.kind}`}</small>
      </th>
      <td>
        <span title={health.why}>
          <State tone={health.tone}>{health.text}</State>
        </span>
      </td>
      <td class="wide-only">
        <Sparkline values={spark} />
      </td>
      <td class="num">{number(sample?.rps ?? 0)}</td>
      <td class={sample && sample.errors_per_second > 0 ? "num bad" : "num"}>{number(sample?.errors_per_second ?? 0)}</td>
      <td class="num">{millis(sample?.p95_ms)}</td>
      <td class="num">
        {count(sample?.ready ?? 0)}
        {sample && sample.starting > 0 && <small class="inline"> +{sample.starting}</small>}
      </td>
      <td class={sample && sample.held > 0 ? "num warn" : "num"}>{count(sample?.held ?? 0)}</td>
    </tr>
  ), [index, fn, ns, sample, spark]);
}

function Totals({ pulses }: { pulses: Pulse[] }) {
  const sum = (pick: (pulse: Pulse) => number) => pulses.reduce((total, pulse) => total + pick(pulse), 0);
  const held = sum((pulse) => pulse.sample.held);
  const dead = sum((pulse) => pulse.sample.dead);
  return (
    <dl class="figures">
      <Figure label="Calls per second" value={number(sum((pulse) => pulse.sample.rps))} />
      <Figure label="In flight" value={number(sum((pulse) => pulse.sample.in_flight))} />
      <Figure label="Instances" value={count(sum((pulse) => pulse.sample.ready))} />
      <Figure label="Held now" value={count(held)} tone={held > 0 ? "warn" : undefined} />
      <Figure label="Queued" value={count(sum((pulse) => pulse.sample.queued))} />
      <Figure label="Dead letters" value={count(dead)} tone={dead > 0 ? "bad" : undefined} />
    </dl>
  );
}

interface FirstProps {
  ns: string;
  started: boolean;
  mayDeploy: boolean;
  onDeployed(): void;
}

function First({ ns, started, mayDeploy, onDeployed }: FirstProps) {
  const flag = ns === "default" ? "" : ` --namespace ${ns}`;
  return (
    <>
      {!started && (
        <Empty title="No function yet" command={`gateless deploy${flag} --name site -- sh -c 'exec python3 -m http.server --bind 127.0.0.1 $PORT'`}>
          <p>
            {mayDeploy && <>Write one below, <a href={href("register", { ns })}>register</a> a program you have, or with</>} the command line:
          </p>
        </Empty>
      )}
      {mayDeploy && <Hello ns={ns} onDeployed={onDeployed} />}
    </>
  );
}
