// The last lines of a log that does not end: bounded, and honest about what went. Each is taken apart once, when it comes.

import type { LogLine } from "../api/sdk.ts";
import { LEVELS, parseLine, type Level, type Parsed } from "./logLine.ts";

export const MAX_LINES = 5000;

export interface Kept {
  key: number;
  line: LogLine;
  parsed: Parsed;
}

export interface Buffer {
  lines: Kept[];
  /** How many there ever were. */
  total: number;
  dropped: number;
}

export const EMPTY: Buffer = { lines: [], total: 0, dropped: 0 };

/** At most `keep` of the newest. */
export function append(buffer: Buffer, lines: LogLine[], keep = MAX_LINES): Buffer {
  const keyed = lines.map((line, index) => ({ key: buffer.total + index, line, parsed: parseLine(line.line) }));
  const all = [...buffer.lines, ...keyed];
  const over = Math.max(0, all.length - keep);
  return { lines: over > 0 ? all.slice(over) : all, total: buffer.total + lines.length, dropped: buffer.dropped + over };
}

/** What is looked for: words that all have to be in a line; `name=value` is looked for in its fields, too. */
export function wordsOf(question: string): string[] {
  return question.toLowerCase().split(/\s+/).filter(Boolean);
}

/** Lines of that level or a worse one, that have every word. Lines that say no level are of every level when none is asked for. */
export function matching(lines: Kept[], words: string[], level: Level | ""): Kept[] {
  if (words.length === 0 && level === "") return lines;
  const worst = level === "" ? LEVELS.length : LEVELS.indexOf(level);
  return lines.filter(({ line, parsed }) => {
    if (level !== "" && (parsed.level === null || LEVELS.indexOf(parsed.level) > worst)) return false;
    const text = line.line.toLowerCase();
    return words.every((word) => text.includes(word) || parsed.fields.some(([name, value]) => `${name}=${value}`.toLowerCase().includes(word)));
  });
}
