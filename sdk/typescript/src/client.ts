// The client people make: the generated operations configured, and the few things around them that need more than one request.
// Deliberately not a method per operation: those are the generated functions, called with `client`.

import { Call } from "./call.js";
import { GatelessError } from "./error.js";
import { createClient, createConfig, type Client } from "./generated/client/index.js";
import { applyFunction, listSidecars, streamLogs, waitForFunction } from "./generated/sdk.gen.js";
import type { ApplyRequest, GatelessFunction, LogLine, StreamLogsData } from "./types.js";
import { complete, noAnswer, retrying, sleep, type Fetch, type RetryPolicy } from "./retry.js";
import { Sidecars } from "./sidecars.js";
import { jsonLines, serverEvents, type ServerEvent } from "./stream.js";

export interface Options {
  /** The management API, as http://127.0.0.1:7780; in a page the server serves, the empty string. */
  url: string;
  /** A token; without one the browser's session cookie is used. */
  token?: string;
  /** Default: `default`. */
  namespace?: string;
  /** A sidecar's public URL; without one the server is asked for them. */
  sidecar?: string;
  retry?: RetryPolicy;
  /** Another `fetch`, for tests and proxies. */
  fetch?: Fetch;
}

export interface InvokeOptions {
  /** Default: POST when there is a body, else GET. */
  method?: string;
  /** Path and query below the function. Default `/`. */
  path?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  /** From now to the last byte; after it the call ends wherever it is. */
  deadlineMs?: number;
  /** Says that calling twice does no harm, and lets sidecars drop a second async call. */
  idempotencyKey?: string;
  namespace?: string;
  signal?: AbortSignal;
}

export interface AsyncOptions extends Omit<InvokeOptions, "deadlineMs"> {
  /** Where to send the answer. */
  callbackUrl?: string;
}

export interface EventOptions {
  /** Only of this namespace; null: of all the token is good for. Default: the client's. */
  namespace?: string | null;
  types?: string[];
  function?: string;
  /** Go on after this one. */
  lastEventId?: string;
  signal?: AbortSignal;
}

export class Gateless {
  /** For the generated operations: `listFunctions({ client: gateless.client, path: { namespace } })`. */
  readonly client: Client;
  readonly namespace: string;
  private readonly policy: Required<RetryPolicy>;
  private readonly sidecars: Sidecars;

  constructor(options: Options) {
    const send: Fetch = options.fetch ?? ((request) => globalThis.fetch(request));
    this.namespace = options.namespace ?? "default";
    this.policy = complete(options.retry);
    const { token } = options;
    this.client = createClient(
      createConfig({
        baseUrl: trimmed(options.url),
        auth: token === undefined ? undefined : () => token,
        fetch: retrying(send, this.policy) as typeof globalThis.fetch,
        throwOnError: true,
        responseStyle: "data",
      }),
    );
    this.client.interceptors.request.use((request) => {
      // The server answers a repeated POST with the first one's answer, if it can tell.
      if (request.method === "POST" && !request.headers.has("idempotency-key")) {
        request.headers.set("idempotency-key", randomId());
      }
      return request;
    });
    this.client.interceptors.error.use((error, response) => GatelessError.fromAnswer(response, error));
    const given = options.sidecar === undefined ? undefined : trimmed(options.sidecar);
    this.sidecars = new Sidecars(send, () => this.entrances(), given, this.policy);
  }

  private async entrances(): Promise<string[]> {
    const { items } = await listSidecars({ client: this.client, query: { limit: 1000 } });
    return items.filter((sidecar) => sidecar.connected).map((sidecar) => trimmed(sidecar.public_url));
  }

  /** Creates a function, or makes it what is asked. `version` is that of the function last seen: 412 when it has changed. */
  async apply(name: string, request: ApplyRequest, options: { version?: number; namespace?: string } = {}): Promise<GatelessFunction> {
    const headers = options.version === undefined ? {} : { "If-Match": `"${options.version}"` };
    const namespace = options.namespace ?? this.namespace;
    return applyFunction({ client: this.client, path: { namespace, name }, body: request, headers });
  }

  /** Waits until the newest revision of a function is ready. Throws `wait_timeout`, whose detail says what is the matter. */
  async waitReady(
    name: string,
    options: { timeoutMs?: number; namespace?: string; signal?: AbortSignal } = {},
  ): Promise<GatelessFunction> {
    const deadline = Date.now() + (options.timeoutMs ?? 60_000);
    const path = { namespace: options.namespace ?? this.namespace, name };
    for (;;) {
      const left = Math.max(0, deadline - Date.now());
      // In parts, each well below the time an answer may take to begin.
      const timeout_ms = Math.min(left, Math.ceil(this.policy.timeoutMs / 2));
      try {
        const query = { condition: "ready" as const, timeout_ms };
        return (await waitForFunction({ client: this.client, path, query, signal: options.signal ?? null })) as GatelessFunction;
      } catch (error) {
        const again = error instanceof GatelessError && error.code === "wait_timeout" && Date.now() < deadline;
        if (!again) throw error;
      }
    }
  }

