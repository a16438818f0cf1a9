// Calls that failed for good, by what they died of or one by one: look, replay once the cause is gone, or purge.

import { purgeDeadLetters, replayDeadLetters } from "../api/sdk.ts";
import { CallTable } from "../parts/CallTable.tsx";
import { Confirm } from "../parts/Dialog.tsx";
import { Empty, Loading, Problem, Warnings } from "../parts/basic.tsx";
import { FunctionSelect, useNames } from "../parts/FunctionSelect.tsx";
import { useChosen } from "../parts/inAddress.ts";
import { Page } from "../parts/Shell.tsx";
import { attempt, saidOf } from "../parts/Toasts.tsx";
import { useSelection } from "../parts/selection.ts";
import { byFunction, type Part } from "../logic/bulk.ts";
import { plural } from "../logic/format.ts";
import { refine, type Route } from "../router.ts";
import { Groups } from "./deadLetters/Groups.tsx";
import { actOnCalls } from "../store/bulk.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";

const NONE: string[] = [];

export function DeadLetters({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const name = route.query.get("function") || null;
  const single = route.query.get("view") === "calls";
  const calls = useLive(resources.deadLetters(ns, name));
  const known = useNames(ns) ?? NONE;
  const mayInvoke = useMay("invoke");
  const [purging, purge] = useChosen("purge");
  // One that was replayed stays in the list until it is read again; it is no dead letter any more.
  const items = (calls.value?.items ?? []).filter((call) => call.state === "dead");
  const selection = useSelection(items.map((call) => call.id));
  const names = name ? [name] : [...new Set(items.map((call) => call.function))];
  const every = names.map((fn): Part => [fn, null]);

  const replay = (all: boolean) =>
    attempt(async () => {
      const parts = all ? every : byFunction(items.filter((call) => selection.has(call.id)));
      const outcome = await actOnCalls(replayDeadLetters, ns, parts);
      selection.clear();
      calls.reload();
      saidOf(outcome, "dead letter", "put back into the queue");
    });

  return (
    <Page
      name="Dead letters"
      title="Dead letters"
      lead="Calls that used up their attempts or their time. Nothing is lost until you purge it."
      actions={
        <>
          <FunctionSelect names={known} name={name} all />
          {mayInvoke && items.length > 0 && (
            <>
              <button type="button" class="quiet danger" onClick={() => purge("all")}>
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
            <button type="button" aria-pressed={!single} onClick={() => refine({ view: "" })}>By error</button>
            <button type="button" aria-pressed={single} onClick={() => refine({ view: "calls" })}>One by one</button>
          </div>
          <span class="hint count">{plural(items.length, "dead letter")}</span>
        </div>
      )}
      {!single && calls.value && <Groups ns={ns} items={items} mayInvoke={mayInvoke} onChanged={calls.reload} />}
      {single && items.length > 0 && <CallTable ns={ns} items={items} selection={mayInvoke ? selection : null} showFunction={name === null} />}
      {calls.value?.next && <p class="hint more">The newest {items.length} are shown. Replay all and purge go for every one of {names.join(", ")}.</p>}
      {purging && mayInvoke && items.length > 0 && (
        <Confirm
          title="Purge dead letters?"
          action="Purge"
          typed="purge"
          danger
          onClose={() => purge("")}
          run={async () => {
            const outcome = await actOnCalls(({ client, path }) => purgeDeadLetters({ client, path }), ns, every);
            calls.reload();
            saidOf(outcome, "dead letter", "purged");
          }}
        >
          <p>Every dead letter of {names.join(", ")} is deleted, with its body. This cannot be undone.</p>
        </Confirm>
      )}
    </Page>
  );
}
