// Calls as the requests that act on them, of one function at a time as the API takes them, and what became of them in words. Pure.

import { plural } from "./format.ts";

const MAX_IDS = 1000;

/** A function's calls; null: all that the request is about. */
export type Part = [name: string, ids: string[] | null];

export function byFunction(calls: { function: string; id: string }[]): Part[] {
  const groups = new Map<string, string[]>();
  for (const call of calls) {
    const ids = groups.get(call.function);
    if (ids) ids.push(call.id);
    else groups.set(call.function, [call.id]);
  }
  return [...groups].flatMap(([name, ids]): Part[] => {
    const parts: Part[] = [];
    for (let at = 0; at < ids.length; at += MAX_IDS) parts.push([name, ids.slice(at, at + MAX_IDS)]);
    return parts;
  });
}

export interface Outcome {
  /** To how many it was done. */
  count: number;
  /** Calls that are known to have been left as they were. */
  left: number;
  /** Why, and whatever else was not done. */
  problems: string[];
}

/** Both can be: to some it was done, others were left as they were. */
export function wordsOf({ count, left, problems }: Outcome, noun: string, done: string): { said: string | null; problem: string | null } {
  const why = [...new Set(problems)];
  const more = why.length > 1 ? ` (and ${plural(why.length - 1, "other reason")})` : "";
  const who = left > 0 ? `${plural(left, noun)} left as ${left === 1 ? "it was" : "they were"}: ` : "";
  return {
    said: count > 0 || why.length === 0 ? `${plural(count, noun)} ${done}` : null,
    problem: why.length > 0 ? `${who}${why[0]}${more}` : null,
  };
}
