// The store: what was fetched once, kept right by events, as a signal that components read. A resource says how it is read and what an event does to it;
// everything else (sharing, races between reading and events, reading anew after a reset) is here. Nothing polls.

import { batch, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { batches, connection, resets } from "../events.ts";
import { problemOf, UNREACHABLE, type GatelessError } from "../api/client.ts";
import { session } from "./session.ts";
import { Again, RELOAD, type ServerEvent } from "./event.ts";

export interface Resource<T> {
  /** What it is, with everything it depends on. */
  key: string;
  /** `show`: what is there before the rest has come; only while there is nothing to show. */
  load(show: (part: T) => void): Promise<T>;
  /** Pure; returns `state` itself when the event does not concern it. */
  apply?(state: T, event: ServerEvent): T | Again<T> | typeof RELOAD;
  /** The same for a batch, where one at a time would copy too much. */
  applyAll?(state: T, events: ServerEvent[]): T;
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
/** After a reading that no server answered, while the stream is there; where that is broken, its return says when. */
const UNANSWERED_MS = 2000;
/** Events kept while an answer is on its way; past it the answer is asked for once more instead. */
const MAX_MISSED = 5000;
/** Resources no component follows are kept, so that going back is instant; the oldest go first. */
const MAX_IDLE = 40;

interface State<T> {
  value: T | undefined;
  problem: GatelessError | undefined;
  loading: boolean;
}

class Entry<T> {
  readonly state = signal<State<T>>({ value: undefined, problem: undefined, loading: false });
  /** Components on the page that show it. */
  followers = 0;
  private missed: ServerEvent[] = [];
  private again = false;
  private timer = 0;

  constructor(public resource: Resource<T>) {}

  change(part: Partial<State<T>>): void {
    this.state.value = { ...this.state.peek(), ...part };
  }

  async read(): Promise<void> {
    if (this.state.peek().loading) {
      this.again = true;
      return;
    }
    this.missed = [];
    this.change({ loading: true });
    const show = (value: T) => {
      if (this.state.peek().value === undefined) this.change({ value });
    };
    const part = await this.resource.load(show).then(
      (value): Partial<State<T>> => ({ value, problem: undefined }),
      (error: unknown): Partial<State<T>> => ({ problem: problemOf(error) }),
    );
    batch(() => {
      this.change({ ...part, loading: false });
      // What happened while the answer was on its way; patches are safe to repeat.
      this.patch(this.missed);
    });
    this.missed = [];
    if (this.again) this.soon();
    this.again = false;
    if (part.problem?.code === UNREACHABLE && connection.peek() === "live") this.soon(UNANSWERED_MS);
  }

  /** It may be answered by now: there was no server, or it was not well. */
  get unanswered(): boolean {
    const { problem } = this.state.peek();
    return problem !== undefined && (problem.code === UNREACHABLE || problem.status >= 500);
  }

  receive(events: ServerEvent[]): void {
    const { loading } = this.state.peek();
    if (loading && this.missed.length < MAX_MISSED) this.missed.push(...events);
    else if (loading) this.again = true;
    this.patch(events);
  }

  private patch(events: ServerEvent[]): void {
    const { apply, applyAll } = this.resource;
    const before = this.state.peek().value;
    if (before === undefined || events.length === 0) return;
    let value: T = applyAll ? applyAll(before, events) : before;
    for (const event of events) {
      if (!apply) break;
      const next: T | Again<T> | typeof RELOAD = apply(value, event);
      if (next instanceof Again) value = next.state;
      else if (next !== RELOAD) value = next;
      if (next === RELOAD || next instanceof Again) this.soon();
    }
    if (value !== before) this.change({ value });
  }

  /** A burst of events is one reading. */
  soon(after = this.resource.pace ?? RELOAD_MS): void {
    this.timer ||= window.setTimeout(() => {
      this.timer = 0;
      if (this.followers > 0) void this.read();
    }, after);
  }
}

const entries = new Map<string, Entry<any>>();

const followed = () => [...entries.values()].filter((entry) => entry.followers > 0);

batches.on((events) => {
  // One drawing, however many of them it concerns.
  batch(() => followed().forEach((entry) => entry.receive(events)));
});
resets.on(() => followed().forEach((entry) => void entry.read()));
// A stream that is resumed where it was says nothing of what could not be read meanwhile.
connection.subscribe((state) => {
  if (state === "live") followed().forEach((entry) => entry.unanswered && void entry.read());
});
// Another may sign in on the same page; nothing of the one before may show.
session.subscribe((who) => {
  if (!who) entries.clear();
});

function entryOf<T>(resource: Resource<T>): Entry<T> {
  let entry = entries.get(resource.key) as Entry<T> | undefined;
  if (!entry) {
    entry = new Entry(resource);
    const idle = [...entries].filter(([, one]) => one.followers === 0);
    for (const [key] of idle.slice(0, Math.max(0, idle.length - MAX_IDLE))) entries.delete(key);
    entries.set(resource.key, entry);
  }
  entry.resource = resource;
  return entry;
}

/** Follows a resource for as long as the component lives; null: nothing yet. */
export function useLive<T>(resource: Resource<T> | null): Live<T> {
  const entry = resource && entryOf(resource);
  useEffect(() => {
    if (!entry) return;
    entry.followers += 1;
    if (!entry.state.peek().loading) void entry.read();
    return () => void (entry.followers -= 1);
  }, [entry]);
  const { value, problem, loading = false } = entry?.state.value ?? {};
  return {
    value,
    problem,
    loading: entry !== null && (loading || (value === undefined && problem === undefined)),
    reload: () => void entry?.read(),
    set: (change) => {
      const known = entry?.state.peek().value;
      if (entry && known !== undefined) entry.change({ value: change(known) });
    },
  };
}

/** After an own change: whoever shows it reads it again. `prefix` of the key. */
export function refresh(...prefixes: string[]): void {
  for (const [key, entry] of entries) {
    if (prefixes.some((prefix) => key.startsWith(prefix)) && entry.followers > 0) entry.soon();
  }
}
