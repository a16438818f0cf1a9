// A function from nothing, or changed: a form, the same as JSON, or a function.toml; a dry run shows what would change.

import type { ApplyRequest, GatelessFunction } from "../api/sdk.ts";
import { useEffect, useRef, useState } from "preact/hooks";
import { client, etag, problemOf, type GatelessError } from "../api/client.ts";
import { applyFunction } from "../api/sdk.ts";
import { Badge, Loading, Problem } from "../parts/basic.tsx";
import { errorAt, TextField } from "../parts/Field.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Page } from "../parts/Shell.tsx";
import { Table } from "../parts/Table.tsx";
import { said } from "../parts/Toasts.tsx";
import { diff, show, type Change } from "../logic/diff.ts";
import type { Data } from "../logic/paths.ts";
import { go, guard, href, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { Form } from "./register/Form.tsx";
import { ImportButton } from "./register/Import.tsx";
import type { Draft } from "./register/draft.ts";
import { Json } from "./register/Json.tsx";

const FRESH: Draft = { name: "", labels: {}, spec: { kind: "process", process: { command: [] } } };

export function Register({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const name = route.params.name;
  const existing = useLive(name === undefined ? null : resources.fn(ns, name));
  // Read once: what others change meanwhile is noticed by the etag, not by losing what was typed.
  const [base, setBase] = useState<GatelessFunction>();
  useEffect(() => {
    if (existing.value && !base) setBase(existing.value);
  }, [existing.value]);
  if (name !== undefined && !base) {
    return (
      <Page name={`Edit ${name}`} title={`Edit ${name}`}>
        <Problem problem={existing.problem} retry={existing.reload} />
        {!existing.problem && <Loading what="the function" />}
      </Page>
    );
  }
  return <Editor ns={ns} base={base} />;
}

interface Planned {
  changes: Change[];
  request: ApplyRequest;
}

function Editor({ ns, base }: { ns: string; base: GatelessFunction | undefined }) {
  const begin: Draft = base ? { name: base.name, labels: base.labels, spec: base.spec as Data } : FRESH;
  const [draft, setDraft] = useState(begin);
  const [mode, setMode] = useState<"form" | "json">("form");
  const [notes, setNotes] = useState<string[]>([]);
  const [jsonWrong, setJsonWrong] = useState(false);
  const [planned, setPlanned] = useState<Planned>();
  const [problem, setProblem] = useState<GatelessError>();
  const [busy, setBusy] = useState(false);
  const changed = JSON.stringify(draft) !== JSON.stringify(begin);
  const change = (next: Draft) => {
    setDraft(next);
    setPlanned(undefined);
  };
  useEffect(() => guard(changed ? "Leave without saving what you changed?" : null), [changed]);

  const request: ApplyRequest = { labels: draft.labels, spec: draft.spec as unknown as ApplyRequest["spec"] };
  const path = { namespace: ns, name: draft.name };
  const headers = base ? etag(base.version) : { "If-None-Match": "*" };
  const run = async (what: () => Promise<void>) => {
    setBusy(true);
    setProblem(undefined);
    try {
      await what();
    } catch (error) {
      setProblem(problemOf(error));
      setPlanned(undefined);
      requestAnimationFrame(() => document.querySelector<HTMLElement>(".wrong input, .wrong textarea, .problem")?.scrollIntoView({ block: "center" }));
    }
    setBusy(false);
  };
  /** The program with every default the server has: what differs from it is what somebody chose. */
  const bare = async ({ spec }: ApplyRequest) => {
    const kind = spec.kind ?? "process";
    const least = { labels: {}, spec: { kind, [kind]: spec[kind] } } as ApplyRequest;
    const then = await applyFunction({ client, path, body: least, headers, query: { dry_run: true } });
    const given = Object.keys((spec[kind] ?? {}) as Data);
    const program = Object.entries(then.spec[kind] ?? {}).filter(([field]) => !given.includes(field));
    return { labels: {}, spec: { ...then.spec, kind: "process", [kind]: Object.fromEntries(program) } };
  };
  const plan = () =>
    run(async () => {
      const then = await applyFunction({ client, path, body: request, headers, query: { dry_run: true } });
      const before = base ? { labels: base.labels, spec: base.spec } : await bare(request);
      setPlanned({ request, changes: diff(before, { labels: then.labels, spec: then.spec }) });
    });
  const apply = () =>
    run(async () => {
      const now = await applyFunction({ client, path, body: request, headers });
      guard(null);
      said(base ? `${now.status.latest_revision} is on its way` : `${now.name} is registered`);
      go(href("function", { ns, name: now.name }));
    });
  const title = base ? `Edit ${base.name}` : "Register a function";
  return (
    <Page
      name={title}
      title={title}
      lead={base ? "Every change makes a new revision; it gets calls once it was ready." : "Any program that serves HTTP on $PORT, or a WebAssembly component."}
      actions={
        <>
          <ImportButton
            onImported={({ name, labels, spec, notes: told }) => {
              change({ name: base ? draft.name : name, labels, spec });
              setNotes(told);
            }}
          />
          <div class="segments" role="group" aria-label="How to write it">
            {(["form", "json"] as const).map((key) => (
              <button key={key} type="button" aria-pressed={mode === key} disabled={jsonWrong && mode !== key} onClick={() => setMode(key)}>
                {key === "form" ? "Form" : "JSON"}
              </button>
            ))}
          </div>
        </>
      }
    >
      <form
        class="register"
        onSubmit={(event) => {
          event.preventDefault();
          void (planned ? apply() : plan());
        }}
      >
        {notes.map((note) => (
          <p key={note} class="notice warn" role="status">
            <Icon name="alert" />
            {note}
          </p>
        ))}
        {!base && (
          <div class="card">
            <TextField
              label="Name"
              value={draft.name}
              onChange={(name) => change({ ...draft, name })}
              required
              placeholder="hello"
              hint={<>A DNS label. It is called at <code>/function/{draft.name || "NAME"}.{ns}</code> of any sidecar.</>}
              error={errorAt(problem, "name")}
            />
          </div>
        )}
        {mode === "form" ? (
          <Form ns={ns} draft={draft} onChange={change} problem={problem} />
        ) : (
          <Json draft={draft} onChange={change} onWrong={setJsonWrong} />
        )}
        <Problem problem={problem} title={problem?.status === 412 ? (base ? "Somebody else changed it meanwhile" : "There is one of this name") : undefined} />
        {planned && <Plan planned={planned} fresh={!base} />}
        <footer class="bottom">
          <a class="button quiet" href={base ? href("function", { ns, name: base.name }) : href("functions", { ns })}>
            Cancel
          </a>
          {planned && (
            <button type="button" onClick={() => void plan()} disabled={busy}>
              Check again
            </button>
          )}
          <button type="submit" class="primary" disabled={busy || jsonWrong || draft.name === "" || (planned?.changes.length === 0 && base !== undefined)}>
            {planned ? (base ? "Apply" : "Register") : "Review changes"}
          </button>
        </footer>
      </form>
    </Page>
  );
}

function Plan({ planned, fresh }: { planned: Planned; fresh: boolean }) {
  const card = useRef<HTMLElement>(null);
  useEffect(() => card.current?.scrollIntoView({ block: "nearest" }), [planned]);
  return (
    <section class="card" aria-labelledby="plan" ref={card}>
      <header>
        <h2 id="plan">{fresh ? "It will be registered as" : "What changes"}</h2>
        <Badge tone="ok">checked by the server</Badge>
      </header>
      {planned.changes.length === 0 && <p class="nothing">Nothing: it is so already.</p>}
      {planned.changes.length > 0 && (
        <Table caption="Changed fields" columns={["Field", ...(fresh ? ["Value"] : ["Now", "Then"])]}>
          {planned.changes.map((one) => (
            <tr key={one.path}>
              <th scope="row" class="mono">{one.path}</th>
              {!fresh && <td class="mono before">{show(one.before)}</td>}
              <td class="mono after">{show(one.after)}</td>
            </tr>
          ))}
        </Table>
      )}
      {fresh && <p class="hint">Everything else is at its default.</p>}
    </section>
  );
}
