// What a list of call records is narrowed by. All of it is in the address, so that what one sees can be sent to somebody else.

import type { GatelessError } from "../../api/client.ts";
import type { RecordFilter } from "../../logic/recordFilter.ts";
import { FunctionSelect } from "../../parts/FunctionSelect.tsx";
import { Typed } from "../../parts/Typed.tsx";
import { When } from "../../parts/When.tsx";
import { refine } from "../../router.ts";

const STATES = [
  ["", "All"],
  ["answered", "Answered"],
  ["failed", "Failed"],
  ["refused", "Refused"],
] as const;
const KEPT = [
  ["", "Kept for any reason"],
  ["error", "Errors"],
  ["cold", "Cold starts"],
  ["slow", "Slow calls"],
  ["sample", "Samples"],
] as const;
const CAUSES = [
  ["", "Any cause"],
  ["direct", "Direct"],
  ["parent", "Another call"],
  ["trigger", "A trigger"],
  ["replay", "A replay"],
] as const;

interface Props {
  filter: RecordFilter;
  names: string[];
  problem: GatelessError | undefined;
}

export function RecordFilters({ filter, names, problem }: Props) {
  const wrong = (name: string) => problem?.errors.some((one) => one.pointer === name || one.pointer === `/${name}`) || problem?.detail.startsWith(`${name} `);
  return (
    <form class="filters" role="search" aria-label="Which records" onSubmit={(event) => event.preventDefault()}>
      <div class="segments" role="group" aria-label="State">
        {STATES.map(([key, label]) => (
          <button key={key} type="button" aria-pressed={filter.state === key} onClick={() => refine({ state: key })}>
            {label}
          </button>
        ))}
      </div>
      <FunctionSelect names={names} name={filter.name === "" ? null : filter.name} all />
      <Choice label="Kept as" name="kept" value={filter.kept} options={KEPT} />
      <Choice label="Cause" name="cause" value={filter.cause} options={CAUSES} />
      <Typed label="Status" value={filter.status} name="status" placeholder="5xx, 503" wrong={wrong("status")} />
      <Typed label="Caller" value={filter.caller} name="caller" placeholder="outside, key:NAME" wrong={wrong("caller")} />
      <Typed label="Took at least, milliseconds" value={filter.least} name="least" placeholder="at least, ms" wrong={wrong("min_duration_ms")} />
      <Typed label="Trace id" value={filter.trace} name="trace" placeholder="Trace id" wrong={wrong("trace")} />
      <When since={filter.since} until={filter.until} last={filter.last} />
    </form>
  );
}

interface ChoiceProps {
  label: string;
  name: string;
  value: string;
  options: readonly (readonly [key: string, label: string])[];
}

/** One of a few; what the address names besides stays chosen. */
function Choice({ label, name, value, options }: ChoiceProps) {
  const known = options.some(([key]) => key === value);
  return (
    <select aria-label={label} value={value} onChange={(event) => refine({ [name]: event.currentTarget.value })}>
      {!known && <option value={value}>{value}</option>}
      {options.map(([key, text]) => (
        <option key={key} value={key} selected={key === value}>
          {text}
        </option>
      ))}
    </select>
  );
}
