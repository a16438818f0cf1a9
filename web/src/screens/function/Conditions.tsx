// What the server found out about a function: quiet while all is well, and with the root cause and last log lines when not.

import type { GatelessFunction } from "../../api/sdk.ts";
import type { Condition } from "../../api/sdk.ts";
import { Ago, State, toneOf } from "../../parts/basic.tsx";

/** Of these `true` is the bad news. */
const NEGATIVE = ["FunctionMissing"];

export function isGood(condition: Condition): boolean {
  return (condition.status === "true") !== NEGATIVE.includes(condition.type);
}

export function Conditions({ fn }: { fn: GatelessFunction }) {
  const bad = fn.status.conditions.filter((condition) => !isGood(condition));
  if (bad.length === 0) return null;
  return (
    <section class="conditions" aria-label="Conditions">
      {bad.map((condition) => (
        <OneCondition key={condition.type} condition={condition} />
      ))}
    </section>
  );
}

export function OneCondition({ condition }: { condition: Condition }) {
  const tone = isGood(condition) ? "ok" : toneOf(condition.status);
  return (
    <article class={`condition ${tone}`}>
      <header>
        <State tone={tone}>
          {condition.type}: {condition.reason.replace(/_/g, " ")}
        </State>
        <Ago time={condition.last_transition_at} />
      </header>
      {condition.message && <p>{condition.message}</p>}
      {condition.last_log_lines.length > 0 && (
        <>
          <h3>Last lines it wrote</h3>
          <pre class="log" tabIndex={0} aria-label="Last log lines">
            {condition.last_log_lines.join("\n")}
          </pre>
        </>
      )}
    </article>
  );
}
