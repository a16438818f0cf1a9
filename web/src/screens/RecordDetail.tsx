// One call on record: where its time went and what it was held for, who made it and why, and what its function wrote meanwhile.

import type { CallRecord } from "../api/sdk.ts";
import { Ago, Copy, Figure, Loading, Problem, State } from "../parts/basic.tsx";
import { Icon } from "../parts/Icon.tsx";
import { PhaseBars } from "../parts/PhaseBars.tsx";
import { Page } from "../parts/Shell.tsx";
import { bytes, millis, shortId, stamp } from "../logic/format.ts";
import type { Phase } from "../logic/phases.ts";
import { href, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { LogsOf, SLACK_MS } from "./call/CallLogs.tsx";
import { recordTone } from "./Records.tsx";

const HELD: Record<string, string> = {
  instance: "an instance: none was ready",
  room: "room: every instance was full",
};

const KEPT: Record<string, string> = {
  error: "it failed",
  cold: "it waited for an instance",
  slow: "it was slow",
  sample: "one of a share of all",
};

export function RecordDetail({ route }: { route: Route }) {
  const { ns = "", id = "" } = route.params;
  const live = useLive(resources.record(ns, id));
  const record = live.value;
  return (
    <Page
      name={`Record ${shortId(id)}`}
      title={
        <>
          <a class="up" href={href("records", { ns })} aria-label="Call records" title="Call records">
            <Icon name="back" />
          </a>
          <span class="mono">{record ? `${record.method} ${record.path}` : shortId(id)}</span>
          <Copy text={id} label="Copy record id" />
          {record && <State tone={recordTone(record.state)}>{record.state} {record.status}</State>}
        </>
      }
    >
      <Problem problem={live.problem} retry={live.reload} />
      {live.loading && !record && <Loading what="the record" />}
      {record && <Facts record={record} ns={ns} />}
      {record && <Time record={record} />}
      {record?.arrived_at && <Logs record={record} />}
    </Page>
  );
}

function Facts({ record, ns }: { record: CallRecord; ns: string }) {
  const small = (text: string) => <small class="value">{text}</small>;
  const mono = (text: string) => <small class="value mono">{text}</small>;
  const { trace_id: trace, call_id: call } = record;
  return (
    <dl class="figures">
      <Figure label="Function" value={<a href={href("function", { ns, name: record.function })}>{record.function}</a>} />
      {record.revision && <Figure label="Revision" value={small(record.revision)} />}
      <Figure label="Came" value={<small class="value" title={stamp(record.arrived_at)}><Ago time={record.arrived_at} /></small>} note={`at sidecar ${record.sidecar}`} />
      <Figure label="Caller" value={small(record.caller)} />
      <Figure label="Cause" value={small(record.cause)} />
      {record.held_for && <Figure label="Held for" value={small(HELD[record.held_for] ?? record.held_for)} />}
      {record.code && <Figure label="Problem" value={mono(record.code)} note="the sidecar answered, not the function" />}
      {record.instance && <Figure label="Instance" value={mono(record.instance)} note={`on the host of ${record.host ?? "?"}`} />}
      <Figure label="Body" value={small(bytes(record.request_bytes))} />
      <Figure label="Answer" value={small(bytes(record.response_bytes))} note={record.broken_off ? "it did not come to its end" : undefined} />
      {record.sends > 1 && <Figure label="Sent" value={small(`${record.sends} times`)} />}
      {call && <Figure label="Async call" value={<a class="value mono" href={href("call", { ns, name: record.function, id: call })}>{shortId(call)}</a>} />}
      {record.attempt != null && <Figure label="Attempt" value={small(String(record.attempt))} />}
      {trace && <Figure label="Trace" value={<a class="value mono" title={trace} href={href("records", { ns }, { trace })}>{shortId(trace)}</a>} />}
      <Figure label="On record" value={small(KEPT[record.kept] ?? record.kept)} />
    </dl>
  );
}

function Time({ record }: { record: CallRecord }) {
  const { route_ms, hold_ms, start_ms, queue_ms, connect_ms, run_ms, answer_ms } = record.phases;
  const all = { route: route_ms, hold: hold_ms, start: start_ms, queue: queue_ms, connect: connect_ms, run: run_ms, answer: answer_ms };
  const phases: Phase[] = Object.entries(all).map(([name, duration_ms]) => ({ name, duration_ms }));
  return (
    <section class="card" aria-labelledby="time">
      <header>
        <h2 id="time">Where its time went</h2>
        <span class="hint">{millis(record.duration_ms)} in all</span>
      </header>
      <PhaseBars phases={phases} total={record.duration_ms} />
    </section>
  );
}

function Logs({ record }: { record: CallRecord }) {
  const begin = Date.parse(record.arrived_at ?? "");
  const time = (ms: number) => new Date(ms).toISOString();
  const [since, until] = [time(begin - SLACK_MS), time(begin + record.duration_ms + SLACK_MS)];
  const words = [record.trace_id, record.call_id].filter((word): word is string => !!word);
  return <LogsOf ns={record.namespace} name={record.function} since={since} until={until} words={words} />;
}
