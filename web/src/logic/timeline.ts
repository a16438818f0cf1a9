// Samples to the columns a chart draws. Where no sample is nothing happened: the line is at zero there, not a slope across it.

import type { Sample } from "../api/sdk.ts";

export interface Timeline {
  /** Seconds. */
  time: number[];
  ready: number[];
  inFlight: number[];
  held: number[];
}

/** Samples come once a second; a little more is still no gap. */
const GAP = 2.5;

export function timeline(samples: (Sample & { time: string })[], from: number, to: number): Timeline {
  const out: Timeline = { time: [], ready: [], inFlight: [], held: [] };
  const push = (time: number, ready: number, inFlight: number, held: number) => {
    out.time.push(time);
    out.ready.push(ready);
    out.inFlight.push(inFlight);
    out.held.push(held);
  };
  let last = from;
  let instances = 0;
  for (const sample of samples) {
    const at = Date.parse(sample.time) / 1000;
    if (at > to) break;
    if (at < from) {
      instances = sample.ready;
      continue;
    }
    if (out.time.length === 0) push(from, at - from > GAP ? instances : sample.ready, 0, 0);
    // Instances that do nothing are told of once; they stay until told otherwise.
    if (at - last > GAP && at - 1 > last) {
      push(last + 1, instances, 0, 0);
      push(at - 1, instances, 0, 0);
    }
    push(at, sample.ready, sample.in_flight, sample.held);
    last = at;
    instances = sample.ready;
  }
  if (out.time.length === 0) push(from, instances, 0, 0);
  if (to - last > GAP) push(last + 1, instances, 0, 0);
  const end = out.time.length - 1;
  const fresh = to - last <= GAP;
  push(to, instances, fresh ? (out.inFlight[end] ?? 0) : 0, fresh ? (out.held[end] ?? 0) : 0);
  return out;
}
