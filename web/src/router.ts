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

export function go(to: string, how: "push" | "replace" = "push"): void {
  if (how === "push" && !mayLeave()) return;
  history[how === "push" ? "pushState" : "replaceState"](null, "", to);
  route.value = here();
  if (how === "push") {
    if (!location.hash) scrollTo(0, 0);
    // A reader of the screen continues at the new page's heading.
    requestAnimationFrame(() => document.querySelector<HTMLElement>("main h1")?.focus());
  }
}

addEventListener("popstate", () => (route.value = here()));

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

/** Changes parts of the query in place, as filters do. */
export function refine(changes: Record<string, string>): void {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === "") query.delete(key);
    else query.set(key, value);
  }
  const search = query.toString();
  go(location.pathname + (search === "" ? "" : `?${search}`), "replace");
}
