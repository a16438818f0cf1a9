// What the function wrote while it had a call: the lines of that time, those that name the call marked.

import { useEffect, useState } from "preact/hooks";
import { client, problemOf, type GatelessError } from "../../api/client.ts";
import { streamLogs, type Invocation, type LogLine } from "../../api/sdk.ts";
import { jsonLines } from "@gateless/sdk/stream.ts";
import { Problem } from "../../parts/basic.tsx";
import { Line } from "../logs/Line.tsx";
import { parseLine } from "../../logic/logLine.ts";
import { href } from "../../router.ts";

const MAX_LINES = 300;
/** Lines that are written as the attempt ends may be a moment later. */
const SLACK_MS = 250;

export function CallLogs({ call }: { call: Invocation }) {
  const [lines, setLines] = useState<LogLine[]>();
  const [problem, setProblem] = useState<GatelessError>();
  const { namespace, function: name, id } = call;
  const [first, last] = [call.attempts[0], call.attempts.at(-1)];
  const from = Date.parse(first?.started_at ?? "") - SLACK_MS;
  const to = Date.parse(last?.started_at ?? "") + (last?.duration_ms ?? 0) + SLACK_MS;
  const over = call.finished_at != null || last?.status != null || last?.error != null;
  useEffect(() => {
    if (!Number.isFinite(from)) return;
    const abort = new AbortController();
    const read = async () => {
      try {
        const query = { since_ms: Math.floor(from), until_ms: over ? Math.ceil(to) : Date.now() + SLACK_MS, tail: MAX_LINES };
        const body: unknown = await streamLogs({ client, path: { namespace, name }, query, parseAs: "stream", signal: abort.signal });
        const all: LogLine[] = [];
        for await (const line of jsonLines<LogLine>(body as ReadableStream<Uint8Array>)) all.push(line);
        setLines(all);
        setProblem(undefined);
      } catch (error) {
        if (!abort.signal.aborted) setProblem(problemOf(error));
      }
    };
    void read();
    return () => abort.abort();
  }, [id, from, to, over]);
  if (!Number.isFinite(from)) return null;
  const range = { function: name, since: new Date(from).toISOString(), ...(over ? { until: new Date(to).toISOString() } : {}) };
  return (
    <section class="card" aria-labelledby="call-logs">
      <header>
        <h2 id="call-logs">Logs of that time</h2>
        <a href={href("logs", { ns: namespace }, range)}>Open in Logs</a>
      </header>
      <Problem problem={problem} />
      {lines?.length === 0 && <p class="nothing">The function wrote nothing while it had the call.</p>}
      {lines && lines.length > 0 && (
        <div class="lines few" role="log" tabIndex={0} aria-label="Logs of that time">
          {lines.map((line, index) => (
            <Line key={index} line={line} parsed={parseLine(line.line)} ns={namespace} words={[id]} />
          ))}
        </div>
      )}
    </section>
  );
}
