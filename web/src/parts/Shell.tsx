// The frame round every screen: where one can go, which namespace one looks at, whether the page is live, who one is.

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { connection, staleSince } from "../events.ts";
import { helpShown, here, paletteShown } from "../keys.ts";
import { href, useRoute, type Screen } from "../router.ts";
import { may, session, signOut, type Right } from "../store/session.ts";
import { theme, toggleTheme } from "../store/theme.ts";
import { clock } from "../logic/format.ts";
import { Icon, type IconName } from "./Icon.tsx";
import { Help } from "./Help.tsx";
import { Namespace, Namespaces } from "./Namespaces.tsx";
import { Palette } from "./Palette.tsx";
import { attempt, Toasts } from "./Toasts.tsx";

type Item = [screen: Screen, label: string, icon: IconName, right: Right];

const GROUPS: [title: string, items: Item[]][] = [
  [
    "Functions",
    [
      ["functions", "Functions", "functions", "read"],
      ["invoke", "Invoke", "invoke", "invoke"],
      ["records", "Call records", "records", "read"],
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
      ["audit", "Audit", "audit", "admin"],
    ],
  ],
];

const UNDER: Partial<Record<Screen, Screen>> = { function: "functions", register: "functions", edit: "functions", call: "calls", callById: "calls", record: "records" };

export function Shell({ children }: { children: ComponentChildren }) {
  const route = useRoute();
  const who = session.value;
  const active = route.screen && (UNDER[route.screen] ?? route.screen);
  const ns = here();
  useEffect(showCurrent, [active]);
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
        <button type="button" class="jump" aria-haspopup="dialog" onClick={() => (paletteShown.value = true)}>
          Go to… <kbd>Ctrl K</kbd>
        </button>
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
          <section>
            <h2>Help</h2>
            <ul>
              <li>
                <a href={href("docs")}>
                  <Icon name="help" />
                  Documentation
                </a>
              </li>
            </ul>
          </section>
        </nav>
        <Foot />
      </aside>
      <main id="main" {...stale()}>
        <Stale />
        {children}
      </main>
      <Toasts />
      <Help />
      <Palette />
      <Namespaces />
    </div>
  );
}

/** On a phone the screens are a strip: it is moved to where one is, and the page is not. */
function showCurrent() {
  const current = document.querySelector<HTMLElement>("aside nav [aria-current=page]");
  const strip = current?.closest("nav");
  if (!current || !strip || strip.scrollWidth <= strip.clientWidth) return;
  const [inner, outer] = [current.getBoundingClientRect(), strip.getBoundingClientRect()];
  strip.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
}

/** Since when every number is old: shown at figures, said at each (states.css). */
function stale() {
  const since = staleSince.value;
  return since === null ? {} : { class: "stale", style: { "--as-of": `"as of ${clock(since)}"` } };
}

function Stale() {
  const since = staleSince.value;
  if (since === null) return null;
  return (
    <p class="notice warn" role="status">
      <Icon name="alert" />
      <span>The connection to the server is lost. What is shown is of {clock(since)} and marked as old; calls of functions do not need the server.</span>
    </p>
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
  /** The lead has numbers that may be old. */
  counted?: boolean;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Page({ title, name, lead, counted, actions, children }: PageProps) {
  document.title = `${name} · Gateless`;
  return (
    <>
      <header class="page">
        <div>
          <h1 tabIndex={-1}>{title}</h1>
          {lead && <p class={counted ? "count" : ""}>{lead}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}
