// Paths to screens and back, over the browser's history. Deliberately a table and two functions instead of a library.

import { signal } from "@preact/signals";

/** Screens and their paths; `:ns` is the namespace. */
const PATHS = {
  functions: "/n/:ns/functions",
  register: "/n/:ns/functions/new",
  function: "/n/:ns/functions/:name",
  edit: "/n/:ns/functions/:name/edit",
  calls: "/n/:ns/calls",
  callById: "/n/:ns/calls/:id",
  call: "/n/:ns/calls/:name/:id",
  deadLetters: "/n/:ns/dead-letters",
  queues: "/n/:ns/queues",
  triggers: "/n/:ns/triggers",
  logs: "/n/:ns/logs",
  invoke: "/n/:ns/invoke",
  sidecars: "/sidecars",
  secrets: "/n/:ns/secrets",
  tokens: "/tokens",
  audit: "/audit",
  docs: "/docs",
  guide: "/docs/:page",
} as const;

export type Screen = keyof typeof PATHS;

export interface Route {
  /** null: there is no such page. */
  screen: Screen | null;
  params: Record<string, string>;
  query: URLSearchParams;
}

/** The first path that fits; `new` goes before `:name`. */
export function parse(pathname: string, search = ""): Route {
  const query = new URLSearchParams(search);
  const parts = pathname.split("/").filter(Boolean);
  for (const [screen, pattern] of Object.entries(PATHS)) {
    const wanted = pattern.split("/").filter(Boolean);
    if (wanted.length !== parts.length) continue;
    const params: Record<string, string> = {};
    const fits = wanted.every((want, index) => {
      const part = parts[index] ?? "";
      if (!want.startsWith(":")) return want === part;
      params[want.slice(1)] = decode(part);
      return true;
    });
    if (fits) return { screen: screen as Screen, params, query };
  }
  return { screen: null, params: {}, query };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** A screen's address. Empty query values are left out. */
export function href(screen: Screen, params: Record<string, string> = {}, query: Record<string, string> = {}): string {
  const path = PATHS[screen].replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  const filled = Object.entries(query).filter(([, value]) => value !== "");
  const search = new URLSearchParams(filled).toString();
  return search === "" ? path : `${path}?${search}`;
}

const here = () => parse(location.pathname, location.search);

export const route = signal<Route>(here());

/** Called before leaving; false stays. Set by screens with unsaved work. */
let mayLeave: () => boolean = () => true;
export function guard(check: () => boolean): () => void {
  mayLeave = check;
  return () => void (mayLeave = () => true);
}

/** Set while an entry of a dialog is being left (parts/overlay.ts): what comes meanwhile waits, or it would be left as well. */
let afterwards: (() => void)[] | null = null;

/** How long leaving it may take; there is nothing to come where the browser has lost what was before. */
const LEAVE_MS = 500;

export function leaveEntry(): void {
  if (afterwards) return;
  afterwards = [];
  setTimeout(left, LEAVE_MS);
  history.back();
}

function left(): void {
  const waiting = afterwards ?? [];
  afterwards = null;
  for (const next of waiting) next();
}

/** The entry that a dialog has in the history. */
export const overlay = (): string | null => (history.state as { overlay?: string } | null)?.overlay ?? null;

/** `open`: an entry for the dialog that is shown there. */
type How = "push" | "replace" | "open";

function enter(to: string, how: How): void {
  // A dialog that leads elsewhere leaves nothing of itself in the history.
  const push = how !== "replace" && overlay() === null;
  const state = how === "open" ? { overlay: to } : how === "push" ? null : history.state;
  history[push ? "pushState" : "replaceState"](state, "", to);
  arrive();
}

function arrive(): void {
  shown = address();
  route.value = here();
}

export function go(to: string, how: "push" | "replace" = "push"): void {
  if (afterwards) return void afterwards.push(() => go(to, how));
  if (how === "push" && !mayLeave()) return;
  enter(to, how);
  if (how === "push") {
    if (!location.hash) scrollTo(0, 0);
    // A reader of the screen continues at the new page's heading.
    requestAnimationFrame(() => document.querySelector<HTMLElement>("main h1")?.focus());
  }
}

/** What the screen depends on. */
const address = () => location.pathname + location.search;
let shown = address();

addEventListener("popstate", () => {
  // An entry of a dialog has the address of what is under it, which stays as it is.
  if (address() !== shown) arrive();
  left();
});

/** Links stay plain anchors, so that they can be opened in a tab and copied. */
document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const anchor = (event.target as Element | null)?.closest?.("a");
  if (!anchor || anchor.target || anchor.hasAttribute("download") || anchor.origin !== location.origin) return;
  event.preventDefault();
  go(anchor.pathname + anchor.search + anchor.hash);
});

export function useRoute(): Route {
  return route.value;
}

/** Changes parts of the query, as filters do. What is chosen can be gone back from; what is being typed or dragged is not worth an entry. */
export function refine(changes: Record<string, string>, how: How = "push"): void {
  if (afterwards) return void afterwards.push(() => refine(changes, how));
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === "") query.delete(key);
    else query.set(key, value);
  }
  const search = query.toString() === "" ? "" : `?${query.toString()}`;
  if (search !== location.search) enter(location.pathname + search, how);
}
