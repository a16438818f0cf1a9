// A function's lines: followed as they are written, or read once for a range of the past. What arrives is gathered, so that a chatty
// function costs ten drawings a second at most.

import { useEffect, useState } from "preact/hooks";
import { streamLogs, type LogLine } from "../../api/sdk.ts";
import { jsonLines } from "@gateless/sdk/stream.ts";
import { client, problemOf, type GatelessError } from "../../api/client.ts";
import { append, type Buffer, EMPTY, MAX_LINES } from "../../logic/logbuffer.ts";

const TAIL = 500;
const FLUSH_MS = 100;
const RETRY_MS = 2000;
/** Sidecars whose lines are missing, separated by commas. */
const UNREACHABLE = "x-gateless-unreachable";

export interface Followed {
  buffer: Buffer;
  state: "connecting" | "following" | "read" | "ended";
  problem: GatelessError | undefined;
  /** What could not be read. */
  warnings: string[];
}

export interface LogFilter {
  ns: string;
  name: string;
  /** Empty: every instance. */
  instance: string;
  /** ISO times; with an end it is read once, not followed. Empty: no bound. */
  since: string;
  until: string;
}

const NONE: Followed = { buffer: EMPTY, state: "connecting", problem: undefined, warnings: [] };

/** `keep`: of so many lines, the newest. One more is asked for, so that the buffer says whether there were older ones (`dropped`). */
export function useLogs({ ns, name, instance, since, until }: LogFilter, keep = MAX_LINES): Followed & { clear(): void } {
  const [followed, setFollowed] = useState<Followed>(NONE);
  useEffect(() => {
    if (name === "") return;
    setFollowed(NONE);
    const follow = until === "";
    const abort = new AbortController();
    let waiting: LogLine[] = [];
    let timer = 0;
    let retry = 0;
    const flush = () => {
      timer = 0;
      const lines = waiting;
      waiting = [];
      setFollowed((old) => ({ ...old, buffer: append(old.buffer, lines, keep) }));
    };
    let from = since === "" ? 0 : Date.parse(since);
    /** The client gives the body alone. */
    const noting: typeof fetch = async (request) => {
      const answer = await fetch(request);
      const missing = answer.headers.get(UNREACHABLE)?.split(",") ?? [];
      setFollowed((old) => ({ ...old, warnings: missing.map((sidecar) => `${sidecar}: its lines are missing`) }));
      return answer;
    };
    const read = async () => {
      try {
        const range = { ...(from > 0 ? { since_ms: Math.floor(from) } : {}), ...(follow ? {} : { until_ms: Math.ceil(Date.parse(until)) }) };
        const query = { follow, tail: from === 0 ? TAIL : keep + 1, ...(instance === "" ? {} : { instance }), ...range };
        const body: unknown = await streamLogs({ client, path: { namespace: ns, name }, query, parseAs: "stream", signal: abort.signal, fetch: noting });
        if (follow) setFollowed((old) => ({ ...old, state: "following", problem: undefined }));
        for await (const line of jsonLines<LogLine>(body as ReadableStream<Uint8Array>)) {
          waiting.push(line);
          if (line.time) from = Math.max(from, Date.parse(line.time));
          timer ||= window.setTimeout(flush, FLUSH_MS);
        }
        if (abort.signal.aborted) return;
        if (follow) return again();
        flush();
        setFollowed((old) => ({ ...old, state: "read" }));
      } catch (error) {
        if (abort.signal.aborted) return;
        const problem = problemOf(error);
        setFollowed((old) => ({ ...old, state: "ended", problem: problem.status >= 400 && problem.status < 500 ? problem : undefined }));
        if (problem.status === 0 || problem.status >= 500) again();
      }
    };
    const again = () => {
      setFollowed((old) => ({ ...old, state: "connecting" }));
      retry = window.setTimeout(() => void read(), RETRY_MS);
    };
    void read();
    return () => {
      abort.abort();
      clearTimeout(timer);
      clearTimeout(retry);
    };
  }, [ns, name, instance, since, until, keep]);
  return { ...followed, clear: () => setFollowed((old) => ({ ...old, buffer: EMPTY })) };
}
