// Calls that failed for good, by what they died of or one by one: look, replay once the cause is gone, or purge.

import { useState } from "preact/hooks";
import { CallTable } from "../parts/CallTable.tsx";
import { Empty, Loading, Problem, Warnings } from "../parts/basic.tsx";
import { FunctionSelect, useNames } from "../parts/FunctionSelect.tsx";
import { useChosen } from "../parts/inAddress.ts";
import { Page } from "../parts/Shell.tsx";
import { useSelection } from "../parts/selection.ts";
import { byFunction, type Part } from "../logic/bulk.ts";
import { plural } from "../logic/format.ts";
import { refine, type Route } from "../router.ts";
import { AskPurge, AskReplay } from "./deadLetters/Asked.tsx";
import { Groups } from "./deadLetters/Groups.tsx";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";

const NONE: string[] = [];
/** Functions; more are counted. */
const MAX_NAMED = 3;

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
  const chosen = items.filter((call) => selection.has(call.id));
  const names = name ? [name] : [...new Set(items.map((call) => call.function))];
  const every = names.map((fn): Part => [fn, null]);
  const of = names.length > MAX_NAMED ? `of ${names.length} functions` : `of ${names.join(", ")}`;
  const [replaying, replay] = useState<{ parts: Part[]; which: string } | null>(null);

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
                <button type="button" class="primary" onClick={() => replay({ parts: byFunction(chosen), which: "that are chosen" })}>
                  Replay {selection.size}
                </button>
              ) : (
                <button type="button" class="primary" onClick={() => replay({ parts: every, which: of })}>
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
      {calls.value?.next && <p class="hint more">The newest {items.length} are shown. Replay all and purge go for every one {of}.</p>}
      {purging && mayInvoke && items.length > 0 && <AskPurge ns={ns} parts={every} which={of} onClose={() => purge("")} onDone={calls.reload} />}
      {replaying && (
        <AskReplay
          ns={ns}
          parts={replaying.parts}
          which={replaying.which}
          onClose={() => replay(null)}
          onDone={() => {
            selection.clear();
            calls.reload();
          }}
        />
      )}
    </Page>
  );
}
