// A list whose newest page is read again and whose older ones were read once. Pure.

/**
 * The newest page and below it what `older` has after it; `older` begins with the newest page as it was when the next one was read. Both are
 * newest first. null: there may be some between them that nobody has read.
 */
export function joined<T>(newest: T[], older: T[], page: number, key: (one: T) => string | number): T[] | null {
  const last = newest.at(-1);
  if (last === undefined) return older;
  const at = older.findIndex((one) => key(one) === key(last));
  if (at >= 0) return [...newest, ...older.slice(at + 1)];
  if (newest.length >= page) return null;
  const there = new Set(newest.map(key));
  return [...newest, ...older.filter((one) => !there.has(key(one)))];
}
