// What the function wrote while it had a call: the lines of that time, those that name the call marked. Followed as long as it has it.

import type { Invocation } from "../../api/sdk.ts";
import { Problem, Warnings } from "../../parts/basic.tsx";
import { Line } from "../logs/Line.tsx";
import { useLogs } from "../logs/follow.ts";
import { href } from "../../router.ts";

const MAX_LINES = 300;
/** Lines that are written as the attempt ends may be a moment later. */
export const SLACK_MS = 250;

export function CallLogs({ call }: { call: Invocation }) {
  const [first, last] = [call.attempts[0], call.attempts.at(-1)];
  const from = Date.parse(first?.started_at ?? "") - SLACK_MS;
  const to = Date.parse(last?.started_at ?? "") + (last?.duration_ms ?? 0) + SLACK_MS;
  if (!Number.isFinite(from)) return null;
  const over = call.finished_at != null || last?.status != null || last?.error != null;
  const time = (ms: number) => new Date(ms).toISOString();
  const { namespace: ns, function: name, id } = call;
  return <LogsOf ns={ns} name={name} words={[id]} since={time(from)} until={over ? time(to) : ""} />;
}

interface Props {
  ns: string;
  name: string;
  /** Marked in the lines. */
  words: string[];
  since: string;
  /** Empty: they are followed. */
  until: string;
}

export function LogsOf({ ns, name, words, since, until }: Props) {
  const { buffer, state, problem, warnings } = useLogs({ ns, name, instance: "", since, until }, MAX_LINES);
  const { lines } = buffer;
  const nothing = { read: "The function wrote nothing while it had the call.", following: "The function has written nothing yet.", connecting: "Reading…", ended: "" }[state];
  return (
    <section class="card" aria-labelledby="call-logs">
      <header>
        <h2 id="call-logs">Logs of that time</h2>
        <a href={href("logs", { ns }, { function: name, since, until })}>Open in Logs</a>
      </header>
      <Problem problem={problem} />
      <Warnings items={warnings} />
      {buffer.dropped > 0 && <p class="hint">The last {MAX_LINES} lines; there are older ones in Logs.</p>}
      {lines.length === 0 && nothing !== "" && <p class="nothing">{nothing}</p>}
      {lines.length > 0 && (
        <div class="lines few" role="log" tabIndex={0} aria-label="Logs of that time">
          {lines.map(({ line, parsed, key }) => (
            <Line key={key} line={line} parsed={parsed} ns={ns} words={words} />
          ))}
        </div>
      )}
    </section>
  );
}
