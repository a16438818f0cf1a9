// Which calls a list shows, as it stands in the address. Pure.

export interface CallFilter {
  namespace: string;
  /** null: all functions. */
  name: string | null;
  /** Several separated by commas; empty: all. */
  state: string;
  /** `503` or `5xx`; empty: whatever the answer. */
  status: string;
  /** `caller`, `trigger` or `trigger:NAME`; empty: whatever made it. */
  cause: string;
  /** Idempotency key; empty: with or without. */
  key: string;
  /** Milliseconds up to now, of which the list is; null: from the beginning, or a range. */
  last: number | null;
  /** ISO times of a range; empty: no bound. With an end the list is not live. */
  since: string;
  until: string;
}

export const LASTS: readonly (readonly [text: string, ms: number, label: string])[] = [
  ["15m", 900_000, "Last 15 minutes"],
  ["1h", 3_600_000, "Last hour"],
  ["24h", 86_400_000, "Last day"],
  ["7d", 604_800_000, "Last 7 days"],
];

export const ANY = { state: "", status: "", cause: "", key: "", last: null, since: "", until: "" };

/** Times that are none are left out; what else is wrong is the server's to say, beside the field. */
export function filterOf(namespace: string, query: URLSearchParams): CallFilter {
  const text = (name: string) => query.get(name)?.trim() ?? "";
  const last = LASTS.find(([key]) => key === text("last"))?.[1] ?? null;
  return {
    namespace,
    name: text("function") || null,
    state: text("state"),
    status: text("status"),
    cause: text("cause"),
    key: text("key"),
    last,
    since: last === null ? timeOf(text("since")) : "",
    until: last === null ? timeOf(text("until")) : "",
  };
}

/** Whether something is asked of the calls that events do not tell. */
export function isNarrow(filter: CallFilter): boolean {
  return filter.status !== "" || filter.cause !== "" || filter.key !== "" || filter.since !== "" || filter.until !== "" || filter.last !== null;
}

/** The same for filters that ask for the same calls. */
export function keyOf({ namespace, name, state, status, cause, key, last, since, until }: CallFilter): string {
  return JSON.stringify([namespace, name, state, status, cause, key, last, since, until]);
}

/** As the API's query, at `now`. */
export function queryOf({ state, status, cause, key, last, since, until }: CallFilter, now: number): Record<string, string> {
  const begin = last === null ? since : new Date(now - last).toISOString();
  const all = { state, status, cause, idempotency_key: key, since: begin, until };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

/** A time as an address has it, or as `<input type="datetime-local">` in the browser's time zone: in ISO; empty when it is none. */
export function timeOf(text: string): string {
  const time = Date.parse(text);
  return Number.isNaN(time) ? "" : new Date(time).toISOString();
}

/** A time as `<input type="datetime-local">` has it, in the browser's time zone. */
export function toLocal(iso: string): string {
  if (iso === "") return "";
  const time = new Date(iso);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
