// Keyboard: `/` searches, `g` and a letter goes somewhere, j and k walk through a list, `?` lists all of it.
// Never while somebody types, and never with a modifier, which belongs to the browser: but for Ctrl-K, the palette.

import { signal } from "@preact/signals";
import { go, href, route, type Screen } from "./router.ts";
import { homeNamespace, session, type Right } from "./store/session.ts";
import { toggleTheme } from "./store/theme.ts";

export const helpShown = signal(false);
export const paletteShown = signal(false);
export const namespacesShown = signal(false);

export const JUMPS: [key: string, screen: Screen, label: string, right: Right][] = [
  ["f", "functions", "Functions", "read"],
  ["i", "invoke", "Invoke", "invoke"],
  ["l", "logs", "Logs", "read"],
  ["o", "records", "Call records", "read"],
  ["c", "calls", "Async calls", "read"],
  ["d", "deadLetters", "Dead letters", "read"],
  ["q", "queues", "Queues", "read"],
  ["r", "triggers", "Triggers", "read"],
  ["s", "sidecars", "Sidecars", "read"],
  ["k", "secrets", "Secrets", "internals"],
  ["t", "tokens", "Tokens", "admin"],
  ["a", "audit", "Audit", "admin"],
];

const CHORD_MS = 1200;
let chord = 0;

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function here(): string {
  return route.value.params.ns ?? homeNamespace();
}

function walk(step: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("main [data-row]")];
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step));
  rows[next]?.focus();
}

function pressed(event: KeyboardEvent): void {
  // The one with a modifier, so that it works while somebody types.
  if (event.key === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && session.value) {
    event.preventDefault();
    if (paletteShown.value || !document.querySelector("dialog[open]")) paletteShown.value = !paletteShown.value;
    return;
  }
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && typing(event.target)) {
    (event.target as HTMLElement).blur();
    return;
  }
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  const jump = Date.now() - chord < CHORD_MS ? JUMPS.find(([key]) => key === event.key) : undefined;
  chord = 0;
  if (jump) {
    event.preventDefault();
    go(href(jump[1], { ns: here() }));
    return;
  }
  switch (event.key) {
    case "g":
      chord = Date.now();
      return;
    case "/":
      document.querySelector<HTMLInputElement>("main input[type=search]")?.focus();
      break;
    case "?":
      helpShown.value = true;
      break;
    case "n":
      go(href("register", { ns: here() }));
      break;
    case "m":
      toggleTheme();
      break;
    case "j":
      walk(1);
      break;
    case "k":
      walk(-1);
      break;
    default:
      return;
  }
  event.preventDefault();
}

export function startKeys(): void {
  document.addEventListener("keydown", pressed);
}
