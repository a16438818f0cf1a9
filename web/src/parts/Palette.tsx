// Ctrl-K: functions, calls, namespaces, guides and what can be done, by a few letters of their names. Enter goes there.

import { titles } from "virtual:guide-titles";
import { useEffect, useId, useMemo, useState } from "preact/hooks";
import { find, index, type Entry, type Indexed } from "../logic/palette.ts";
import { ANY } from "../logic/callFilter.ts";
import { isCallId } from "../logic/callId.ts";
import type { GatelessFunction, Invocation } from "../api/sdk.ts";
import { shortId } from "../logic/format.ts";
import { helpShown, here, JUMPS, namespacesShown, paletteShown } from "../keys.ts";
import { go, href } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { may, namespaces, session, signOut } from "../store/session.ts";
import { toggleTheme } from "../store/theme.ts";
import { Dialog } from "./Dialog.tsx";
import { attempt } from "./Toasts.tsx";

export function Palette() {
  return paletteShown.value ? <Open /> : null;
}

const close = () => (paletteShown.value = false);

function Open() {
  const [question, setQuestion] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  const entries = useEntries(question);
  const found = useMemo(() => find(entries, question), [entries, question]);
  const chosen = Math.min(at, found.length - 1);
  // Where the window is too low for all of them.
  useEffect(() => document.getElementById(`${id}-${chosen}`)?.scrollIntoView({ block: "nearest" }), [id, chosen]);
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    close();
    entry.run();
  };
  const pressed = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((chosen + step + found.length) % Math.max(1, found.length));
    else if (event.key === "Enter") run(found[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Go to" onClose={close}>
      <input
        class="question"
        autofocus
        role="combobox"
        aria-label="Functions, calls, namespaces, actions"
        aria-autocomplete="list"
        aria-expanded={found.length > 0}
        aria-controls={id}
        aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
        placeholder="Functions, calls, namespaces, actions"
        autoComplete="off"
        spellcheck={false}
        value={question}
        onKeyDown={pressed}
        onInput={(event) => {
          setQuestion(event.currentTarget.value);
          setAt(0);
        }}
      />
      <ul class="found" id={id} role="listbox" aria-label="Found">
        {found.map((entry, index) => (
          <li
            key={`${entry.kind} ${entry.name} ${entry.note}`}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === chosen}
            onMouseMove={() => setAt(index)}
            onClick={() => run(entry)}
          >
            <span>{entry.name}</span>
            {entry.note && <small>{entry.note}</small>}
            <small class="kind">{entry.kind}</small>
          </li>
        ))}
      </ul>
      <p class={found.length === 0 ? "nothing" : "sr"} role="status">{found.length === 0 ? "Nothing is called so here." : `${found.length} shown`}</p>
    </Dialog>
  );
}

function useEntries(question: string): Indexed[] {
  const ns = here();
  const who = session.value;
  const functions = useLive(resources.functions(ns)).value?.items;
  const calls = useLive(resources.calls({ ...ANY, namespace: ns, name: null })).value?.items;
  const known = namespaces.value;
  // Made when something of it changed, not at every letter.
  const entries = useMemo(() => index(entriesOf(ns, who, functions ?? [], calls ?? [], known)), [ns, who, functions, calls, known]);
  const id = question.trim().toLowerCase();
  const asked = isCallId(id) && !calls?.some((call) => call.id === id) ? id : null;
  return useMemo(
    () => (asked === null ? entries : [...index([to("call", asked, () => href("callById", { ns, id: asked }), "by its id")]), ...entries]),
    [ns, asked, entries],
  );
}

const to = (kind: string, name: string, address: () => string, note?: string): Entry => ({ kind, name, run: () => go(address()), ...(note ? { note } : {}) });

function entriesOf(ns: string, who: typeof session.value, functions: GatelessFunction[], calls: Invocation[], known: string[]): Entry[] {
  const others = who?.namespace === "*" ? known : [];
  const [mayInvoke, mayDeploy] = [may(who, "invoke"), may(who, "deploy")];
  return [
    ...functions.map((fn) => to("function", fn.name, () => href("function", { ns, name: fn.name }))),
    ...others.map((name) => to("namespace", name, () => href("functions", { ns: name }))),
    ...JUMPS.filter(([, , , right]) => may(who, right)).map(([, screen, label]) => to("screen", label, () => href(screen, { ns }))),
    ...(mayDeploy
      ? [
          to("action", "Register a function", () => href("register", { ns }), "deploy a new one"),
          to("action", "Create a trigger", () => href("triggers", { ns }, { new: "trigger" })),
          to("action", "Set a secret", () => href("secrets", { ns }, { new: "secret" })),
        ]
      : []),
    ...(mayInvoke ? [to("action", "Purge dead letters", () => href("deadLetters", { ns }, { purge: "all" }), "of every function; asks first")] : []),
    ...(may(who, "admin") ? [to("action", "Create a token", () => href("tokens", {}, { new: "token" }))] : []),
    ...functions.flatMap(({ name }) => [
      ...(mayInvoke ? [to("action", `Invoke ${name}`, () => href("invoke", { ns }, { function: name }))] : []),
      to("action", `Logs of ${name}`, () => href("logs", { ns }, { function: name })),
      ...(mayDeploy ? [to("action", `Edit ${name}`, () => href("edit", { ns, name }), "deploy")] : []),
    ]),
    ...calls.map((call) => to("call", shortId(call.id), () => href("call", { ns, name: call.function, id: call.id }), `${call.function} ${call.state} ${call.method} ${call.path} ${call.id}`)),
    ...(others.length > 0 ? [{ kind: "action", name: "Switch namespace", run: () => void (namespacesShown.value = true) }] : []),
    to("screen", "Documentation", () => href("docs")),
    to("guide", "API reference", () => href("guide", { page: "api" })),
    ...titles.map(([page, title]) => to("guide", title, () => href("guide", { page }))),
    { kind: "action", name: "Dark or light", run: toggleTheme },
    { kind: "action", name: "Keyboard shortcuts", run: () => void (helpShown.value = true) },
    { kind: "action", name: "Sign out", note: "log out", run: () => void attempt(signOut) },
  ];
}
