// A queued call: how it is, and its answer once there is one.
// Deliberately polls: sidecars tell the state of a call when asked, and a pause of half a second at most is soon enough.

import { GatelessError } from "./error.js";
import { sleep } from "./retry.js";

/** An async call as any sidecar tells of it. */
export interface CallStatus {
  id: string;
  namespace: string;
  function: string;
  state: "queued" | "running" | "retrying" | "succeeded" | "dead" | "cancelled";
  method: string;
  path: string;
  accepted_at: string | null;
  finished_at: string | null;
  next_attempt_at: string | null;
  attempts: { number: number; started_at: string | null; duration_ms: number; status: number | null; error: string | null }[];
  /** The function's status. */
  status: number | null;
  /** Why it is dead or cancelled. */
  reason: string | null;
  callback_state: string | null;
  body_bytes: number;
  result_bytes: number;
  node_id: string;
}

export interface ResultOptions {
  /** How long to wait for the call to finish; the call itself goes on. Default 5 minutes. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

const POLL_MS = { first: 20, last: 500 };

/** A call that was accepted: it is on disk, and is delivered at least once. */
export class Call {
  constructor(
    readonly id: string,
    /** Reads its state and result: whoever has it may. A secret, as the id is not. */
    readonly token: string,
    private readonly get: (path: string, signal?: AbortSignal) => Promise<Response>,
  ) {}

  /** How it is now. */
  async status(signal?: AbortSignal): Promise<CallStatus> {
    const response = await this.get(`/_gateless/calls/${encodeURIComponent(this.id)}`, signal);
    return (await response.json()) as CallStatus;
  }

  /**
   * Waits for the function's answer. Throws `call_dead`, `call_cancelled`, or `timeout`; after a timeout it can be asked again.
   */
  async result(options: ResultOptions = {}): Promise<Response> {
    const timeoutMs = options.timeoutMs ?? 300_000;
    const deadline = Date.now() + timeoutMs;
    for (let wait = POLL_MS.first; ; wait = Math.min(wait * 2, POLL_MS.last)) {
      const { state, reason } = await this.status(options.signal);
      if (state === "succeeded") break;
      if (state === "dead" || state === "cancelled") {
        throw new GatelessError(0, `call_${state}`, `call ${this.id} is ${state}: ${reason ?? "no reason given"}`, {
          hint: "its attempts say more; a dead letter can be replayed",
        });
      }
      const left = deadline - Date.now();
      if (left <= 0) {
        throw new GatelessError(0, "timeout", `call ${this.id} is still ${state} after ${timeoutMs} ms`, {
          hint: "it goes on; ask for its result again later",
        });
      }
      await sleep(Math.min(wait, left), options.signal);
    }
    const answer = await this.get(`/_gateless/calls/${encodeURIComponent(this.id)}/result`, options.signal);
    return asAnswered(answer);
  }
}

/** A result carries the function's status in a header: make it the status again. */
async function asAnswered(answer: Response): Promise<Response> {
  const status = Number(answer.headers.get("x-function-status") ?? 200);
  const bodiless = status === 204 || status === 205 || status === 304;
  await (bodiless ? answer.body?.cancel() : undefined);
  return new Response(bodiless ? null : answer.body, { status, headers: answer.headers });
}
