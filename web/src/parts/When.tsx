// Which time a list is of: live, the last so long, or a range. In the address.

import { LASTS, timeOf, toLocal } from "../logic/callFilter.ts";
import { refine } from "../router.ts";

const HOUR_MS = 3_600_000;

interface Props {
  since: string;
  until: string;
  /** Milliseconds up to now; null: no such time is chosen. Left out: the list has none to choose. */
  last?: number | null;
}

const whole = (ms: number) => new Date(Math.ceil(ms / 1000) * 1000).toISOString();

export function When({ since, until, last }: Props) {
  const ranged = since !== "" || until !== "";
  const lasts = last === undefined ? [] : LASTS;
  const chosen = ranged ? "range" : (lasts.find(([, ms]) => ms === last)?.[0] ?? "");
  const choose = (key: string) => {
    const now = Date.now();
    refine(key === "range" ? { last: "", since: whole(now - HOUR_MS), until: whole(now) } : { last: key, since: "", until: "" });
  };
  const bound = (name: "since" | "until", value: string, label: string) => (
    <input type="datetime-local" step={1} aria-label={label} value={toLocal(value)} onChange={(event) => refine({ [name]: timeOf(event.currentTarget.value) }, "replace")} />
  );
  return (
    <>
      <select aria-label="When" value={chosen} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="">Live</option>
        {lasts.map(([key, , label]) => (
          <option key={key} value={key} selected={key === chosen}>
            {label}
          </option>
        ))}
        <option value="range" selected={ranged}>Range…</option>
      </select>
      {ranged && bound("since", since, "From")}
      {ranged && bound("until", until, "To")}
    </>
  );
}
