// What an apply would change, field by field: for the dry run before anybody presses Apply.

import { isData } from "./paths.ts";

export interface Change {
  path: string;
  /** undefined: it is not there. */
  before: unknown;
  after: unknown;
}

/** Objects are gone into; lists and plain values are compared whole. In order of their paths. */
export function diff(before: unknown, after: unknown, path = ""): Change[] {
  if (same(before, after)) return [];
  if (!isData(before) || !isData(after)) {
    // Something new or gone is told by its fields.
    if (before === undefined && isData(after) && Object.keys(after).length > 0) return diff({}, after, path);
    if (after === undefined && isData(before) && Object.keys(before).length > 0) return diff(before, {}, path);
    return [{ path, before, after }];
  }
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return keys.flatMap((key) => diff(before[key], after[key], path === "" ? key : `${path}.${key}`));
}

/** null and absent are the same to the API. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(ordered(a ?? null)) === JSON.stringify(ordered(b ?? null));
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isData(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, ordered(value[key])]));
}

/** A value as one line. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}
