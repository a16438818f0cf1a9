// What a list of calls is narrowed by. All of it is in the address, so that what one sees can be sent to somebody else.

import type { GatelessError } from "../../api/client.ts";
import type { CallFilter } from "../../logic/callFilter.ts";
import { FunctionSelect } from "../../parts/FunctionSelect.tsx";
import { Typed } from "../../parts/Typed.tsx";
import { When } from "../../parts/When.tsx";
import { refine } from "../../router.ts";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";

const STATES = [
  ["", "All"],
  ["queued", "Queued"],
  ["running", "Running"],
  ["retrying", "Retrying"],
  ["succeeded", "Succeeded"],
  ["dead", "Dead"],
  ["cancelled", "Cancelled"],
] as const;
const STATUSES = ["2xx", "3xx", "4xx", "5xx", "500", "502", "503", "504"];

interface Props {
  filter: CallFilter;
  names: string[];
  problem: GatelessError | undefined;
}

export function Filters({ filter, names, problem }: Props) {
  const triggers = useLive(resources.triggers(filter.namespace)).value ?? [];
  const known = triggers.map((trigger) => `trigger:${trigger.name}`);
  const causes = filter.cause.startsWith("trigger:") && !known.includes(filter.cause) ? [...known, filter.cause] : known;
  const wrong = (name: string) => problem?.errors.some((one) => one.pointer === name || one.pointer === `/${name}`) || problem?.detail.startsWith(`${name} `);
  return (
    <form class="filters" role="search" aria-label="Which calls" onSubmit={(event) => event.preventDefault()}>
      <div class="segments" role="group" aria-label="State">
        {STATES.map(([key, label]) => (
          <button key={key} type="button" aria-pressed={filter.state === key} onClick={() => refine({ state: key })}>
            {label}
          </button>
        ))}
      </div>
      <FunctionSelect names={names} name={filter.name} all />
      <Typed label="Status" value={filter.status} name="status" placeholder="5xx, 503" list="call-statuses" wrong={wrong("status")} />
      <datalist id="call-statuses">{STATUSES.map((one) => <option key={one} value={one} />)}</datalist>
      <select aria-label="Cause" value={filter.cause} onChange={(event) => refine({ cause: event.currentTarget.value })}>
        <option value="">Any cause</option>
        <option value="caller">Callers</option>
        <option value="trigger">Any trigger</option>
        {causes.map((one) => (
          <option key={one} value={one} selected={one === filter.cause}>
            Trigger {one.slice("trigger:".length)}
          </option>
        ))}
      </select>
      <Typed label="Idempotency key" value={filter.key} name="key" placeholder="Idempotency key" wrong={wrong("idempotency_key")} />
      <When since={filter.since} until={filter.until} last={filter.last} />
    </form>
  );
}
