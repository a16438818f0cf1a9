// The store: what was fetched once, kept right by events. A resource says how it is read and what an event does to it;
// everything else (sharing, races between reading and events, reading anew after a reset) is here. Nothing polls.

import { useEffect, useReducer } from "preact/hooks";
import { batches, resets } from "../events.ts";
import { problemOf, type GatelessError } from "../api/client.ts";
import { session } from "./session.ts";
import { Again, RELOAD, type ServerEvent } from "./event.ts";

export interface Resource<T> {
  /** What it is, with everything it depends on. */
  key: string;
  load(): Promise<T>;
  /** Pure; returns `state` itself when the event does not concern it. */
  apply?(state: T, event: ServerEvent): T | Again<T> | typeof RELOAD;
  /** How long to gather events that ask for reading again, in milliseconds; longer for what a busy system does often. */
  pace?: number;
}

export interface Live<T> {
  value: T | undefined;
  problem: GatelessError | undefined;
  loading: boolean;
  reload(): void;
  /** What an own change was answered with, before the event of it comes. */
  set(change: (value: T) => T): void;
}

const RELOAD_MS = 250;
/** Events kept while an answer is on its way; past it the answer is asked for once more instead. */
const MAX_MISSED = 5000;
/** Resources no component follows are kept, so that going back is instant; the oldest go first. */
const MAX_IDLE = 40;

class Entry<T> {
  value: T | undefined;
  problem: GatelessError | undefined;
  loading = false;
  readonly followers = new Set<() => void>();
  private missed: ServerEvent[] = [];
  private again = false;
  private timer = 0;

  constructor(public resource: Resource<T>) {}

  async read(): Promise<void> {
    if (this.loading) {
      this.again = true;
      return;
    }
    this.loading = true;
    this.missed = [];
    this.tell();
    try {
      this.value = await this.resource.load();
      this.problem = undefined;
    } catch (error) {
      this.problem = problemOf(error);
    }
    this.loading = false;
    // What happened while the answer was on its way; patches are safe to repeat.
    const missed = this.missed;
    this.missed = [];
    this.patch(missed);
    this.tell();
    if (this.again) this.soon();
    this.again = false;
  }

  heard(events: ServerEvent[]): void {
    if (this.loading && this.missed.length < MAX_MISSED) this.missed.push(...events);
    else if (this.loading) this.again = true;
    this.patch(events);
  }

  private patch(events: ServerEvent[]): void {
    const { apply } = this.resource;
    if (!apply || this.value === undefined) return;
    const before = this.value;
    for (const event of events) {
      const next: T | Again<T> | typeof RELOAD = apply(this.value, event);
      if (next instanceof Again) this.value = next.state;
      else if (next !== RELOAD) this.value = next;
      if (next === RELOAD || next instanceof Again) this.soon();
    }
    if (this.value !== before) this.tell();
  }

  /** A burst of events is one reading. */
  soon(): void {
    this.timer ||= window.setTimeout(() => {
      this.timer = 0;
      if (this.followers.size > 0) void this.read();
    }, this.resource.pace ?? RELOAD_MS);
  }

  tell(): void {
    this.followers.forEach((redraw) => redraw());
  }
}

const entries = new Map<string, Entry<any>>();

batches.on((events) => {
  for (const entry of entries.values()) if (entry.followers.size > 0) entry.heard(events);
});
resets.on(() => {
  for (const entry of entries.values()) if (entry.followers.size > 0) void entry.read();
});
// Another may sign in on the same page; nothing of the one before may show.
session.on((who) => {
  if (!who) entries.clear();
});

function entryOf<T>(resource: Resource<T>): Entry<T> {
  let entry = entries.get(resource.key) as Entry<T> | undefined;
  if (!entry) {
    entry = new Entry(resource);
    const idle = [...entries].filter(([, one]) => one.followers.size === 0);
    for (const [key] of idle.slice(0, Math.max(0, idle.length - MAX_IDLE))) entries.delete(key);
    entries.set(resource.key, entry);
  }
  entry.resource = resource;
  return entry;
}

/** Follows a resource for as long as the component lives; null: nothing yet. */
export function useLive<T>(resource: Resource<T> | null): Live<T> {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const entry = resource && entryOf(resource);
  useEffect(() => {
    if (!entry) return;
    const follower = () => redraw(0);
    entry.followers.add(follower);
    if (!entry.loading) void entry.read();
    return () => void entry.followers.delete(follower);
  }, [entry]);
  return {
    value: entry?.value,
    problem: entry?.problem,
    loading: entry !== null && (entry.loading || (entry.value === undefined && entry.problem === undefined)),
    reload: () => void entry?.read(),
    set: (change) => {
      if (!entry || entry.value === undefined) return;
      entry.value = change(entry.value);
      entry.tell();
    },
  };
}

/** After an own change: whoever shows it reads it again. `prefix` of the key. */
export function refresh(...prefixes: string[]): void {
  for (const [key, entry] of entries) {
    if (prefixes.some((prefix) => key.startsWith(prefix)) && entry.followers.size > 0) entry.soon();
  }
}
