// What a call was made with, and what the function answered.

import { useEffect, useState } from "preact/hooks";
import { client, problemOf, type GatelessError } from "../../api/client.ts";
import { getInvocationResult, type Invocation } from "../../api/sdk.ts";
import { Problem } from "../../parts/basic.tsx";
import { Body, Headers } from "../../parts/Response.tsx";
import { bytes } from "../../logic/format.ts";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";

/** States in which there is more to come. */
export const OPEN = ["queued", "running", "retrying"];

export function Request({ call }: { call: Invocation }) {
  const live = useLive(resources.callRequest(call.namespace, call.function, call.id));
  const request = live.value;
  return (
    <section class="card" aria-labelledby="request">
      <header>
        <h2 id="request">Request</h2>
        <span class="hint mono">
          {call.method} {call.path}
        </span>
      </header>
      <Problem problem={live.problem} retry={live.reload} />
      {request && (
        <>
          <Body
            text={request.body ?? null}
            base64={request.body_base64 ?? null}
            type={request.headers["content-type"] ?? ""}
            {...(request.truncated ? { note: "Only its first MiB is shown." } : {})}
          />
          <Headers headers={request.headers} />
          {request.withheld.length > 0 && <p class="hint">Not shown, being credentials: {request.withheld.join(", ")}.</p>}
        </>
      )}
    </section>
  );
}

const MAX_SHOWN = 256 * 1024;

export function Result({ call }: { call: Invocation }) {
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
