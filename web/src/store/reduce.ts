// What an event does to what is shown. Pure: state and event in, state out, or RELOAD where only the server knows the rest.
// Every patch can be repeated without harm, as events may arrive that the state already has in it.

import type { CurrentStats, Instance, Invocation, Mark, Queue, Sidecar, Stats, StatsList, Trigger } from "../api/sdk.ts";
import type { CallFilter } from "../logic/callFilter.ts";
import { Again, RELOAD, type Sample, type ServerEvent } from "./event.ts";

type Next<T> = T | Again<T> | typeof RELOAD;

/** Of the ten minutes a chart shows, one a second, and a few to spare. */
const MAX_SAMPLES = 660;
const MAX_DECISIONS = 200;
const MAX_MARKS = 400;
export const SPARK_SECONDS = 60;

const isOf = (event: ServerEvent, namespace: string, name: string) =>
  event.namespace === namespace && event.function === name;

export interface Functions<F> {
  items: F[];
  truncated: boolean;
}

export function functions<F extends { name: string }>(namespace: string) {
  return (state: Functions<F>, event: ServerEvent): Next<Functions<F>> => {
    if (event.type !== "function" || event.namespace !== namespace) return state;
    if (event.action !== "deleted") return RELOAD;
    const items = state.items.filter((one) => one.name !== event.function);
    return items.length === state.items.length ? state : { ...state, items };
  };
}

/** A function's line in the list: how it is, and its last minute with the time that minute ends. */
export interface Pulse {
  sample: Sample;
  spark: number[];
  at: number;
}

/** By function. */
export type Pulses = ReadonlyMap<string, Pulse>;

export function pulsesOf(list: StatsList, now: number): Pulses {
  return new Map(list.items.map(({ function: name, sample, sparkline }: CurrentStats) => [name, { sample, spark: sparkline, at: now }]));
}

/** A batch at a time: there may be thousands of functions, and a sample of each every second. */
export function pulses(namespace: string) {
  return (state: Pulses, events: ServerEvent[]): Pulses => {
    let next: Map<string, Pulse> | undefined;
    for (const event of events) {
      if (event.namespace !== namespace || event.function === null) continue;
      const known = (next ?? state).get(event.function);
      if (event.type === "function" && event.action === "deleted" && known) {
        (next ??= new Map(state)).delete(event.function);
      } else if (event.type === "sample") {
        const at = Date.parse(event.time);
        const before = known ?? { spark: Array<number>(SPARK_SECONDS).fill(0), at: at - 1000 };
        if (at < before.at) continue;
        const spark = [...slide(before.spark, before.at, at - 1000), event.rps].slice(-SPARK_SECONDS);
        (next ??= new Map(state)).set(event.function, { sample: sampleOf(event), spark, at });
      }
    }
    return next ?? state;
  };
}

/** The line as it looks later: seconds nobody told of are seconds without calls. */
export function slide(spark: number[], at: number, now: number): number[] {
  const gap = Math.min(SPARK_SECONDS, Math.max(0, Math.round((now - at) / 1000)));
  return gap === 0 ? spark : [...spark, ...Array<number>(gap).fill(0)].slice(-SPARK_SECONDS);
}

function sampleOf(event: ServerEvent & { type: "sample" }): Sample {
  const { rps, errors_per_second, p50_ms, p95_ms, in_flight, held, ready, starting, desired, queued, dead } = event;
  return { rps, errors_per_second, p50_ms, p95_ms, in_flight, held, ready, starting, desired, queued, dead };
}

export function history(namespace: string, name: string) {
  return (state: Stats, event: ServerEvent): Stats => {
    if (event.type === "sidecar" && event.action !== "lag") return withMark(state, { time: event.time, kind: event.action, subject: event.sidecar, message: "" });
    if (!isOf(event, namespace, name)) return state;
    if (event.type === "function") return withMark(state, { time: event.time, kind: event.action, subject: event.revision, message: event.message });
    if (event.type === "sample") {
      const last = state.samples.at(-1);
      if (last && last.time >= event.time) return state;
      return { ...state, samples: [...state.samples, { time: event.time, ...sampleOf(event) }].slice(-MAX_SAMPLES) };
    }
    if (event.type === "decision") {
      const same = state.decisions.some((one) => one.time === event.time && one.revision === event.revision);
      if (same) return state;
      const { time, revision, desired, previous, reason, explanation } = event;
      const decision = { time, revision, desired, previous, reason, explanation };
      return { ...state, decisions: [...state.decisions, decision].slice(-MAX_DECISIONS) };
    }
    return state;
  };
}

