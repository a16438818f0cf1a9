// When a request is sent again: never unless a second one can do no harm, and only so often.
// Deliberately no circuit breaker and no hedging.

import { GatelessError, retryAfter } from "./error.js";

/** How often and how patiently. */
export interface RetryPolicy {
  /** Attempts in all; 1: no retries. Default 4. */
  attempts?: number;
  /** The first pause's upper bound, doubled from one to the next. Default 100 ms. */
  baseMs?: number;
  /** No pause is longer, `retry-after` included: a request told to wait longer fails. Default 10 s. */
  maxMs?: number;
  /** How long an answer may take to begin, per attempt. Default 60 s. */
  timeoutMs?: number;
}

export type Fetch = (input: Request) => Promise<Response>;

const HARMLESS = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** True when sending it twice has no more effect than sending it once. */
export function isRepeatable(method: string, headers: Headers): boolean {
  return HARMLESS.has(method.toUpperCase()) || headers.has("idempotency-key");
}

/** True for an answer that asks to try again. */
export function asksAgain(status: number): boolean {
  return status === 429 || status === 503;
}

/** Full jitter: anywhere between nothing and the bound, so that clients that failed together don't return together. */
export function pause(attempt: number, policy: Required<RetryPolicy>, asked?: number): number {
  const bound = Math.min(policy.maxMs, policy.baseMs * 2 ** attempt);
  return (asked ?? 0) + Math.random() * bound;
}

export function complete(policy: RetryPolicy = {}): Required<RetryPolicy> {
  return {
    attempts: Math.max(1, policy.attempts ?? 4),
    baseMs: policy.baseMs ?? 100,
    maxMs: policy.maxMs ?? 10_000,
    timeoutMs: policy.timeoutMs ?? 60_000,
  };
}

/** Resolves after `ms`, or throws when `signal` aborts. */
export function sleep(ms: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(noAnswer("request", signal.reason, signal));
    const stop = () => {
      clearTimeout(timer);
      reject(noAnswer("request", signal?.reason, signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** The error of a request without an answer. */
export function noAnswer(what: string, error: unknown, signal?: AbortSignal | null): GatelessError {
  if (error instanceof GatelessError) return error;
  const reason: unknown = signal?.aborted ? signal.reason : error;
  if (reason instanceof GatelessError) return reason;
  const name = (reason as { name?: string } | undefined)?.name;
  if (name === "TimeoutError") return new GatelessError(0, "timeout", `${what}: no answer in time`, { cause: error });
  if (signal?.aborted) return new GatelessError(0, "aborted", `${what}: called off`, { cause: reason });
  const cause = (error as { cause?: { message?: string } } | undefined)?.cause?.message;
  const said = cause ?? (error instanceof Error ? error.message : String(error));
  return new GatelessError(0, "unreachable", `${what}: ${said}`, {
    cause: error,
    hint: "is it running, and is this its address?",
  });
}

/**
 * `send` that tries repeatable requests again. The bodies it keeps for that are small documents; uploads
 * (`application/octet-stream`) pass through once, unread.
 */
export function retrying(send: Fetch, given?: RetryPolicy): Fetch {
  const policy = complete(given);
  return async (request) => {
    const upload = request.headers.get("content-type") === "application/octet-stream";
    const attempts = !upload && isRepeatable(request.method, request.headers) ? policy.attempts : 1;
    for (let attempt = 1; ; attempt++) {
      const last = attempt >= attempts;
      const what = `${request.method} ${request.url}`;
      let asked: number | undefined;
      try {
        const response = await begin(send, last ? request : request.clone(), policy.timeoutMs);
        asked = retryAfter(response.headers);
        if (last || !asksAgain(response.status) || (asked ?? 0) > policy.maxMs) return response;
        await response.body?.cancel();
      } catch (error) {
        if (last || request.signal.aborted) throw noAnswer(what, error, request.signal);
      }
      await sleep(pause(attempt - 1, policy, asked), request.signal);
    }
  };
}

/** Bounds the time until the answer begins, not how long a stream goes on. */
async function begin(send: Fetch, request: Request, timeoutMs: number): Promise<Response> {
  const controller = new AbortController();
  const forward = () => controller.abort(request.signal.reason);
  if (request.signal.aborted) forward();
  request.signal.addEventListener("abort", forward, { once: true });
  const timer = setTimeout(() => {
    controller.abort(new DOMException("no answer in time", "TimeoutError"));
  }, timeoutMs);
  try {
    return await send(new Request(request, { signal: controller.signal }));
  } catch (error) {
    throw noAnswer(`${request.method} ${request.url}`, error, controller.signal);
  } finally {
    clearTimeout(timer);
  }
}
