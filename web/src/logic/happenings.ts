// What happened to a function, on the axis of its chart: scaling decisions, deploys, changes of the traffic, sidecars that come and go. Pure.

import type { Mark, Stats } from "../api/sdk.ts";

export interface Happening {
  key: string;
  /** Milliseconds since the Unix epoch. */
  at: number;
  time: string;
  kind: "decision" | "deploy" | "sidecar";
  /** A decision: whether it wants more; others: null. */
  up: boolean | null;
  title: string;
  text: string;
  bad: boolean;
}

const DEPLOYS: Record<string, string> = {
  applied: "deployed",
  ready: "is ready",
  failed: "does not get ready",
  traffic: "traffic changed",
  deleted: "deleted",
};
const SIDECARS: Record<string, string> = { joined: "joined", left: "left", draining: "drains", resumed: "resumed" };

/** Oldest first. */
export function happenings({ decisions, marks }: Pick<Stats, "decisions" | "marks">): Happening[] {
  const decided = decisions.map(({ time, revision, previous, desired, explanation }): Happening => ({
    key: `decision ${time} ${revision}`,
    at: Date.parse(time),
    time,
    kind: "decision",
    up: desired >= previous,
    title: `${previous} → ${desired}`,
    text: explanation,
    bad: false,
  }));
  return [...decided, ...marks.flatMap(marked)].sort((a, b) => a.at - b.at);
}

function marked({ time, kind, subject, message }: Mark): Happening[] {
  const [deploy, sidecar] = [DEPLOYS[kind], SIDECARS[kind]];
  const said = deploy ?? sidecar;
  // A kind of a later version.
  if (said === undefined) return [];
  const common = { key: `${kind} ${time} ${subject}`, at: Date.parse(time), time, up: null, bad: kind === "failed" || kind === "left" };
  const title = kind === "traffic" || subject === "" ? said : `${subject} ${said}`;
  return [{ ...common, kind: deploy ? "deploy" : "sidecar", title, text: message }];
}
