// The data plane: any sidecar takes a call, so one that does not answer is no reason to fail.
// Deliberately trusts the server's list only as a hint, and asks for it again after a while.

import { GatelessError, isPlatformProblem, retryAfter } from "./error.js";
import { asksAgain, isRepeatable, noAnswer, pause, sleep, type Fetch, type RetryPolicy } from "./retry.js";

const LIST_MS = 30_000;

export interface Exchange {
  method: string;
  path: string;
  headers: Headers;
  body?: BodyInit | null;
  signal?: AbortSignal | null;
  /** When nobody waits any more, in Unix milliseconds. */
  deadline?: number;
}

export class Sidecars {
  private known: string[] = [];
  private until = 0;

  constructor(
    private readonly send: Fetch,
    private readonly list: () => Promise<string[]>,
    private readonly given: string | undefined,
    private readonly policy: Required<RetryPolicy>,
  ) {}

  private async entrances(): Promise<string[]> {
    if (this.given !== undefined) return [this.given];
    if (Date.now() >= this.until || this.known.length === 0) {
      this.known = await this.list();
      this.until = Date.now() + LIST_MS;
    }
    if (this.known.length === 0) {
      throw new GatelessError(0, "no_sidecar", "the server knows no connected sidecar", {
        hint: "start one with `gateless sidecar`, or name one with the `sidecar` option",
      });
    }
    return this.known;
  }

  /**
   * What the function, or the sidecar for itself, answers. A function's own answer is returned whatever its status;
   * a problem of Gateless is thrown.
   */
  async exchange(call: Exchange): Promise<Response> {
    const streamed = call.body instanceof ReadableStream;
    const attempts = !streamed && isRepeatable(call.method, call.headers) ? this.policy.attempts : 1;
    let elsewhere = streamed ? 0 : (await this.entrances()).length - 1;
    for (let attempt = 1; ; attempt++) {
      const last = attempt >= attempts;
      let asked: number | undefined;
      try {
        const response = await this.once(call, attempt - 1);
        const body = await problemOf(response);
        if (body === undefined) return response;
        asked = retryAfter(response.headers);
        const error = GatelessError.fromAnswer(response, body);
        if (last || !asksAgain(response.status) || (asked ?? 0) > this.policy.maxMs) throw error;
      } catch (error) {
        const unanswered = error instanceof GatelessError && error.code === "unreachable";
        // Nothing was sent, so the next sidecar may have it whatever it is. Browsers don't tell, so there it is an error.
        if (unanswered && neverSent(error.cause) && elsewhere > 0) {
          elsewhere -= 1;
          continue;
        }
        if (last || !(unanswered || asked !== undefined)) throw error;
        // A sidecar that is gone will not be in the next list.
        if (unanswered) this.until = 0;
      }
      const wait = pause(attempt - 1, this.policy, asked);
      if (call.deadline !== undefined && Date.now() + wait >= call.deadline) {
        throw new GatelessError(0, "timeout", `${call.method} ${call.path}: the deadline leaves no time to try again`);
      }
      await sleep(wait, call.signal);
    }
  }

  private async once(call: Exchange, turn: number): Promise<Response> {
    const entrances = await this.entrances();
    const base = entrances[turn % entrances.length] ?? "";
    const left = call.deadline === undefined ? undefined : Math.max(1, call.deadline - Date.now());
    const headers = new Headers(call.headers);
    const signals: AbortSignal[] = [];
    if (call.signal) signals.push(call.signal);
    if (left !== undefined) {
      headers.set("x-gateless-timeout-ms", String(Math.ceil(left)));
      // Its sidecar ends the call at the deadline and says in which phase; this is for one that says nothing.
      signals.push(AbortSignal.timeout(left + 1000));
    }
    const signal = any(signals);
    const init: RequestInit & { duplex?: "half" } = { method: call.method, headers, redirect: "manual" };
    if (signal) init.signal = signal;
    if (call.body !== undefined && call.body !== null) {
      init.body = call.body;
      if (call.body instanceof ReadableStream) init.duplex = "half";
    }
    try {
      return await this.send(new Request(`${base}${call.path}`, init));
    } catch (error) {
      throw noAnswer(`${call.method} ${base}${call.path}`, error, signal);
    }
  }
}

/** Node says why a connection failed; with these reasons there was none. */
function neverSent(error: unknown): boolean {
  const code = (error as { cause?: { code?: string } } | undefined)?.cause?.code ?? "";
  return ["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"].includes(code);
}

function any(signals: AbortSignal[]): AbortSignal | undefined {
  if (signals.length < 2) return signals[0];
  const controller = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason);
    signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
  }
  return controller.signal;
}

/** The problem, if the answer is one of Gateless's own; the body of any other answer stays unread. */
async function problemOf(response: Response): Promise<unknown> {
  if (response.status < 400) return undefined;
  if (!(response.headers.get("content-type") ?? "").startsWith("application/problem+json")) return undefined;
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  if (!isPlatformProblem(body)) return undefined;
  await response.body?.cancel();
  return body;
}
