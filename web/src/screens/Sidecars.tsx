// The platform at a glance: who is there, who owns what, who is behind; and the way to empty a host.

import { useState } from "preact/hooks";
import { client } from "../api/client.ts";
import { drainSidecar, deleteSidecar, resumeSidecar, type Sidecar } from "../api/sdk.ts";
import { Confirm } from "../parts/Dialog.tsx";
import { Ago, Copy, Empty, Loading, Problem, State } from "../parts/basic.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Page } from "../parts/Shell.tsx";
import { keptCatalogue, stateOf, Topology } from "../parts/Topology.tsx";
import { attempt, said } from "../parts/Toasts.tsx";
import { count, plural } from "../logic/format.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";
import { Table } from "../parts/Table.tsx";

/** How far process functions are kept apart there. */
function isolation(reason: string | undefined): string {
  return { sandboxed: "sandbox", parts_missing: "partial", switched_off: "none" }[reason ?? ""] ?? "unknown";
}

export function Sidecars() {
  const sidecars = useLive(resources.sidecars());
  const mayDrain = useMay("cluster");
  const [lit, setLit] = useState<string | null>(null);
  const [draining, setDraining] = useState<Sidecar | null>(null);
  const [removing, setRemoving] = useState<Sidecar | null>(null);
  // Those long gone are told of in the table only.
  const items = [...(sidecars.value ?? [])].sort((a, b) => Number(b.connected) - Number(a.connected) || a.id.localeCompare(b.id));
  const replace = (answer: Sidecar) => sidecars.set((all) => all.map((one) => (one.id === answer.id ? { ...one, draining: answer.draining } : one)));
  return (
    <Page
      name="Sidecars"
      title="Sidecars"
      counted
      lead={sidecars.value ? `${plural(items.filter((one) => one.connected).length, "sidecar")} connected. Any of them is an entrance for any function.` : undefined}
    >
      <Problem problem={sidecars.problem} retry={sidecars.reload} />
      {sidecars.loading && !sidecars.value && <Loading what="sidecars" />}
      {sidecars.value && items.length === 0 && (
        <Empty title="No sidecar has connected yet" command="gateless sidecar --server https://SERVER:7781 --join-token-file join-token">
          <p>A server alone only keeps the catalogue. Start a sidecar on each host that shall run functions:</p>
        </Empty>
      )}
      {items.length > 0 && <Topology sidecars={items} highlighted={lit} onHighlight={setLit} />}
      {items.length > 0 && (
        <Table caption="Sidecars" columns={["Sidecar", "State", "Isolation", "Entrance", ["Owns", "num"], ["Instances", "num"], ["Held", "num"], ["Queued", "num"], "Connected", "Version", "(Actions)"]}>
          {items.map((one) => {
            const state = stateOf(one);
            const isolated = one.conditions.find((condition) => condition.type === "Isolated");
            return (
              <tr key={one.id} class={lit === one.id ? "lit" : ""} onMouseEnter={() => setLit(one.id)} onMouseLeave={() => setLit(null)}>
                <th scope="row" class="mono">{one.id}</th>
                <td title={keptCatalogue(one)}><State tone={state.tone}>{state.text}</State></td>
                <td title={isolated?.message}>{isolation(isolated?.reason)}</td>
                <td class="mono">
                  {one.public_url} <Copy text={one.public_url} label={`Copy the address of ${one.id}`} />
                </td>
                <td class="num">{count(one.owns.length)}</td>
                <td class="num">{count(one.instances)}</td>
                <td class="num">{count(one.held)}</td>
                <td class="num">{count(one.async_queued)}</td>
                <td><Ago time={one.connected ? one.connected_at : one.last_seen_at} /></td>
                <td>{one.version}</td>
                <td class="acts">
                  {mayDrain && one.draining && (
                    <button
                      type="button"
                      class="small"
                      aria-label={`Resume ${one.id}`}
                      onClick={() =>
                        void attempt(async () => {
                          replace(await resumeSidecar({ client, path: { id: one.id } }));
                          return `${one.id} runs instances again`;
                        })
                      }
                    >
                      Resume
                    </button>
                  )}
                  {mayDrain && !one.draining && (
                    <button type="button" class="small" aria-label={`Drain ${one.id}`} disabled={!one.connected} onClick={() => setDraining(one)}>
                      Drain
                    </button>
                  )}
                  {mayDrain && !one.connected && (
                    <button type="button" class="small quiet danger" aria-label={`Remove ${one.id}`} onClick={() => setRemoving(one)}>
                      Remove
                    </button>
                  )}
                </td>
              </tr>
            );
          })}
        </Table>
      )}
      {items.some((one) => one.rejections.length > 0) && <Rejections sidecars={items} />}
      {draining && (
        <Confirm
          title={`Drain ${draining.id}?`}
          action="Drain"
          onClose={() => setDraining(null)}
          run={async () => {
            replace(await drainSidecar({ client, path: { id: draining.id } }));
            said(`${draining.id} is draining`);
          }}
        >
          <p>It starts no instances, and gives up those it has as soon as others have as many ready. Calls through it go on being routed, and none is lost.</p>
          {items.filter((one) => one.connected && !one.draining).length < 2 && <p>No other sidecar is there to take over: its instances stay until one is.</p>}
        </Confirm>
      )}
      {removing && (
        <Confirm
          title={`Remove ${removing.id} for good?`}
          action="Remove"
          danger
          onClose={() => setRemoving(null)}
          run={async () => {
            await deleteSidecar({ client, path: { id: removing.id } });
            said(`${removing.id} is removed`);
            sidecars.reload();
          }}
        >
          <p>For a host whose disk is lost: its queued calls and their results are given up, and it never joins again under this id.</p>
        </Confirm>
      )}
    </Page>
  );
}

function Rejections({ sidecars }: { sidecars: Sidecar[] }) {
  return (
    <section class="card spaced" aria-labelledby="rejections">
      <header>
        <h2 id="rejections">Refused resources</h2>
        <span class="hint">The last good ones stay in force.</span>
      </header>
      {sidecars.flatMap((one) =>
        one.rejections.map((rejection) => (
          <p key={`${one.id} ${rejection.resource}`} class="notice warn">
            <Icon name="alert" />
            <span>
              <code>{one.id}</code> refused <code>{rejection.resource}</code>: {rejection.reason}
            </span>
          </p>
        )),
      )}
    </section>
  );
}
