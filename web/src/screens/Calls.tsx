// Asynchronous calls: which wait, run, are tried again, are over; live, or of a time. Many can be cancelled or replayed at once.

import { useState } from "preact/hooks";
import { cancelInvocations, replayInvocations, type Invocation } from "../api/sdk.ts";
import { CallTable } from "../parts/CallTable.tsx";
import { useNames } from "../parts/FunctionSelect.tsx";
import { Empty, Loading, Problem, Warnings } from "../parts/basic.tsx";
import { Page } from "../parts/Shell.tsx";
import { attempt, saidOf } from "../parts/Toasts.tsx";
import { useSelection } from "../parts/selection.ts";
import { plural } from "../logic/format.ts";
import { joined } from "../logic/pages.ts";
import { href, type Route } from "../router.ts";
import { actOnCalls } from "../store/bulk.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";
import { byFunction } from "../logic/bulk.ts";
import { filterOf, isNarrow, keyOf, type CallFilter } from "../logic/callFilter.ts";
import { Filters } from "./calls/Filters.tsx";

const NONE: string[] = [];

export function Calls({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const filter = filterOf(ns, route.query);
  const { name } = filter;
  const calls = useLive(resources.calls(filter));
  const names = useNames(ns) ?? NONE;
  const [older, setOlder] = useState<{ of: string; items: Invocation[]; next: string | null }>();
  const mayInvoke = useMay("invoke");
  const key = keyOf(filter);
  const first = calls.value?.items ?? [];
  const all = older?.of === key ? joined(first, older.items, resources.PAGE_ITEMS, (call) => call.id) : null;
  const more = all ? older : undefined;
  const items = all ?? first;
  const selection = useSelection(items.map((call) => call.id));
  const next = more ? more.next : (calls.value?.next ?? null);

  const act = (what: "cancel" | "replay") =>
    attempt(async () => {
      const chosen = items.filter((call) => selection.has(call.id));
      const send = what === "cancel" ? cancelInvocations : replayInvocations;
      const outcome = await actOnCalls(send, ns, byFunction(chosen));
      selection.clear();
      calls.reload();
      saidOf(outcome, "call", what === "cancel" ? "cancelled" : "put back into the queue");
    });

  const readOlder = () =>
    attempt(async () => {
      const page = await resources.readCalls(filter, next ?? undefined);
      setOlder({ of: key, items: [...items, ...page.items], next: page.next });
    });

  return (
    <Page
      name="Calls"
      title="Async calls"
      lead="Newest first. Each was on disk before its caller was answered."
    >
      <div class="bar">
        <Filters filter={filter} names={names} problem={calls.problem} />
        {mayInvoke && selection.size > 0 && (
          <div class="actions" role="group" aria-label="Selected calls">
            <span class="hint">{plural(selection.size, "call")} selected</span>
            <button type="button" onClick={() => void act("cancel")}>Cancel</button>
            <button type="button" onClick={() => void act("replay")}>Replay</button>
          </div>
        )}
      </div>
      <Problem problem={calls.problem} retry={calls.reload} />
      <Warnings items={calls.value?.warnings ?? []} />
      {calls.loading && !calls.value && <Loading what="calls" />}
      {calls.value && items.length === 0 && next === null && <Nothing filter={filter} />}
      {calls.value && items.length === 0 && next !== null && <p class="nothing">None among those looked at so far; older calls may be such.</p>}
      {items.length > 0 && <CallTable ns={ns} items={items} selection={mayInvoke ? selection : null} showFunction={name === null} />}
      {next !== null && (
        <p class="more">
          <button type="button" onClick={() => void readOlder()}>Older calls</button>
        </p>
      )}
    </Page>
  );
}

function Nothing({ filter }: { filter: CallFilter }) {
  const { state, name } = filter;
  if (isNarrow(filter)) return <p class="nothing">No call is so. <a href={href("calls", { ns: filter.namespace })}>Show all calls</a></p>;
  if (state !== "") return <p class="nothing">No call is {state} now.</p>;
  return (
    <Empty title="No async call yet" command={`gateless invoke ${name ?? "hello"} -d 'an order' --async`}>
      <p>Call a function later instead of now: it is answered 202 once the call is on disk, and delivered at least once.</p>
    </Empty>
  );
}