  /** Calls a function through a sidecar. Its answer is returned whatever the status; only problems of Gateless are thrown. */
  async invoke(name: string, options: InvokeOptions = {}): Promise<Response> {
    const deadline = options.deadlineMs === undefined ? undefined : Date.now() + options.deadlineMs;
    return this.sidecars.exchange({ ...this.callOf("function", name, options), deadline });
  }

  /** Queues a call. When this returns, the call is on disk. */
  async invokeAsync(name: string, options: AsyncOptions = {}): Promise<Call> {
    const call = this.callOf("async-function", name, { idempotencyKey: randomId(), ...options });
    if (options.callbackUrl !== undefined) call.headers.set("x-callback-url", options.callbackUrl);
    const response = await this.sidecars.exchange(call);
    const text = await response.text();
    if (response.status !== 202) throw GatelessError.fromAnswer(response, text);
    const { id, token } = JSON.parse(text) as { id: string; token: string };
    return this.call(id, token);
  }

  /** A call queued earlier, by its id and the token that reads it. */
  call(id: string, token: string): Call {
    return new Call(id, token, (path, signal) =>
      this.sidecars.exchange({ method: "GET", path, headers: new Headers({ "x-call-token": token }), signal: signal ?? null }),
    );
  }

  private callOf(kind: string, name: string, options: InvokeOptions) {
    const namespace = options.namespace ?? this.namespace;
    const below = options.path ?? "/";
    const slash = below.startsWith("/") || below.startsWith("?") ? "" : "/";
    const headers = new Headers(options.headers);
    if (options.idempotencyKey !== undefined) headers.set("idempotency-key", options.idempotencyKey);
    return {
      method: (options.method ?? (options.body == null ? "GET" : "POST")).toUpperCase(),
      path: `/${kind}/${encodeURIComponent(name)}.${encodeURIComponent(namespace)}${slash}${below}`,
      headers,
      body: options.body ?? null,
      signal: options.signal ?? null,
    };
  }

  /** A function's log lines; with `follow` until the loop is left or `signal` aborts. */
  async *logs(
    name: string,
    options: NonNullable<StreamLogsData["query"]> & { namespace?: string; signal?: AbortSignal } = {},
  ): AsyncGenerator<LogLine> {
    const { namespace = this.namespace, signal, ...query } = options;
    const path = { namespace, name };
    const body: unknown = await streamLogs({ client: this.client, path, query, parseAs: "stream", signal: signal ?? null });
    yield* jsonLines<LogLine>(body as ReadableStream<Uint8Array>);
  }

  /**
   * What happens, as it happens. Goes on after the last event when the connection breaks, as often as the retry policy
   * allows without an event in between; `reset` says that events were missed.
   */
  async *events<T = Record<string, unknown>>(options: EventOptions = {}): AsyncGenerator<ServerEvent<T>> {
    const namespace = options.namespace === undefined ? this.namespace : options.namespace;
    const url = namespace === null ? "/v1/events" : `/v1/namespaces/${encodeURIComponent(namespace)}/events`;
    const query = { types: options.types?.join(","), function: options.function };
    let lastEventId = options.lastEventId;
    for (let failures = 0; failures < this.policy.attempts; failures++) {
      try {
        const body: unknown = await this.client.get({
          url,
          query,
          headers: { accept: "text/event-stream", "last-event-id": lastEventId },
          security: [{ scheme: "bearer", type: "http" }],
          parseAs: "stream",
          signal: options.signal ?? null,
        });
        for await (const event of serverEvents<T>(body as ReadableStream<Uint8Array>)) {
          failures = 0;
          lastEventId = event.id ?? lastEventId;
          yield event;
        }
      } catch (error) {
        if (options.signal?.aborted) return;
        // An answer that is a problem stays one; a connection that broke is taken up again.
        if (error instanceof GatelessError) throw error;
        if (failures + 1 >= this.policy.attempts) throw noAnswer(`GET ${url}`, error, options.signal);
      }
      await sleep(this.policy.baseMs * Math.random(), options.signal).catch(() => undefined);
      if (options.signal?.aborted) return;
    }
    throw new GatelessError(0, "unreachable", `GET ${url}: the stream ended ${this.policy.attempts} times without an event`);
  }
}

function trimmed(url: string): string {
  return url.replace(/\/+$/, "");
}

/** `crypto.randomUUID` is missing from pages served over plain http. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
