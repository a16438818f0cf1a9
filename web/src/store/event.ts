// What the event stream says, as types. The stream is not JSON in the API document, so these are written by hand.

import type { Sample, ScalingDecision } from "../api/sdk.ts";

interface Base {
  time: string;
  namespace: string | null;
  function: string | null;
}

export type FunctionAction = "applied" | "ready" | "failed" | "deleted" | "traffic";

export type ServerEvent = Base &
  (
    | { type: "hello" }
    | { type: "reset"; message: string }
    | { type: "function"; action: FunctionAction; revision: string; message: string }
    | ({ type: "sample" } & Sample)
    | ({ type: "decision" } & ScalingDecision)
    | { type: "instance"; instance: string; revision: string; sidecar: string; state: string; message: string }
    | { type: "call"; id: string; state: string; attempt: number; status: number | null }
    | { type: "sidecar"; sidecar: string; action: "joined" | "left" | "draining" | "resumed" | "lag"; lag: number }
    | { type: "trigger"; trigger: string; action: string; message: string }
  );

export type { Sample, ScalingDecision };

/** What an event says that only the server can tell in full: read again, soon. */
export const RELOAD = Symbol("reload");

/** What it says at once, and that the rest is to be read soon. */
export class Again<T> {
  constructor(readonly state: T) {}
}

