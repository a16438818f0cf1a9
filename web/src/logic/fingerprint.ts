// Dead letters that died of the same: grouped by function, status and what their last error says, whatever differs from call to call
// (numbers, ids, quoted text) taken out. Pure.

import type { Invocation } from "../api/sdk.ts";

export interface Group {
  key: string;
  function: string;
  /** Of the last answer; null: there was none. */
  status: number | null;
  /** What they died of, with `…` for what differs. */
  reason: string;
  /** Newest first. */
  calls: Invocation[];
}

const MAX_CHARS = 160;

export function fingerprint(text: string): string {
  const plain = text
    .replace(/"[^"]*"|'[^']*'|`[^`]*`/g, "…")
    .replace(/\b[0-9a-f]{8}-[0-9a-f-]{27,}\b|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}(-[0-9a-z]+)*\b/gi, "…")
    .replace(/\d+(?:[.:]\d+)*/g, "…")
    .replace(/…(?:\s*…)+/g, "…")
    .replace(/\s+/g, " ")
    .trim();
  return plain.length > MAX_CHARS ? `${plain.slice(0, MAX_CHARS)}…` : plain;
}

function lastStatus(call: Invocation): number | null {
  return call.status ?? call.attempts.at(-1)?.status ?? null;
}

/** The largest first. */
export function groupsOf(calls: Invocation[]): Group[] {
  const groups = new Map<string, Group>();
  for (const call of calls) {
    const [status, reason] = [lastStatus(call), fingerprint((call.reason ?? "").replace(/_/g, " "))];
    const key = JSON.stringify([call.function, status, reason]);
    const group = groups.get(key) ?? { key, function: call.function, status, reason, calls: [] };
    group.calls.push(call);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.calls.length - a.calls.length || a.key.localeCompare(b.key));
}
