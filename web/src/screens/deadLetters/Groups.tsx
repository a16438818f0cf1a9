// Dead letters by what they died of: one of a group is tried, and when it went well the others follow.

import { useState } from "preact/hooks";
import { client } from "../../api/client.ts";
import { replayDeadLetters } from "../../api/sdk.ts";
import { Ago, State, toneOf } from "../../parts/basic.tsx";
import { Table } from "../../parts/Table.tsx";
import { attempt, said } from "../../parts/Toasts.tsx";
import { byFunction } from "../../logic/bulk.ts";
import { count, plural, shortId } from "../../logic/format.ts";
import { groupsOf, type Group } from "../../logic/fingerprint.ts";
import { problemOf } from "../../api/client.ts";
import { href } from "../../router.ts";
import type { Invocation } from "../../api/sdk.ts";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";

interface Props {
  ns: string;
  items: Invocation[];
  mayInvoke: boolean;
  onChanged(): void;
}

/** Puts these back into the queue; says how many it did. */
async function replay(namespace: string, calls: Invocation[]): Promise<number> {
  let done = 0;
  const failed: string[] = [];
  for (const [name, ids] of byFunction(calls)) {
    const result = await replayDeadLetters({ client, path: { namespace, name }, body: { ids } });
    done += result.count;
    failed.push(...result.failed.map((one) => one.detail));
  }
  if (failed.length > 0) throw problemOf(new Error(`${plural(failed.length, "call")} left as they were: ${failed[0]}`));
  return done;
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
      await replay(ns, [call]);
      setTried(new Map(tried).set(group.key, { call, group }));
      onChanged();
    });
  const rest = (group: Group) =>
    attempt(async () => {
      said(`${plural(await replay(ns, group.calls), "dead letter")} put back into the queue`);
      onChanged();
    });
  if (groups.length + gone.length === 0) return null;
  return (
    <Table caption="Dead letters by what they died of" columns={["Died of", "Function", "Status", ["Calls", "num"], "Newest", "Oldest", "(Actions)"]}>
      {[...groups, ...gone].map((group) => {
        const one = tried.get(group.key);
        return (
          <tr key={group.key}>
            <th scope="row" class="wrap">
              <a data-row href={group.calls[0] ? href("call", { ns, name: group.function, id: group.calls[0].id }) : "?"}>{group.reason || "no reason on record"}</a>
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
                  <button type="button" class={one ? "small primary" : "small"} aria-label={`Replay ${group.calls.length} of ${group.reason}`} onClick={() => void rest(group)}>
                    {one ? `Replay the other ${count(group.calls.length)}` : `Replay ${count(group.calls.length)}`}
                  </button>
                </>
              )}
            </td>
          </tr>
        );
      })}
    </Table>
  );
}

/** What became of the one that was tried, as it happens. */
function Tried({ ns, call }: { ns: string; call: Invocation }) {
  const now = useLive(resources.call(ns, call.function, call.id)).value;
  const state = now?.state ?? "queued";
  return (
    <p class="tried" role="status">
      Tried <a class="mono" href={href("call", { ns, name: call.function, id: call.id })}>{shortId(call.id)}</a> <State tone={toneOf(state)}>{state}</State>
      {state === "dead" && <span class="hint">It died again.</span>}
    </p>
  );
}
