// What of the function's past can run, and which share of the calls each gets: a slider, applied only if nobody was faster.

import type { GatelessFunction } from "../../api/sdk.ts";
import { useState } from "preact/hooks";
import { client, etag, problemOf, type GatelessError } from "../../api/client.ts";
import { rollbackFunction, setTraffic, type Revision } from "../../api/sdk.ts";
import { Confirm } from "../../parts/Dialog.tsx";
import { Ago, Badge, Problem, State } from "../../parts/basic.tsx";
import { attempt, said } from "../../parts/Toasts.tsx";
import { useLive, refresh } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";
import { useMay } from "../../store/session.ts";
import { promoted, rebalance, sharesOf, targetsOf, total, type Share } from "../../logic/traffic.ts";
import { Table } from "../../parts/Table.tsx";
import { Compare } from "./Compare.tsx";

export function Revisions({ fn }: { fn: GatelessFunction }) {
  const revisions = useLive(resources.revisions(fn.namespace, fn.name));
  const mayDeploy = useMay("deploy");
  const [back, setBack] = useState<Revision | null>(null);
  const items = [...(revisions.value ?? [])].sort((a, b) => b.number - a.number);
  return (
    <>
      <TrafficCard key={JSON.stringify(fn.traffic)} fn={fn} revisions={items} editable={mayDeploy} />
      <section class="card" aria-labelledby="revisions">
        <header>
          <h2 id="revisions">Revisions</h2>
          <Badge count>{items.length}</Badge>
        </header>
        <Problem problem={revisions.problem} retry={revisions.reload} />
        {items.length > 0 && (
          <Table caption={`Revisions of ${fn.name}, newest first`} columns={["Revision", "State", ["Share", "num"], ["Instances", "num"], "Created", "(Actions)"]}>
            {items.map((revision) => (
              <tr key={revision.uid}>
                <th scope="row">
                  {revision.name}
                  {revision.tags.map((tag) => <Badge key={tag}>{tag}</Badge>)}
                </th>
                <td>{revision.ready_at ? <State tone="ok">was ready</State> : <State tone="busy">never ready</State>}</td>
                <td class="num">{revision.percent} %</td>
                <td class="num">
                  {revision.instances.ready}
                  {revision.instances.starting > 0 && <small class="inline"> +{revision.instances.starting}</small>}
                </td>
                <td><Ago time={revision.created_at} /></td>
                <td class="acts">
                  {mayDeploy && revision.ready_at && revision.percent < 100 && revision.name === fn.status.latest_ready_revision && (
                    <button type="button" class="small" onClick={() => void promote(fn)}>Promote</button>
                  )}
                  {mayDeploy && revision.ready_at && revision.percent < 100 && revision.name !== fn.status.latest_ready_revision && (
                    <button type="button" class="small" onClick={() => setBack(revision)}>Roll back to this</button>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </section>
      <Compare revisions={items} />
      {back && (
        <Confirm
          title={`Send all calls to ${back.name}?`}
          action="Roll back"
          onClose={() => setBack(null)}
          run={async () => {
            const path = { namespace: fn.namespace, name: fn.name };
            await rollbackFunction({ client, path, body: { revision: back.name }, headers: etag(fn.version) });
            said(`All calls go to ${back.name}`);
            refresh(`function ${fn.namespace}/${fn.name}`, `revisions ${fn.namespace}/${fn.name}`);
          }}
        >
          <p>
            Calls under way finish where they are. The next deployment gets no calls by itself until a target follows <code>latest</code> again.
          </p>
        </Confirm>
      )}
    </>
  );
}

/** Gives the newest revision that was ready all calls, unless somebody was faster. */
export function promote(fn: GatelessFunction): Promise<boolean> {
  return attempt(async () => {
    const path = { namespace: fn.namespace, name: fn.name };
    await setTraffic({ client, path, body: { targets: promoted(fn.traffic) }, headers: etag(fn.version) });
    refresh(`function ${fn.namespace}/${fn.name}`, `revisions ${fn.namespace}/${fn.name}`);
    return `All calls go to the latest revision of ${fn.name}`;
  });
}

const nameOf = (share: Share) => (share.latest ? "latest" : (share.revision ?? ""));

function TrafficCard({ fn, revisions, editable }: { fn: GatelessFunction; revisions: Revision[]; editable: boolean }) {
  const declared = sharesOf(fn.traffic);
  const [shares, setShares] = useState(declared);
  const [problem, setProblem] = useState<GatelessError>();
  const [busy, setBusy] = useState(false);
  const changed = JSON.stringify(targetsOf(shares)) !== JSON.stringify(targetsOf(declared));
  const others = [
    ...(shares.some((share) => share.latest) ? [] : ["latest"]),
    ...revisions.filter((one) => one.ready_at && !shares.some((share) => share.revision === one.name)).map((one) => one.name),
  ];
  const move = (index: number, percent: number) => {
    const percents = rebalance(shares.map((share) => share.percent), index, percent);
    setShares(shares.map((share, at) => ({ ...share, percent: percents[at] ?? 0 })));
  };
  const add = (name: string) => {
    const latest = name === "latest";
    setShares([...shares, { key: `new-${name}`, latest, revision: latest ? null : name, tag: null, percent: 0 }]);
  };
  const apply = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      await setTraffic({ client, path: { namespace: fn.namespace, name: fn.name }, body: { targets: targetsOf(shares) }, headers: etag(fn.version) });
      said("Traffic is set");
      refresh(`function ${fn.namespace}/${fn.name}`, `revisions ${fn.namespace}/${fn.name}`);
    } catch (error) {
      setProblem(problemOf(error));
    }
    setBusy(false);
  };
  return (
    <section class="card" aria-labelledby="traffic">
      <header>
        <h2 id="traffic">Traffic</h2>
        {editable && others.length > 0 && (
          <select aria-label="Add a revision to the split" value="" onChange={(event) => add(event.currentTarget.value)}>
            <option value="">Add a revision…</option>
            {others.map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        )}
      </header>
      <div class="split" aria-hidden="true">
        {shares.map((share, index) => share.percent > 0 && <i key={share.key} class={`part-${index % 4}`} style={{ width: `${share.percent}%` }} />)}
      </div>
      <div class="shares">
        {shares.map((share, index) => (
          <div key={share.key} class={`share part-${index % 4}`}>
            <label for={`share-${index}`}>
              {nameOf(share)}
              {share.latest && <small>{fn.status.latest_ready_revision ?? "none ready yet"}</small>}
              {share.tag && <Badge>{share.tag}</Badge>}
            </label>
            <input
              id={`share-${index}`}
              type="range"
              min={0}
              max={100}
              value={share.percent}
              disabled={!editable || shares.length < 2}
              onInput={(event) => move(index, Number(event.currentTarget.value))}
            />
            <input
              type="number"
              aria-label={`Percent to ${nameOf(share)}`}
              min={0}
              max={100}
              value={share.percent}
              disabled={!editable || shares.length < 2}
              onInput={(event) => event.currentTarget.value !== "" && move(index, Number(event.currentTarget.value))}
            />
          </div>
        ))}
      </div>
      <Problem problem={problem} title={problem?.status === 412 ? "Somebody else changed the function meanwhile" : undefined} />
      {changed && (
        <footer>
          <span class="hint">Sum {total(shares)} %. Rows at 0 without a tag are left out.</span>
          <button type="button" class="quiet" onClick={() => setShares(declared)}>Undo</button>
          <button type="button" class="primary" disabled={busy} onClick={() => void apply()}>Apply split</button>
        </footer>
      )}
    </section>
  );
}
