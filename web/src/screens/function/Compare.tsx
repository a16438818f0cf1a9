// Two revisions side by side: every setting in which they differ. Which two is in the address.

import type { Revision } from "../../api/sdk.ts";
import { Table } from "../../parts/Table.tsx";
import { diff, show } from "../../logic/diff.ts";
import { refine, useRoute } from "../../router.ts";

/** Newest first. */
export function Compare({ revisions }: { revisions: Revision[] }) {
  const { query } = useRoute();
  const [newest, before] = revisions;
  if (!newest || !before) return null;
  const of = (name: string | null, otherwise: Revision) => revisions.find((one) => one.name === name) ?? otherwise;
  // What gets calls is what a new one is compared with.
  const serving = revisions.find((one) => one.percent > 0 && one !== newest) ?? before;
  const [left, right] = [of(query.get("a"), serving), of(query.get("b"), newest)];
  const changes = diff(left.spec, right.spec);
  const choose = (which: "a" | "b", label: string, chosen: Revision) => (
    <select aria-label={label} value={chosen.name} onChange={(event) => refine({ [which]: event.currentTarget.value })}>
      {revisions.map((one) => (
        <option key={one.uid} value={one.name} selected={one === chosen}>
          {one.name} ({one.percent} %)
        </option>
      ))}
    </select>
  );
  return (
    <section class="card" aria-labelledby="compare">
      <header>
        <h2 id="compare">Side by side</h2>
        <div class="actions">
          {choose("a", "Revision on the left", left)}
          {choose("b", "Revision on the right", right)}
        </div>
      </header>
      {changes.length === 0 ? (
        <p class="nothing">{left === right ? "Choose two revisions." : "Their settings are the same."}</p>
      ) : (
        <div class="diff">
          <Table caption={`Settings in which ${left.name} and ${right.name} differ`} columns={["Setting", left.name, right.name]}>
            {changes.map((one) => (
              <tr key={one.path}>
                <th scope="row" class="mono">{one.path}</th>
                <td class="mono before">{show(one.before)}</td>
                <td class="mono after">{show(one.after)}</td>
              </tr>
            ))}
          </Table>
        </div>
      )}
    </section>
  );
}
