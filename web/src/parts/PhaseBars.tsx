// Where a call's time went: one row a phase, on a common scale, so that a cold start explains itself.

import { bars, type Phase } from "../logic/phases.ts";
import { millis } from "../logic/format.ts";

export function PhaseBars({ phases, total }: { phases: Phase[]; total: number }) {
  const rows = bars(phases, total);
  const end = Math.max(total, ...rows.map((row) => row.to), 0.001);
  if (rows.length === 0) return null;
  return (
    <ol class="phases" aria-label={`${millis(total)} in all`}>
      {rows.map((row) => (
        <li key={row.name} class={`phase ${row.name}${row.inside ? " inside" : ""}`}>
          <span class="what">{row.label}</span>
          <span class="lane" aria-hidden="true">
            <i style={{ left: `${(row.from / end) * 100}%`, width: `${Math.max(0.3, ((row.to - row.from) / end) * 100)}%` }} />
          </span>
          <span class="took">{millis(row.to - row.from)}</span>
        </li>
      ))}
    </ol>
  );
}
