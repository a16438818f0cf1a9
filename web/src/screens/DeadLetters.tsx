// Calls that failed for good, by what they died of or one by one: look, replay once the cause is gone, or purge.

import { useState } from "preact/hooks";
import { client, problemOf } from "../api/client.ts";
import { purgeDeadLetters, replayDeadLetters } from "../api/sdk.ts";
import { CallTable } from "../parts/CallTable.tsx";
import { Confirm } from "../parts/Dialog.tsx";
import { Empty, Loading, Problem, Warnings } from "../parts/basic.tsx";
import { FunctionSelect } from "../parts/FunctionSelect.tsx";
import { Page } from "../parts/Shell.tsx";
import { attempt, said } from "../parts/Toasts.tsx";
import { useSelection } from "../parts/selection.ts";
import { byFunction } from "../logic/bulk.ts";
import { plural } from "../logic/format.ts";
import { refine, type Route } from "../router.ts";
import { Groups } from "./deadLetters/Groups.tsx";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";

export function DeadLetters({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const name = route.query.get("function") || null;
  const single = route.query.get("view") === "calls";
  const calls = useLive(resources.deadLetters(ns, name));
  const functions = useLive(resources.functions(ns));
  const mayInvoke = useMay("invoke");
  const [purging, setPurging] = useState(false);
  // One that was replayed stays in the list until it is read again; it is no dead letter any more.
  const items = (calls.value?.items ?? []).filter((call) => call.state === "dead");
  const selection = useSelection(items.map((call) => call.id));
  const names = [...new Set(items.map((call) => call.function))];

  const replay = (all: boolean) =>
    attempt(async () => {
      let done = 0;
      const problems: string[] = [];
      const groups: [string, string[] | null][] = all
        ? (name ? [name] : names).map((fn) => [fn, null])
        : byFunction(items.filter((call) => selection.has(call.id)));
      for (const [fn, ids] of groups) {
        const result = await replayDeadLetters({ client, path: { namespace: ns, name: fn }, body: ids ? { ids } : {} });
        done += result.count;
        problems.push(...result.warnings.map((one) => `${one.sidecar}: ${one.detail}`));
      }
      selection.clear();
      calls.reload();
      said(`${plural(done, "dead letter")} put back into the queue`);
      if (problems.length > 0) throw problemOf(new Error(problems.join("; ")));
    });

  return (
    <Page
      name="Dead letters"
      title="Dead letters"
      lead="Calls that used up their attempts or their time. Nothing is lost until you purge it."
      actions={
        <>
          <FunctionSelect names={functions.value?.items.map((fn) => fn.name) ?? []} name={name} all />
          {mayInvoke && items.length > 0 && (
            <>
              <button type="button" class="quiet danger" onClick={() => setPurging(true)}>
                Purge all
              </button>
              {selection.size > 0 ? (
                <button type="button" class="primary" onClick={() => void replay(false)}>
                  Replay {selection.size}
                </button>
              ) : (
                <button type="button" class="primary" onClick={() => void replay(true)}>
                  Replay all
                </button>
              )}
            </>
          )}
        </>
      }
    >
      <Problem problem={calls.problem} retry={calls.reload} />
      <Warnings items={calls.value?.warnings ?? []} />
      {calls.loading && !calls.value && <Loading what="dead letters" />}
      {calls.value && items.length === 0 && (
        <Empty title="No dead letters" command={`gateless dlq ls ${name ?? "hello"}`}>
          <p>
            A call that still fails after its last attempt ends here, with every attempt on record. Find out why, then replay it. The same from the command line:
          </p>
        </Empty>
      )}
      {items.length > 0 && (
        <div class="bar">
          <div class="segments" role="group" aria-label="Shown">
            <button type="button" aria-pressed={!single} onClick={() => refine({ view: "" })}>By cause</button>
            <button type="button" aria-pressed={single} onClick={() => refine({ view: "calls" })}>One by one</button>
          </div>
          <span class="hint count">{plural(items.length, "dead letter")}</span>
        </div>
      )}
      {!single && calls.value && <Groups ns={ns} items={items} mayInvoke={mayInvoke} onChanged={calls.reload} />}
      {single && items.length > 0 && <CallTable ns={ns} items={items} selection={mayInvoke ? selection : null} showFunction={name === null} />}
      {calls.value?.next && <p class="hint more">The newest {items.length} are shown. Replay all and purge go for every one.</p>}
      {purging && (
        <Confirm
          title="Purge dead letters?"
          action="Purge"
          typed="purge"
          danger
          onClose={() => setPurging(false)}
          run={async () => {
            let done = 0;
            for (const fn of name ? [name] : names) done += (await purgeDeadLetters({ client, path: { namespace: ns, name: fn } })).count;
            calls.reload();
            said(`${plural(done, "dead letter")} purged`);
          }}
        >
          <p>Every dead letter of {name ?? names.join(", ")} is deleted, with its body. This cannot be undone.</p>
        </Confirm>
      )}
    </Page>
  );
}