function withMark(state: Stats, mark: Mark): Stats {
  const same = state.marks.some((one) => one.time === mark.time && one.kind === mark.kind && one.subject === mark.subject);
  return same ? state : { ...state, marks: [...state.marks, mark].slice(-MAX_MARKS) };
}

export function detail<T>(namespace: string, name: string) {
  return (state: T, event: ServerEvent): Next<T> =>
    event.type === "function" && isOf(event, namespace, name) ? RELOAD : state;
}

export function revisions<T>(namespace: string, name: string) {
  return (state: T, event: ServerEvent): Next<T> =>
    (event.type === "function" || event.type === "instance") && isOf(event, namespace, name) ? RELOAD : state;
}

const GONE = ["stopped", "failed"];

export function instances(namespace: string, name: string) {
  return (state: Instance[], event: ServerEvent): Next<Instance[]> => {
    if (event.type !== "instance" || !isOf(event, namespace, name)) return state;
    const known = state.find((one) => one.id === event.instance);
    if (GONE.includes(event.state)) return known ? state.filter((one) => one !== known) : state;
    if (!known) return RELOAD;
    if (known.state === event.state) return state;
    // A ready one has an address and a start time the event does not tell.
    return event.state === "ready" ? RELOAD : state.map((one) => (one === known ? { ...one, state: event.state } : one));
  };
}

export interface Calls {
  items: Invocation[];
  next: string | null;
  warnings: string[];
}

export function calls({ namespace, name, until }: Pick<CallFilter, "namespace" | "name" | "until">) {
  return (state: Calls, event: ServerEvent): Next<Calls> => {
    if (event.type !== "call" || event.namespace !== namespace) return state;
    if (name !== null && event.function !== name) return state;
    const known = state.items.some((one) => one.id === event.id && one.state !== event.state);
    // Times and attempts are told by the server alone; the state shows at once. A range that is over gets no new calls.
    if (!known) return until === "" ? RELOAD : state;
    const patch = (one: Invocation) => (one.id === event.id ? { ...one, state: event.state, status: event.status } : one);
    return new Again({ ...state, items: state.items.map(patch) });
  };
}

/** Only calls that die are news to this list, and what becomes of those it has, which are kept: a busy namespace has many other events. */
export function deadLetters({ namespace, name }: Pick<CallFilter, "namespace" | "name">) {
  return (state: Calls, event: ServerEvent): Next<Calls> => {
    if (event.type !== "call" || event.namespace !== namespace) return state;
    if (name !== null && event.function !== name) return state;
    const known = state.items.find((one) => one.id === event.id);
    if (!known) return event.state === "dead" ? RELOAD : state;
    if (known.state === event.state) return state;
    const items = state.items.map((one) => (one === known ? { ...one, state: event.state, status: event.status } : one));
    // Dead again, of something else perhaps.
    return event.state === "dead" ? new Again({ ...state, items }) : { ...state, items };
  };
}

export function call(id: string) {
  return (state: Invocation, event: ServerEvent): Next<Invocation> =>
    event.type === "call" && event.id === id ? RELOAD : state;
}

export function queues(namespace: string) {
  return (state: Queue[], event: ServerEvent): Next<Queue[]> =>
    event.type === "call" && event.namespace === namespace ? RELOAD : state;
}

export function triggers(namespace: string) {
  return (state: Trigger[], event: ServerEvent): Next<Trigger[]> => {
    const concerns = event.type === "trigger" || (event.type === "function" && event.action !== "traffic");
    return concerns && event.namespace === namespace ? RELOAD : state;
  };
}

export function sidecars(state: Sidecar[], event: ServerEvent): Next<Sidecar[]> {
  // Their counts of instances and held calls come with no event of their own.
  if (event.type === "instance") return RELOAD;
  if (event.type !== "sidecar") return state;
  if (event.action !== "lag") return RELOAD;
  const known = state.some((one) => one.id === event.sidecar && one.lag !== event.lag);
  return known ? state.map((one) => (one.id === event.sidecar ? { ...one, lag: event.lag } : one)) : state;
}
