// The last lines of a log that does not end: bounded, and honest about what went.

import type { LogLine } from "../api/sdk.ts";

export const MAX_LINES = 5000;

export interface Buffer {
  lines: { key: number; line: LogLine }[];
  /** How many there ever were. */
  total: number;
  dropped: number;
}

export const EMPTY: Buffer = { lines: [], total: 0, dropped: 0 };

export function append(buffer: Buffer, lines: LogLine[]): Buffer {
  const keyed = lines.map((line, index) => ({ key: buffer.total + index, line }));
  const all = [...buffer.lines, ...keyed];
  const over = Math.max(0, all.length - MAX_LINES);
  return { lines: over > 0 ? all.slice(over) : all, total: buffer.total + lines.length, dropped: buffer.dropped + over };
}
