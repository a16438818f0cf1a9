// One asynchronous call: every attempt on a time line, what came of it, and the way to try it again.

import { useEffect, useState } from "preact/hooks";
import { client, problemOf, type GatelessError } from "../api/client.ts";
import { cancelInvocation, getInvocationResult, replayInvocation, type Attempt, type Invocation } from "../api/sdk.ts";
import { Ago, Copy, Figure, Loading, Problem, State, toneOf } from "../parts/basic.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Body } from "../parts/Response.tsx";
import { Page } from "../parts/Shell.tsx";
import { attempt as tryTo } from "../parts/Toasts.tsx";
import { bytes, millis, shortId, stamp } from "../logic/format.ts";
import { href, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";

const OPEN = ["queued", "running", "retrying"];

export function CallDetail({ route }: { route: Route }) {
  const { ns = "", name = "", id = "" } = route.params;
  const live = useLive(resources.call(ns, name, id));
  const mayInvoke = useMay("invoke");
  const call = live.value;
  const path = { namespace: ns, name, id };
  const set = (answer: Invocation) => live.set(() => answer);
  return (
    <Page
      name={`Call ${shortId(id)}`}
      title={
        <>
          <a class="up" href={href("calls", { ns })} aria-label="Calls" title="Calls">
            <Icon name="back" />
          </a>
          <span class="mono">{id}</span>
          <Copy text={id} label="Copy call id" />
          {call && <State tone={toneOf(call.state)}>{call.state}</State>}
        </>
      }
      actions={
        mayInvoke &&
        call && (
          <>
            <button type="button" disabled={!OPEN.includes(call.state)} onClick={() => void tryTo(async () => set(await cancelInvocation({ client, path })))}>
              Cancel
            </button>
            <button
              type="button"
              class="primary"
              disabled={OPEN.includes(call.state)}
              onClick={() =>
                void tryTo(async () => {
                  set(await replayInvocation({ client, path }));
                  return "It is in the queue again";
                })
              }
            >
              Replay
            </button>
          </>
        )
      }
    >
      <Problem problem={live.problem} retry={live.reload} />
      {live.loading && !call && <Loading what="the call" />}
      {call && <Facts call={call} ns={ns} />}
      {call?.reason && call.state === "dead" && (
        <div class="condition bad">
          <header>Dead: {call.reason.replace(/_/g, " ")}</header>
          <p>
            It is kept among the <a href={href("deadLetters", { ns }, { function: name })}>dead letters</a> until it is replayed or purged.
          </p>
        </div>
      )}
      {call && <Attempts call={call} />}
      {call && <Result call={call} />}
    </Page>
  );
}

function Facts({ call, ns }: { call: Invocation; ns: string }) {
  return (
    <dl class="figures">
      <Figure label="Function" value={<a href={href("function", { ns, name: call.function })}>{call.function}</a>} />
      <Figure label="Request" value={<small class="value mono">{call.method} {call.path}</small>} />
      <Figure label="Body" value={bytes(call.body_bytes)} />
      <Figure label="Accepted" value={<small class="value" title={stamp(call.accepted_at)}><Ago time={call.accepted_at} /></small>} />
      {call.next_attempt_at && <Figure label="Next attempt" value={<small class="value"><Ago time={call.next_attempt_at} /></small>} />}
      {call.callback_url && <Figure label="Callback" value={<small class="value">{call.callback_state ?? "when it is done"}</small>} note={call.callback_error ?? undefined} />}
      <Figure label="Sidecar" value={<small class="value mono">{call.sidecar}</small>} />
    </dl>
  );
}

function Attempts({ call }: { call: Invocation }) {
  const begin = Date.parse(call.accepted_at ?? "");
  const ends = call.attempts.map((one) => Date.parse(one.started_at ?? "") + one.duration_ms);
  const end = Math.max(Date.parse(call.finished_at ?? "") || 0, ...ends.filter(Number.isFinite), begin + 1);
  const at = (time: number) => `${Math.min(100, Math.max(0, ((time - begin) / (end - begin)) * 100))}%`;
  return (
    <section class="card" aria-labelledby="attempts">
      <header>
        <h2 id="attempts">Attempts</h2>
        <span class="hint">{call.finished_at ? `over after ${millis(Date.parse(call.finished_at) - begin)}` : "goes on"}</span>
      </header>
      {call.attempts.length === 0 && <p class="nothing">None yet.</p>}
      <ol class="attempts">
        {call.attempts.map((one) => {
          const started = Date.parse(one.started_at ?? "");
          return (
            <li key={one.number} class={tone(one)}>
              <span class="nr">{one.number}</span>
              <span class="lane" aria-hidden="true">
                {Number.isFinite(started) && <i style={{ left: at(started), width: `max(4px, ${(one.duration_ms / (end - begin)) * 100}%)` }} />}
              </span>
              <span class="what">{one.status ?? one.error ?? "under way"}</span>
              <span class="took" title={stamp(one.started_at)}>{millis(one.duration_ms)}</span>
              {one.error && one.status != null && <span class="error">{one.error}</span>}
            </li>
          );
        })}
      </ol>
    </section>
  );
}

function tone(attempt: Attempt): string {
  if (attempt.status == null) return attempt.error ? "bad" : "busy";
  return attempt.status < 400 ? "ok" : "bad";
}

const MAX_SHOWN = 256 * 1024;

function Result({ call }: { call: Invocation }) {
  const [result, setResult] = useState<{ text: string | null; type: string; cut: boolean }>();
  const [problem, setProblem] = useState<GatelessError>();
  const { namespace, function: name, id } = call;
  const done = !OPEN.includes(call.state) && call.status != null;
  useEffect(() => {
    setResult(undefined);
    setProblem(undefined);
    if (!done) return;
    let gone = false;
    const read = async () => {
      try {
        const blob = (await getInvocationResult({ client, path: { namespace, name, id }, parseAs: "blob" })) as Blob;
        const readable = blob.type === "" || /json|text|xml|javascript|urlencoded/.test(blob.type);
        const text = readable ? await blob.slice(0, MAX_SHOWN).text() : null;
        if (!gone) setResult({ text, type: blob.type, cut: blob.size > MAX_SHOWN });
      } catch (error) {
        if (!gone) setProblem(problemOf(error));
      }
    };
    void read();
    return () => void (gone = true);
  }, [id, done, call.finished_at]);
  return (
    <section class="card" aria-labelledby="result">
      <header>
        <h2 id="result">Result</h2>
        {call.status != null && <span class="hint">status {call.status}, {bytes(call.result_bytes)}</span>}
      </header>
      {!done && <p class="nothing">There is none {OPEN.includes(call.state) ? "yet" : "to show"}.</p>}
      {problem && (problem.status === 404 ? <p class="nothing">It is not kept any more.</p> : <Problem problem={problem} />)}
      {result && <Body text={result.text} type={result.type} {...(result.cut ? { note: "Only its beginning is shown." } : {})} />}
    </section>
  );
}
