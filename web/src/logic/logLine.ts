// A line of a log as people read it: its level, its message, and its fields, where it has them (JSON or logfmt). Pure.

import { CALL_IDS } from "./callId.ts";

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
/** Not shown when it is one: the line has a time of its own. */
const TIME_FIELDS = ["time", "timestamp", "ts", "@timestamp", "@t"];
/** A date and what follows it, a time of the day, or so many seconds (or fractions of one) since 1970. */
const TIME = /^(?:\d{4}[-/]\d\d[-/]\d\d(?:[T ].*)?|\d\d:\d\d:\d\d(?:[.,]\d+)?|\d{9,19}(?:\.\d+)?)$/;
const MAX_PARSED = 16_384;

function levelOf(value: unknown): Level | null {
  // pino's and bunyan's numbers.
  if (typeof value === "number") {
    if (value < 10 || value > 60) return null;
    return value >= 50 ? "error" : value >= 40 ? "warn" : value >= 30 ? "info" : value >= 20 ? "debug" : "trace";
  }
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
    return fromPairs(Object.entries(JSON.parse(exact(text)) as Record<string, unknown>), text);
  } catch {
    return null;
  }
}

/** Before a number that a JavaScript number would alter, kept as a text. */
const VERBATIM = "\u{f8ff}";

/** JSON whose numbers stay as they were written: 18446744073709551615, 1.50. */
function exact(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) => (token.startsWith('"') || String(Number(token)) === token ? token : `"${VERBATIM}${token}"`));
}

function shown(value: unknown): string {
  if (typeof value === "string") return value.startsWith(VERBATIM) ? value.slice(VERBATIM.length) : value;
  return JSON.stringify(value).replace(VERBATIMS, "$1");
}

const VERBATIMS = new RegExp(`"${VERBATIM}([^"]*)"`, "g");

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
  return pairs.length >= 2 ? fromPairs(pairs, text) : null;
}

function unquoted(raw: string): string {
  try {
    return JSON.parse(raw) as string;
  } catch {
    return raw.slice(1, -1);
  }
}

/** What is not understood stays a field; where nothing would be left to read, it is the line itself. */
function fromPairs(pairs: [name: string, value: unknown][], line: string): Parsed {
  const find = (names: string[]) => pairs.find(([name]) => names.includes(name.toLowerCase()));
  const [said, message] = [find(LEVEL_FIELDS), find(MESSAGE_FIELDS)];
  const level = said ? levelOf(said[1]) : null;
  const isTime = ([name, value]: [string, unknown]) => TIME_FIELDS.includes(name.toLowerCase()) && TIME.test(shown(value));
  const rest = pairs.filter((pair) => pair !== message && (pair !== said || level === null) && !isTime(pair));
  const text = message ? shown(message[1]) : "";
  return { level, message: text === "" && rest.length === 0 ? line : text, fields: rest.map(([name, value]) => [name, shown(value)]) };
}

export type Part = { text: string; marked: boolean; call: boolean };

/** A text in parts: what is searched for, and call ids, which a function that logs `x-call-id` has in its lines, apart from the rest. */
export function partsOf(text: string, words: string[]): Part[] {
  const lower = text.toLowerCase();
  const spans: { from: number; to: number; call: boolean }[] = [];
  for (const match of text.matchAll(CALL_IDS)) spans.push({ from: match.index, to: match.index + match[0].length, call: true });
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
