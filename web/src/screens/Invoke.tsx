// The console: a call through a real sidecar, as any caller's, and what became of it. Also as code, to do the same elsewhere.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { client, problemOf, type GatelessError } from "../api/client.ts";
import { invokeFunction, type InvocationRequest, type InvokeResponse } from "../api/sdk.ts";
import { Badge, Copy, Empty, Problem } from "../parts/basic.tsx";
import { errorAt, SelectField, TextField } from "../parts/Field.tsx";
import { useNames } from "../parts/FunctionSelect.tsx";
import { PhaseBars } from "../parts/PhaseBars.tsx";
import { Body, Headers } from "../parts/Response.tsx";
import { Page } from "../parts/Shell.tsx";
import { millis, shortId } from "../logic/format.ts";
import { LANGUAGES, snippet, type CallToShow, type Language } from "../logic/snippets.ts";
import { href, refine, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].map((method) => [method, method] as const);

const KEY = "idempotency-key";

/** `name: value` lines. */
function headersOf(text: string): [string, string][] {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return lines.map((line) => {
    const colon = line.indexOf(":");
    return colon < 0 ? [line, ""] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
}

const NONE: string[] = [];

export function Invoke({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const known = useNames(ns);
  const sidecars = useLive(resources.sidecars());
  const names = known ?? NONE;
  const options = useMemo(() => names.map((one) => [one, one] as const), [names]);
  const name = route.query.get("function") ?? names[0] ?? "";
  const again = route.query.get("call") ?? "";
  const before = useLive(again === "" ? null : resources.callRequest(ns, name, again));
  const [method, setMethod] = useState(route.query.get("method") ?? "GET");
  const [path, setPath] = useState(route.query.get("path") ?? "/");
  const [headers, setHeaders] = useState("");
  const [body, setBody] = useState("");
  const [queued, setQueued] = useState(again !== "");
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<InvokeResponse>();
  const [problem, setProblem] = useState<GatelessError>();
  const taken = useRef("");
  // Once, however often it is read: what is edited then is not taken back.
  useEffect(() => {
    const request = before.value;
    if (!request || taken.current === again) return;
    taken.current = again;
    setMethod(request.method);
    setPath(request.path);
    setHeaders(Object.entries(request.headers).filter(([header]) => header !== KEY).map(([header, value]) => `${header}: ${value}`).join("\n"));
    setBody(request.body ?? "");
  }, [before.value]);
  const bodyless = method === "GET" || method === "HEAD";

  const send = async (event?: Event) => {
    event?.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      const request = { method, path, headers: Object.fromEntries(headersOf(headers)), async: queued };
      const sent = bodyless || body === "" ? request : { ...request, body };
      setAnswer(await invokeFunction({ client, path: { namespace: ns, name }, body: sent }));
    } catch (error) {
      setAnswer(undefined);
      setProblem(problemOf(error));
    }
    setBusy(false);
  };

  const shown: CallToShow = {
    sidecar: sidecars.value?.find((one) => one.connected)?.public_url ?? "http://127.0.0.1:7700",
    server: location.origin,
    namespace: ns,
    name,
    method,
    path,
    headers: headersOf(headers),
    body: bodyless ? "" : body,
    queued,
  };

  if (known && names.length === 0) {
    return (
      <Page title="Invoke" name="Invoke">
        <Empty title="There is nothing to call yet" command="gateless deploy examples/shell-anything">
          <p>
            <a href={href("register", { ns })}>Register a function</a>, or deploy one of the examples:
          </p>
        </Empty>
      </Page>
    );
  }
  return (
    <Page title="Invoke" name="Invoke" lead="Through a live sidecar, on the path any caller takes.">
      <Again id={again} ns={ns} name={name} request={before.value} problem={before.problem} />
      <div class="console">
        <form class="card" onSubmit={(event) => void send(event)} aria-label="Request">
          <div class="row">
            <SelectField label="Function" value={name} onChange={(value) => refine({ function: value, call: "" })} options={options} />
            <SelectField label="Method" value={method} onChange={setMethod} options={METHODS} error={errorAt(problem, "/method")} />
          </div>
          <TextField label="Path and query" value={path} onChange={setPath} mono error={errorAt(problem, "/path")} />
          <TextField label="Headers" value={headers} onChange={setHeaders} lines={3} mono placeholder="content-type: application/json" hint="One a line." error={errorAt(problem, "/headers", true)} />
          {!bodyless && <TextField label="Body" value={body} onChange={setBody} lines={6} mono error={errorAt(problem, "/body")} />}
          <div class="segments" role="group" aria-label="Answer">
            <button type="button" aria-pressed={!queued} onClick={() => setQueued(false)}>
              Wait for it
            </button>
            <button type="button" aria-pressed={queued} onClick={() => setQueued(true)}>
              Queue it (async)
            </button>
          </div>
          <footer>
            <button type="submit" class="primary" disabled={busy || name === ""}>
              {busy ? "Calling…" : "Send"}
            </button>
          </footer>
        </form>
        <section class="card answer" aria-label="Answer" aria-live="polite" aria-busy={busy}>
          <Problem problem={problem} title="The call was not made" />
          {!answer && !problem && <p class="nothing">The answer appears here, with where its time went.</p>}
          {answer && <Answer answer={answer} ns={ns} name={name} />}
        </section>
        <Snippets call={shown} />
      </div>
    </Page>
  );
}

interface AgainProps {
  id: string;
  ns: string;
  name: string;
  request: InvocationRequest | undefined;
  problem: GatelessError | undefined;
}

/** What of a call that is made again could not be taken over. */
function Again({ id, ns, name, request, problem }: AgainProps) {
  if (id === "") return null;
  if (problem) return <Problem problem={problem} title="The call's request could not be read" />;
  const missing = [
    ...(request?.withheld.map((header) => `${header}, a credential`) ?? []),
    // With it, it would be the same call and not another.
    ...(request && KEY in request.headers ? ["its idempotency key"] : []),
    ...(request?.body_base64 != null ? ["its body, which is no text"] : []),
    ...(request?.truncated ? ["its body past the first MiB"] : []),
  ];
  return (
    <p class={missing.length > 0 ? "notice warn" : "notice"} role="status">
      <span>
        A new call, made like <a class="mono" href={href("call", { ns, name, id })}>{shortId(id)}</a>. {missing.length > 0 && `Not taken over: ${missing.join("; ")}.`}
      </span>
    </p>
  );
}

function Answer({ answer, ns, name }: { answer: InvokeResponse; ns: string; name: string }) {
  const tone = answer.status < 300 ? "ok" : answer.status < 500 ? "warn" : "bad";
  const type = answer.headers["content-type"] ?? "";
  return (
    <>
      <header>
        <h2>
          <Badge tone={tone}>{answer.status}</Badge> in {millis(answer.duration_ms)}
        </h2>
        {answer.cold_start ? <Badge tone="busy">cold start</Badge> : <Badge>warm</Badge>}
        <span class="hint mono" title={answer.url}>
          through {answer.sidecar}
        </span>
      </header>
      <PhaseBars phases={answer.phases} total={answer.duration_ms} />
      {answer.call_id && (
        <p class="notice">
          On disk, and delivered at least once. <a href={href("call", { ns, name, id: answer.call_id })}>Follow call {answer.call_id}</a>
        </p>
      )}
      <Body
        text={answer.body ?? null}
        base64={answer.body_base64 ?? null}
        type={type}
        {...(answer.truncated ? { note: "Only the first MiB is shown." } : {})}
      />
      <Headers headers={answer.headers} />
    </>
  );
}

function Snippets({ call }: { call: CallToShow }) {
  const [language, setLanguage] = useState<Language>("curl");
  const text = snippet(language, call);
  return (
    <section class="card snippets" aria-labelledby="snippet">
      <header>
        <h2 id="snippet">As code</h2>
        <div class="segments" role="group" aria-label="Language">
          {LANGUAGES.map(([key, label]) => (
            <button key={key} type="button" aria-pressed={key === language} onClick={() => setLanguage(key)}>
              {label}
            </button>
          ))}
        </div>
      </header>
      <div class="code-block">
        <div class="tools">
          <Copy text={text} label="Copy code" />
        </div>
        <pre tabIndex={0} aria-label="Code">{text}</pre>
      </div>
    </section>
  );
}
