// Dead letters by what they died of: one of a group is tried, and when it went well the others follow.

import { useState } from "preact/hooks";
import { replayDeadLetters } from "../../api/sdk.ts";
import { Ago, State, toneOf } from "../../parts/basic.tsx";
import { Table } from "../../parts/Table.tsx";
import { attempt, saidOf } from "../../parts/Toasts.tsx";
import { byFunction } from "../../logic/bulk.ts";
import { count, shortId } from "../../logic/format.ts";
import { groupsOf, type Group } from "../../logic/fingerprint.ts";
import { AskReplay, PUT_BACK } from "./Asked.tsx";
import { href } from "../../router.ts";
import type { Invocation } from "../../api/sdk.ts";
import { actOnCalls } from "../../store/bulk.ts";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";

interface Props {
  ns: string;
  items: Invocation[];
  mayInvoke: boolean;
  onChanged(): void;
}

export function Groups({ ns, items, mayInvoke, onChanged }: Props) {
  /** By group: the call that was tried, and the group as it was without it. */
  const [tried, setTried] = useState<ReadonlyMap<string, { call: Invocation; group: Group }>>(new Map());
  const groups = groupsOf(items);
  // A group whose last call is being tried is still shown, for what becomes of it.
  const gone = [...tried].filter(([key]) => !groups.some((group) => group.key === key)).map(([, { group }]) => ({ ...group, calls: [] }));
  const tryOne = (group: Group) =>
    attempt(async () => {
      const [call] = group.calls;
      if (!call) return;
      const outcome = await actOnCalls(replayDeadLetters, ns, byFunction([call]));
      if (outcome.count > 0) setTried((before) => new Map(before).set(group.key, { call, group }));
      else {
        saidOf(outcome, "dead letter", PUT_BACK);
        onChanged();
      }
      // What becomes of it is told by events: the list need not be read, and lack it until it has died again.
    });
  const [rest, askFor] = useState<Group | null>(null);
  if (groups.length + gone.length === 0) return null;
  return (
    <>
      <Table caption="Dead letters by what they died of" columns={["Died of", "Function", "Status", ["Calls", "num"], "Newest", "Oldest", "(Actions)"]}>
        {[...groups, ...gone].map((group) => {
          const one = tried.get(group.key);
          const shown = group.calls[0] ?? one?.call;
          const others = one !== undefined && !group.calls.some(({ id }) => id === one.call.id);
          const died = group.reason || "no reason on record";
          return (
            <tr key={group.key}>
              <th scope="row" class="wrap">
                {shown ? <a data-row href={href("call", { ns, name: group.function, id: shown.id })}>{died}</a> : died}
                {one && <Tried ns={ns} call={one.call} />}
              </th>
              <td>{group.function}</td>
              <td>{group.status ?? "none"}</td>
              <td class="num">{count(group.calls.length)}</td>
              <td><Ago time={group.calls[0]?.accepted_at} /></td>
              <td><Ago time={group.calls.at(-1)?.accepted_at} /></td>
              <td class="acts">
                {mayInvoke && group.calls.length > 0 && (
                  <>
                    <button type="button" class="small" aria-label={`Try one of ${group.reason}`} onClick={() => void tryOne(group)}>
                      Try one
                    </button>{" "}
                    <button type="button" class={others ? "small primary" : "small"} aria-label={`Replay ${group.calls.length} of ${group.reason}`} onClick={() => askFor(group)}>
                      {others ? `Replay the other ${count(group.calls.length)}` : `Replay ${count(group.calls.length)}`}
                    </button>
                  </>
                )}
              </td>
            </tr>
          );
        })}
      </Table>
      {rest && (
        <AskReplay
          ns={ns}
          parts={byFunction(rest.calls)}
          which={`of ${rest.function} that died of the same`}
          onClose={() => askFor(null)}
          onDone={onChanged}
        />
      )}
    </>
  );
}

/** What became of the one that was tried, as it happens. */
function Tried({ ns, call }: { ns: string; call: Invocation }) {
  const now = useLive(resources.call(ns, call.function, call.id)).value;
  const state = now?.state ?? "queued";
  return (
    <p class="tried" role="status">
      Tried <a class="mono" href={href("call", { ns, name: call.function, id: call.id })}>{shortId(call.id)}</a> <State tone={toneOf(state)}>{state}</State>{" "}
      {state === "dead" && <span class="hint">It died again.</span>}
    </p>
  );
}
