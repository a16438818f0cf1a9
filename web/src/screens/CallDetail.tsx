// One asynchronous call: what was asked, every attempt on a time line, what came of it, what was logged meanwhile; and the way to try it again.

import { client } from "../api/client.ts";
import { cancelInvocation, replayInvocation, type Invocation } from "../api/sdk.ts";
import { Ago, Copy, Figure, Loading, Problem, State, toneOf } from "../parts/basic.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Page } from "../parts/Shell.tsx";
import { attempt as tryTo } from "../parts/Toasts.tsx";
import { bytes, shortId, stamp } from "../logic/format.ts";
import { href, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";
import { Attempts } from "./call/Attempts.tsx";
import { CallLogs } from "./call/CallLogs.tsx";
import { OPEN, Request, Result } from "./call/Bodies.tsx";

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
            <a class="button" href={href("invoke", { ns }, { function: name, call: id })}>
              Replay edited
            </a>
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
      {call?.waits_for === "function" && (
        <div class="condition">
          <header>It waits for its function</header>
          <p>The catalogue that its sidecar has now has no function of this name, though nobody deleted it. It is delivered when the function is there again.</p>
        </div>
      )}
      {call && <Attempts call={call} />}
      {call && <Request call={call} />}
      {call && <Result call={call} />}
      {call && <CallLogs call={call} />}
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
      <Figure label="Cause" value={<small class="value">{call.trigger ? <a href={href("triggers", { ns })}>trigger {call.trigger}</a> : "a caller"}</small>} />
      {call.idempotency_key && (
        <Figure label="Idempotency key" value={<a class="value mono" title={call.idempotency_key} href={href("calls", { ns }, { key: call.idempotency_key })}>{call.idempotency_key}</a>} />
      )}
      {call.next_attempt_at && <Figure label="Next attempt" value={<small class="value"><Ago time={call.next_attempt_at} /></small>} />}
      {call.callback_url && <Figure label="Callback" value={<small class="value">{call.callback_state ?? "when it is done"}</small>} note={call.callback_error ?? undefined} />}
      <Figure label="Sidecar" value={<small class="value mono">{call.sidecar}</small>} />
    </dl>
  );
}
