// A call's attempts on one time line, with the time between them: what it waited, and how long.

import type { Attempt, Invocation } from "../../api/sdk.ts";
import { millis, stamp } from "../../logic/format.ts";

export function Attempts({ call }: { call: Invocation }) {
  const begin = Date.parse(call.accepted_at ?? "");
  const ends = call.attempts.map((one) => Date.parse(one.started_at ?? "") + one.duration_ms);
  const end = Math.max(Date.parse(call.finished_at ?? "") || 0, ...ends.filter(Number.isFinite), begin + 1);
  const at = (time: number) => `${Math.min(100, Math.max(0, ((time - begin) / (end - begin)) * 100))}%`;
  return (
    <section class="card" aria-labelledby="attempts">
      <header>
        <h2 id="attempts">Attempts</h2>
        {call.finished_at && <span class="hint">over after {millis(Date.parse(call.finished_at) - begin)}</span>}
        {!call.finished_at && <span class="hint count">goes on</span>}
      </header>
      {call.attempts.length === 0 && <p class="nothing">None yet.</p>}
      <ol class="attempts">
        {call.attempts.map((one) => {
          const started = Date.parse(one.started_at ?? "");
          return (
            <li key={one.number} class={tone(one)}>
              <span class="nr">{one.number}</span>
              <span class="lane" aria-hidden="true">
                {Number.isFinite(started) && <i style={{ left: at(started), width: `max(4px, ${(one.duration_ms / (end - begin)) * 100}%)` }} />}
              </span>
              <span class="what">{one.status ?? one.error ?? "under way"}</span>
              <span class="took" title={stamp(one.started_at)}>{millis(one.duration_ms)}</span>
              {one.error && one.status != null && <span class="error">{one.error}</span>}
            </li>
          );
        })}
      </ol>
    </section>
  );
}

function tone(attempt: Attempt): string {
  if (attempt.status == null) return attempt.error ? "bad" : "busy";
  return attempt.status < 400 ? "ok" : "bad";
}
