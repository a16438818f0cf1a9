// The frame round every screen: where one can go, which namespace one looks at, whether the page is live, who one is.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { connection } from "../events.ts";
import { helpShown, here } from "../keys.ts";
import { go, href, useRoute, type Screen } from "../router.ts";
import { may, namespaces, session, signOut, visited, type Right } from "../store/session.ts";
import { theme, toggleTheme } from "../store/theme.ts";
import { Icon, type IconName } from "./Icon.tsx";
import { Help } from "./Help.tsx";
import { attempt, Toasts } from "./Toasts.tsx";

type Item = [screen: Screen, label: string, icon: IconName, right: Right];

const GROUPS: [title: string, items: Item[]][] = [
  [
    "Functions",
    [
      ["functions", "Functions", "functions", "read"],
      ["invoke", "Invoke", "invoke", "invoke"],
      ["logs", "Logs", "logs", "read"],
    ],
  ],
  [
    "Async",
    [
      ["calls", "Calls", "calls", "read"],
      ["deadLetters", "Dead letters", "dead", "read"],
      ["queues", "Queues", "queues", "read"],
      ["triggers", "Triggers", "triggers", "read"],
    ],
  ],
  [
    "Platform",
    [
      ["sidecars", "Sidecars", "sidecars", "read"],
      ["secrets", "Secrets", "secrets", "internals"],
      ["tokens", "Tokens", "tokens", "admin"],
    ],
  ],
];

const UNDER: Partial<Record<Screen, Screen>> = { function: "functions", register: "functions", edit: "functions", call: "calls" };

export function Shell({ children }: { children: ComponentChildren }) {
  const route = useRoute();
  const who = session.value;
  const active = route.screen && (UNDER[route.screen] ?? route.screen);
  const ns = here();
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.querySelector<HTMLElement>("main h1")?.focus(); }}>
        Skip to content
      </a>
      <aside>
        <a class="brand" href={href("functions", { ns })}>
          <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
            <path d="M4 9.5h24M8 15.5h16M10.5 9.5V27M21.5 9.5V27" />
          </svg>
          Gateless
        </a>
        <Namespace />
        <nav aria-label="Screens">
          {GROUPS.map(([title, items]) => (
            <section key={title}>
              <h2>{title}</h2>
              <ul>
                {items
                  .filter(([, , , right]) => may(who, right))
                  .map(([screen, label, icon]) => (
                    <li key={screen}>
                      <a href={href(screen, { ns })} aria-current={active === screen ? "page" : undefined}>
                        <Icon name={icon} />
                        {label}
                      </a>
                    </li>
                  ))}
              </ul>
            </section>
          ))}
        </nav>
        <Foot />
      </aside>
      <main id="main">{children}</main>
      <Toasts />
      <Help />
    </div>
  );
}

function Namespace() {
  const known = namespaces.value;
  const who = session.value;
  const current = here();
  const [text, setText] = useState<string | null>(null);
  if (who?.namespace !== "*") return <p class="namespace"><span>Namespace</span> {who?.namespace}</p>;
  const chosen = (name: string) => {
    setText(null);
    const valid = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
    if (!valid || name === current) return;
    visited(name);
    go(href("functions", { ns: name }));
  };
  return (
    <form
      class="namespace"
      onSubmit={(event) => {
        event.preventDefault();
        chosen(text ?? current);
      }}
    >
      <label for="namespace">Namespace</label>
      <input
        id="namespace"
        title="Namespace: choose or type one, then Enter"
        list="namespaces"
        spellcheck={false}
        autoComplete="off"
        value={text ?? current}
        onFocus={(event) => event.currentTarget.select()}
        onInput={(event) => {
          const typed = event.currentTarget.value;
          setText(typed);
          // Chosen from the list, not typed: there is no Enter then.
          if (!(event as InputEvent).inputType?.startsWith("insertText") && known.includes(typed)) chosen(typed);
        }}
        onBlur={() => setText(null)}
      />
      <datalist id="namespaces">
        {known.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  );
}

const CONNECTION = {
  off: ["idle", "Off"],
  connecting: ["busy", "Connecting"],
  live: ["ok", "Live"],
  lost: ["bad", "Reconnecting"],
} as const;

function Foot() {
  const state = connection.value;
  const shade = theme.value;
  const who = session.value;
  const [tone, label] = CONNECTION[state];
  const other = shade === "dark" ? "light" : "dark";
  return (
    <footer>
      <p class={`state ${tone}`} role="status" title="The stream of events this page lives from">
        <i aria-hidden="true" />
        {label}
        <span class="role">{who?.role}</span>
      </p>
      <div class="tools">
        <button type="button" class="icon" aria-label={`Switch to ${other} theme`} title={`Switch to ${other} theme (m)`} onClick={toggleTheme}>
          <Icon name={shade === "dark" ? "sun" : "moon"} />
        </button>
        <button type="button" class="icon" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => (helpShown.value = true)}>
          <Icon name="help" />
        </button>
        <button type="button" class="icon" aria-label="Sign out" title="Sign out" onClick={() => void attempt(signOut)}>
          <Icon name="out" />
        </button>
      </div>
    </footer>
  );
}

interface PageProps {
  title: ComponentChildren;
  /** Of the browser's tab. */
  name: string;
  lead?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Page({ title, name, lead, actions, children }: PageProps) {
  document.title = `${name} · Gateless`;
  return (
    <>
      <header class="page">
        <div>
          <h1 tabIndex={-1}>{title}</h1>
          {lead && <p>{lead}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}
