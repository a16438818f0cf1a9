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
  records: "/n/:ns/records",
  record: "/n/:ns/records/:id",
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

/** What the page knows of an entry of the browser's history, beside its address. */
interface Entry {
  /** Its number, counted from where this document began: the way back to it from another one. */
  at: number;
  /** The dialog that is shown there. */
  overlay?: string;
}

const entry = (): Partial<Entry> => (history.state as Partial<Entry> | null) ?? {};

/** The number of the entry that is shown. */
let current = entry().at ?? 0;

type How = "push" | "replace";

/** The one place that changes the history. A dialog's entry is taken over by what comes next. */
function write(how: How, to: string, dialog?: string): void {
  const push = how === "push" && overlay() === null;
  if (push) current += 1;
  const kept = how === "replace" ? overlay() : null;
  const shownThere = dialog ?? kept;
  const state: Entry = { at: current, ...(shownThere === null ? {} : { overlay: shownThere }) };
  history[push ? "pushState" : "replaceState"](state, "", to);
}

/** The address becomes another without a place of its own in the history, and without anything being drawn for it. */
export function rename(to: string): void {
  write("replace", to);
}

/** What would be lost by leaving, as a question; null: nothing. Set by screens with unsaved work. */
let unsaved: string | null = null;

/** The browser's own question, where the whole page goes: reload, another site, the tab. */
const holdOn = (event: BeforeUnloadEvent) => event.preventDefault();

export function guard(question: string | null): () => void {
  unsaved = question;
  // Only while there is something to lose: with it, browsers keep no page ready to go back to.
  if (question === null) removeEventListener("beforeunload", holdOn);
  else addEventListener("beforeunload", holdOn);
  return () => {
    if (question !== null) guard(null);
  };
}

const mayLeave = () => unsaved === null || confirm(unsaved);

/** Dialogs that are shown, by their entries in the history. */
const dialogs = new Set<string>();

/** The entry that a dialog has in the history. */
export const overlay = (): string | null => entry().overlay ?? null;

/** Gives a dialog an entry, or the one of the dialog before it; the answer takes it away again. */
export function enterDialog(name: string): () => void {
  dialogs.add(name);
  const take = () => dialogs.has(name) && write("push", location.href, name);
  if (afterwards) afterwards.push(take);
  else take();
  return () => {
    dialogs.delete(name);
    leaveIfEmpty();
  };
}

/** An entry of a dialog that is not shown has nothing of its own: it is left. What takes it over does so in the same drawing. */
function leaveIfEmpty(): void {
  setTimeout(() => {
    const there = overlay();
    if (there !== null && !dialogs.has(there)) leaveEntry();
  });
}

/** Set while an entry of a dialog is being left: what comes meanwhile waits, or it would be left as well. */
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

function enter(to: string, how: How, dialog?: string): void {
  write(how, to, dialog);
  arrive();
}

function arrive(): void {
  shown = address();
  route.value = here();
}

export function go(to: string, how: How = "push"): void {
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

// The entry this document began with.
if (entry().at === undefined) rename(location.href);

addEventListener("popstate", () => {
  // An entry without a number was made by a fragment that somebody typed: it is the newest.
  const { at = current + 1 } = entry();
  // An entry of a dialog has the address of what is under it, which stays as it is.
  if (address() !== shown) {
    // The browser has gone already; whoever would rather stay goes back the same way, and this page was never left.
    if (!mayLeave()) return history.go(current - at);
    arrive();
  }
  current = at;
  if (entry().at === undefined) rename(location.href);
  left();
  // Back has closed the dialog of the entry that Forward leads to.
  leaveIfEmpty();
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
  refineFor(changes, how);
}

/** As `refine`, for a dialog: its entry in the history is this one. */
export function openAt(changes: Record<string, string>): void {
  refineFor(changes, "push", OPENING);
}

/** Until the dialog is drawn, and takes the entry over. */
const OPENING = "opening";

function refineFor(changes: Record<string, string>, how: How, dialog?: string): void {
  if (afterwards) return void afterwards.push(() => refineFor(changes, how, dialog));
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === "") query.delete(key);
    else query.set(key, value);
  }
  const search = query.toString() === "" ? "" : `?${query.toString()}`;
  if (search !== location.search) enter(location.pathname + search, how, dialog);
}
