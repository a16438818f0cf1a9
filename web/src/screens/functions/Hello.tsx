// The first function, from an editor to a cold and a warm call, where a namespace has none yet.

import { useEffect, useRef, useState } from "preact/hooks";
import { client, problemOf, type GatelessError } from "../../api/client.ts";
import { applyFunction, invokeFunction, type ApplyRequest, type InvokeResponse } from "../../api/sdk.ts";
import { Badge, Command, Problem } from "../../parts/basic.tsx";
import { errorAt, TextField } from "../../parts/Field.tsx";
import { PhaseBars } from "../../parts/PhaseBars.tsx";
import { clock, millis } from "../../logic/format.ts";
import { staleSince } from "../../events.ts";
import { RUNTIMES, type Runtime } from "../../logic/hello.ts";
import { addressOf } from "../../logic/address.ts";
import { guard, href } from "../../router.ts";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";

interface Props {
  ns: string;
  /** From then on the list is no longer empty, and this is still shown. */
  onDeployed(): void;
}

const [FIRST] = RUNTIMES as [Runtime, ...Runtime[]];

export function Hello({ ns, onDeployed }: Props) {
  const [runtime, setRuntime] = useState(FIRST);
  const [name, setName] = useState("hello");
  const [code, setCode] = useState(FIRST.code);
  const [deployed, setDeployed] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<GatelessError>();
  const written = !RUNTIMES.some((one) => one.code === code);
  const lost = written && deployed === undefined;
  useEffect(() => guard(lost ? "Leave without deploying what you wrote?" : null), [lost]);
  const choose = (next: Runtime) => {
    // What was written is kept; what was offered is replaced.
    if (!written) setCode(next.code);
    setRuntime(next);
  };
  const deploy = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      // None to begin with, so that the first call is a cold one; and it goes again half a minute after the last.
      const spec = { kind: "process", process: { command: [...runtime.command, code] }, scaling: { initial_scale: 0 } } as ApplyRequest["spec"];
      await applyFunction({ client, path: { namespace: ns, name }, body: { labels: {}, spec }, headers: { "If-None-Match": "*" } });
      setDeployed(name);
      onDeployed();
    } catch (error) {
      setProblem(problemOf(error));
    }
    setBusy(false);
  };
  return (
    <section class="hello" aria-label="Your first function">
      <form class="card" onSubmit={(event) => void deploy(event)}>
        <header>
          <h2>1 · Write it</h2>
          <div class="segments" role="group" aria-label="Language">
            {RUNTIMES.map((one) => (
              <button key={one.key} type="button" disabled={deployed !== undefined} aria-pressed={one === runtime} onClick={() => choose(one)}>
                {one.label}
              </button>
            ))}
          </div>
        </header>
        <p class="hint">
          A function is any program that serves HTTP on <code>$PORT</code>. This one runs with the hosts’ own <code>{runtime.command[0]}</code>.
        </p>
        <TextField label="Name" value={name} onChange={setName} required disabled={deployed !== undefined} error={errorAt(problem, "name")} />
        <TextField label="Program" value={code} onChange={setCode} lines={12} mono disabled={deployed !== undefined} error={errorAt(problem, "/spec/process/command", true)} />
        <Problem problem={problem} title={problem?.status === 412 ? "There is one of this name" : undefined} />
        <footer>
          <button type="submit" class="primary" disabled={busy || deployed !== undefined || name === ""}>
            {deployed === undefined ? "Deploy" : "Deployed"}
          </button>
        </footer>
      </form>
      {deployed !== undefined && <Calls ns={ns} name={deployed} />}
    </section>
  );
}

/** For an instance to start: a call may also be held for a moment by a sidecar that has just heard of the instance. */
const waited = ({ phases }: InvokeResponse) => phases.some(({ name, duration_ms }) => name === "start" && duration_ms > 0);

function Calls({ ns, name }: { ns: string; name: string }) {
  const [answers, setAnswers] = useState<InvokeResponse[]>([]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<GatelessError>();
  const card = useRef<HTMLElement>(null);
  const entrance = useLive(resources.sidecars()).value?.find((one) => one.connected);
  // Of all that were made, not only of those still shown.
  const [{ cold, warm }, setSeen] = useState({ cold: false, warm: false });
  const call = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      const answer = await invokeFunction({ client, path: { namespace: ns, name }, body: { method: "GET", path: "/" } });
      setSeen((before) => ({ cold: before.cold || waited(answer), warm: before.warm || (!waited(answer) && answer.status < 500) }));
      setAnswers((before) => [answer, ...before].slice(0, 4));
      requestAnimationFrame(() => card.current?.scrollIntoView({ block: "nearest" }));
    } catch (error) {
      setProblem(problemOf(error));
    }
    setBusy(false);
  };
  return (
    <section class="card" aria-label="Its first calls" aria-live="polite" aria-busy={busy} ref={card}>
      <header>
        <h2>2 · {cold ? "Call it again: warm" : "Call it: cold"}</h2>
        <button type="button" class={warm ? "" : "primary"} disabled={busy} onClick={() => void call()}>
          {busy ? "Calling…" : "Call it"}
        </button>
      </header>
      <p class="hint">{cold ? "Its instance is there: the same call takes only as long as the program." : "No instance runs. The call is held, one is started, and the call forwarded to it: nothing is lost."}</p>
      <Problem problem={problem} title="The call was not made" />
      {answers.map((answer, index) => (
        <div key={answers.length - index} class="answered">
          <p>
            <Badge tone={answer.status < 300 ? "ok" : "bad"}>{answer.status}</Badge> in {millis(answer.duration_ms)}{" "}
            {waited(answer) ? <Badge tone="busy">cold start</Badge> : <Badge>warm</Badge>} <code>{(answer.body ?? "").trim().slice(0, 80)}</code>
          </p>
          <PhaseBars phases={answer.phases} total={answer.duration_ms} />
        </div>
      ))}
      {answers.some((one) => one.status >= 500) && (
        <p>
          <a href={href("function", { ns, name })}>Its page</a> says what went wrong, with the last lines it wrote.
        </p>
      )}
      {warm && entrance && (
        <>
          <h3>3 · From anywhere</h3>
          <Command text={addressOf(entrance, ns, name).curl} />
          <p>
            See <a href={href("function", { ns, name })}>{name}</a> scale, <a href={href("logs", { ns }, { function: name })}>what it writes</a>, or <a href={href("edit", { ns, name })}>change it</a>.
          </p>
          <Stop />
        </>
      )}
    </section>
  );
}

/** What there is no gateway for: said while the server is there, and seen when it is not. */
function Stop() {
  const since = staleSince.value;
  return (
    <>
      <h3>4 · Now stop the server</h3>
      {since === null ? (
        <>
          <p>
            It is on the path of no call: sidecars route, hold, start instances and deliver queued calls from the configuration they have. End the process{" "}
            <code>gateless server</code>, leave this page open, and call again by the command above: warm, and half a minute later cold.
          </p>
          <p class="hint">
            <code>gateless up</code> is the server and a sidecar in one process, which end together: there, start a sidecar of its own first (
            <a href={href("guide", { page: "security" })}>how one joins</a>), and call through it.
          </p>
        </>
      ) : (
        <p>
          <Badge tone="warn">the server is gone</Badge> since {clock(since)}. The command above is answered all the same. Only changes wait until it is back: deploys,
          secrets, what this page shows.
        </p>
      )}
    </>
  );
}
