// Which calls on record a list shows, as it stands in the address. Pure.

import { LASTS, timeOf } from "./callFilter.ts";

export interface RecordFilter {
  namespace: string;
  /** Empty: all functions. */
  name: string;
  /** `answered`, `failed`, `refused`; several separated by commas; empty: all. */
  state: string;
  /** `error`, `cold`, `slow`, `sample`; empty: all. */
  kept: string;
  /** `503` or `5xx`; empty: whatever the answer. */
  status: string;
  cause: string;
  caller: string;
  /** Least time it took, in milliseconds; empty: any. */
  least: string;
  trace: string;
  /** Milliseconds up to now, of which the list is; null: from the beginning, or a range. */
  last: number | null;
  /** ISO times of a range; empty: no bound. */
  since: string;
  until: string;
}

/** Times that are none are left out; what else is wrong is the server's to say. */
export function recordFilterOf(namespace: string, query: URLSearchParams): RecordFilter {
  const text = (name: string) => query.get(name)?.trim() ?? "";
  const last = LASTS.find(([key]) => key === text("last"))?.[1] ?? null;
  return {
    namespace,
    name: text("function"),
    state: text("state"),
    kept: text("kept"),
    status: text("status"),
    cause: text("cause"),
    caller: text("caller"),
    least: text("least"),
    trace: text("trace"),
    last,
    since: last === null ? timeOf(text("since")) : "",
    until: last === null ? timeOf(text("until")) : "",
  };
}

/** The same for filters that ask for the same calls. */
export function recordKeyOf(filter: RecordFilter): string {
  return JSON.stringify(filter);
}

/** Whether it leaves any call out. */
export function isNarrowed({ namespace: _, last, ...texts }: RecordFilter): boolean {
  return last !== null || Object.values(texts).some((text) => text !== "");
}

/** As the API's query, at `now`. */
export function recordQueryOf(filter: RecordFilter, now: number): Record<string, string> {
  const { name, state, kept, status, cause, caller, least, trace, last, since, until } = filter;
  const begin = last === null ? since : new Date(now - last).toISOString();
  const all = { function: name, state, kept, status, cause, caller, min_duration_ms: least, trace, since: begin, until };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}
