// A call's time as a sequence of bars, out of the sidecar's server-timing: `start` lies at the end of `hold`, `connect` at the beginning of `run`.

export interface Phase {
  name: string;
  duration_ms: number;
}

export interface Bar {
  name: string;
  label: string;
  from: number;
  to: number;
  /** Drawn within the one before. */
  inside: boolean;
}

const LABELS: Record<string, string> = {
  route: "route",
  hold: "held at the sidecar",
  start: "instance starts",
  queue: "queued at the gate",
  connect: "a connection is made",
  run: "function runs",
  answer: "answer is sent",
};
const NOTHING_MS = 0.005;
const ORDER = ["route", "hold", "queue", "run", "answer"];

/** Bars in milliseconds from the call's begin; the last is what the phases do not account for. */
export function bars(phases: Phase[], total: number): Bar[] {
  // A warm call is held for no time: that is not worth a row.
  const by = new Map(phases.filter((phase) => phase.duration_ms >= NOTHING_MS).map((phase) => [phase.name, phase.duration_ms]));
  const out: Bar[] = [];
  let at = 0;
  for (const name of ORDER) {
    const duration = by.get(name);
    if (duration === undefined) continue;
    out.push({ name, label: LABELS[name] ?? name, from: at, to: at + duration, inside: false });
    const start = name === "hold" ? by.get("start") : undefined;
    if (start !== undefined) {
      const begin = Math.max(at, at + duration - start);
      out.push({ name: "start", label: LABELS.start ?? "start", from: begin, to: at + duration, inside: true });
    }
    const connect = name === "run" ? by.get("connect") : undefined;
    if (connect !== undefined) {
      out.push({ name: "connect", label: LABELS.connect ?? "connect", from: at, to: at + Math.min(connect, duration), inside: true });
    }
    at += duration;
  }
  if (out.length > 0 && total - at > 0.05) {
    out.push({ name: "rest", label: "network and relay", from: at, to: total, inside: false });
  }
  return out;
}
