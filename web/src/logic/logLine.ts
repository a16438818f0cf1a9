// A line of a log as people read it: its level, its message, and its fields, where it has them (JSON or logfmt). Pure.

export type Level = "error" | "warn" | "info" | "debug" | "trace";

export interface Parsed {
  /** null: it does not say. */
  level: Level | null;
  message: string;
  fields: [name: string, value: string][];
}

export const LEVELS: readonly Level[] = ["error", "warn", "info", "debug", "trace"];

const NAMES: Record<string, Level> = {
  fatal: "error", panic: "error", critical: "error", crit: "error", emerg: "error", alert: "error", error: "error", err: "error", severe: "error",
  warning: "warn", warn: "warn", notice: "info", info: "info", information: "info", log: "info",
  debug: "debug", fine: "debug", verbose: "debug", trace: "trace",
};
const LEVEL_FIELDS = ["level", "lvl", "severity", "loglevel", "log.level", "@l"];
const MESSAGE_FIELDS = ["message", "msg", "event", "@m"];
/** The line has a time of its own. */
const TIME_FIELDS = ["time", "timestamp", "ts", "@timestamp", "@t"];
const MAX_FIELDS = 40;
const MAX_PARSED = 16_384;

function levelOf(value: unknown): Level | null {
  // pino's and bunyan's numbers.
  if (typeof value === "number") return value >= 50 ? "error" : value >= 40 ? "warn" : value >= 30 ? "info" : value >= 20 ? "debug" : "trace";
  return NAMES[String(value).toLowerCase()] ?? null;
}

export function parseLine(text: string): Parsed {
  if (text.length <= MAX_PARSED) {
    const found = json(text) ?? logfmt(text);
    if (found) return found;
  }
  // `ERROR …`, `[warn] …`, `warn: …`, `2026-01-01T… INFO …`; `E0102 …` is glog's.
  const [, first, second, third] = /^(?:\S*\d\S*\s+){0,2}(?:[[(]([A-Za-z]{3,11})[\])]|([A-Z]{3,11})\b|([A-Za-z]{3,11}):)/.exec(text) ?? [];
  const word = first ?? second ?? third;
  const glog = /^([EWIF])\d{4} /.exec(text)?.[1];
  const level = word ? (NAMES[word.toLowerCase()] ?? null) : null;
  return { level: glog ? ({ E: "error", F: "error", W: "warn", I: "info" } as const)[glog as "E"] : level, message: text, fields: [] };
}

function json(text: string): Parsed | null {
  if (!text.startsWith("{") || !text.trimEnd().endsWith("}")) return null;
  try {
    const value = JSON.parse(text) as Record<string, unknown>;
    return fromPairs(Object.entries(value).map(([name, of]) => [name, of] as const));
  } catch {
    return null;
  }
}

/** Only lines that are nothing but `key=value`, so that prose with a `=` in it stays prose. */
function logfmt(text: string): Parsed | null {
  const pairs: [string, string][] = [];
  const pattern = /\s*([A-Za-z_@][\w.@-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)/y;
  let at = 0;
  while (at < text.trimEnd().length) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) return null;
    const [whole, name = "", raw = ""] = found;
    pairs.push([name, raw.startsWith('"') ? unquoted(raw) : raw]);
    at += whole.length;
  }
  return pairs.length >= 2 ? fromPairs(pairs) : null;
}

function unquoted(raw: string): string {
  try {
    return JSON.parse(raw) as string;
  } catch {
    return raw.slice(1, -1);
  }
}

function fromPairs(pairs: readonly (readonly [string, unknown])[]): Parsed {
  const value = (names: string[]) => pairs.find(([name]) => names.includes(name.toLowerCase()));
  const [level, message] = [value(LEVEL_FIELDS), value(MESSAGE_FIELDS)];
  const rest = pairs.filter(([name]) => name !== level?.[0] && name !== message?.[0] && !TIME_FIELDS.includes(name.toLowerCase()));
  const shown = (one: unknown) => (typeof one === "string" ? one : JSON.stringify(one));
  return {
    level: level ? levelOf(level[1]) : null,
    message: message ? shown(message[1]) : "",
    fields: rest.slice(0, MAX_FIELDS).map(([name, one]) => [name, shown(one)]),
  };
}

/** Ids of async calls in a text: what a function that logs `x-call-id` has in its lines. */
const CALL_ID = /\b[0-9a-f]{12}7[0-9a-f]{19}-[0-9a-z]+\b/g;

export type Part = { text: string; marked: boolean; call: boolean };

/** A text in parts: what is searched for, and call ids, apart from the rest. */
export function partsOf(text: string, words: string[]): Part[] {
  const lower = text.toLowerCase();
  const spans: { from: number; to: number; call: boolean }[] = [];
  for (const match of text.matchAll(CALL_ID)) spans.push({ from: match.index, to: match.index + match[0].length, call: true });
  for (const word of words.filter(Boolean)) {
    for (let at = lower.indexOf(word.toLowerCase()); at >= 0; at = lower.indexOf(word.toLowerCase(), at + word.length)) {
      spans.push({ from: at, to: at + word.length, call: false });
    }
  }
  const cuts = [...new Set([0, text.length, ...spans.flatMap(({ from, to }) => [from, to])])].sort((a, b) => a - b);
  const within = (from: number, to: number, call: boolean) => spans.some((span) => span.call === call && span.from <= from && span.to >= to);
  const parts = cuts.slice(0, -1).map((from, index) => {
    const to = cuts[index + 1] ?? from;
    return { text: text.slice(from, to), marked: within(from, to, false), call: within(from, to, true), from };
  });
  return parts.map(({ text, marked, call }) => ({ text, marked, call }));
}
