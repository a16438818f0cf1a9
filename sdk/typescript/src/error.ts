// What every call throws: a problem (RFC 9457) the server or a sidecar answered, or the reason there was no answer.
// Deliberately one class: programs branch on `code`, which is stable, not on types.

import type { FieldError } from "./generated/types.gen.js";

/** The fields of a problem that may be left out. */
export interface ProblemDetails {
  title?: string;
  hint?: string | null;
  errors?: FieldError[];
  retryAfterMs?: number;
  cause?: unknown;
}

/**
 * A failed request. Codes beside the server's and the sidecars' own: `unreachable`, `timeout`, `aborted` (there was no answer),
 * `http` (the answer was no problem document), `call_dead` and `call_cancelled` (an async call ended so), `no_sidecar`.
 */
export class GatelessError extends Error {
  override readonly name = "GatelessError";
  /** HTTP status; 0: there was no answer. */
  readonly status: number;
  /** What is the matter, for programs; stable. */
  readonly code: string;
  /** The status in words. */
  readonly title: string;
  /** What is the matter, for people. */
  readonly detail: string;
  /** The way out, if there is one to name. */
  readonly hint: string | undefined;
  /** What is wrong in the request, all at once. */
  readonly errors: FieldError[];
  /** What `retry-after` asked for. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, code: string, detail: string, more: ProblemDetails = {}) {
    super(`${code}: ${detail}`, more.cause === undefined ? undefined : { cause: more.cause });
    this.status = status;
    this.code = code;
    this.title = more.title ?? code;
    this.detail = detail;
    this.hint = more.hint ?? undefined;
    this.errors = more.errors ?? [];
    this.retryAfterMs = more.retryAfterMs;
  }

  /** The error an answer stands for. `body` is its parsed JSON or its text. */
  static fromAnswer(response: Response, body: unknown): GatelessError {
    const retryAfterMs = retryAfter(response.headers);
    if (isProblem(body)) {
      const { title, hint, errors } = body;
      return new GatelessError(response.status, body.code, body.detail ?? body.code, { title, hint, errors, retryAfterMs });
    }
    const text = typeof body === "string" ? body : JSON.stringify(body ?? "");
    return new GatelessError(response.status, "http", text.slice(0, 500) || `HTTP ${response.status}`, {
      title: response.statusText || `HTTP ${response.status}`,
      retryAfterMs,
    });
  }
}

interface ProblemLike extends ProblemDetails {
  type?: string;
  code: string;
  detail?: string;
}

function isProblem(body: unknown): body is ProblemLike {
  return typeof body === "object" && body !== null && typeof (body as ProblemLike).code === "string";
}

/** True for a problem of Gateless's own; a function may answer problems, too, and those are its answer. */
export function isPlatformProblem(body: unknown): boolean {
  return isProblem(body) && (body.type ?? "").startsWith("urn:gateless:problem:");
}

/** `retry-after` in milliseconds: seconds or a date. */
export function retryAfter(headers: Headers, now: number = Date.now()): number | undefined {
  const value = headers.get("retry-after");
  if (value === null) return undefined;
  const seconds = Number(value);
  const ms = Number.isNaN(seconds) ? Date.parse(value) - now : seconds * 1000;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
