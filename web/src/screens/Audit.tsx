// Who changed what, and what was refused. Only for reading: the server itself cannot change what is in it.

import { useState } from "preact/hooks";
import type { AuditEntry } from "../api/sdk.ts";
import { Ago, Badge, Empty, Loading, Problem } from "../parts/basic.tsx";
import { Page } from "../parts/Shell.tsx";
import { Table } from "../parts/Table.tsx";
import { attempt } from "../parts/Toasts.tsx";
import { shortId } from "../logic/format.ts";
import { joined } from "../logic/pages.ts";
import { refine, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";

const RESULTS = [
  ["", "All"],
  ["done", "Done"],
  ["refused", "Refused"],
] as const;

export function Audit({ route }: { route: Route }) {
  const result = route.query.get("result") ?? "";
  const audit = useLive(resources.audit(result));
  const [older, setOlder] = useState<{ of: string } & resources.AuditPage>();
  const first = audit.value?.items ?? [];
  const all = older?.of === result ? joined(first, older.items, resources.PAGE_ITEMS, (entry) => entry.sequence) : null;
  const more = all ? older : undefined;
  const items = all ?? first;
  const next = more ? more.next : (audit.value?.next ?? null);
  const readOlder = () =>
    attempt(async () => {
      const page = await resources.readAudit(result, next ?? undefined);
      setOlder({ of: result, items: [...items, ...page.items], next: page.next });
    });
  return (
    <Page name="Audit" title="Audit" lead="Every change and every one that was refused, newest first. Entries are chained: gateless audit verify tells when one was altered.">
      <div class="bar">
        <div class="segments" role="group" aria-label="Result">
          {RESULTS.map(([key, label]) => (
            <button key={key} type="button" aria-pressed={result === key} onClick={() => refine({ result: key })}>
              {label}
            </button>
          ))}
        </div>
      </div>
      <Problem problem={audit.problem} retry={audit.reload} />
      {audit.loading && !audit.value && <Loading what="the audit log" />}
      {audit.value && items.length === 0 && <Empty title={result === "refused" ? "Nothing was refused" : "Nothing was changed yet"} />}
      {items.length > 0 && (
        <Table caption="Audit log" columns={["When", "Who", "From", "What", "Result", "Changed"]}>
          {items.map((entry) => (
            <tr key={entry.sequence}>
              <th scope="row"><Ago time={entry.time} /></th>
              <td class="clip" title={entry.actor.token_id ?? ""}><Who entry={entry} /></td>
              <td class="mono">{entry.from ?? "–"}</td>
              <td class="mono clip" title={entry.action}>{isOwn(entry) ? entry.action : `${entry.action.split(" ")[0]} ${entry.path}`}</td>
              <td><Result entry={entry} /></td>
              <td><Changed entry={entry} /></td>
            </tr>
          ))}
        </Table>
      )}
      {next !== null && (
        <p class="more">
          <button type="button" onClick={() => void readOlder()}>Older entries</button>
        </p>
      )}
    </Page>
  );
}

/** What the server did by itself was no request. */
const isOwn = ({ path }: AuditEntry) => path === "";

function Who({ entry }: { entry: AuditEntry }) {
  const { actor } = entry;
  if (isOwn(entry)) return <>the server</>;
  if (!actor.token_id) return <span class="hint">nobody known</span>;
  return (
    <>
      {actor.description || shortId(actor.token_id)} {actor.role && <Badge>{actor.role}</Badge>}
    </>
  );
}

function Result({ entry }: { entry: AuditEntry }) {
  const { status, code, suppressed } = entry;
  if (isOwn(entry)) return <span class="hint">–</span>;
  if (status == null) return <Badge tone="warn" title="Whoever asked went away before the answer">unknown</Badge>;
  return (
    <>
      <Badge tone={status < 400 ? "ok" : "bad"}>{code ?? status}</Badge>
      {suppressed > 0 && <small> and {suppressed} more before</small>}
    </>
  );
}

function Changed({ entry: { changes, omitted } }: { entry: AuditEntry }) {
  if (changes.length === 0) return <span class="hint">–</span>;
  const [first] = changes;
  return (
    <details>
      <summary class="mono">
        {first?.pointer || first?.resource}
        {changes.length + omitted > 1 && ` and ${changes.length + omitted - 1} more`}
      </summary>
      <dl class="mono">
        {changes.map((change) => (
          <div key={change.resource + change.pointer}>
            <dt>{change.resource}{change.pointer}</dt>
            <dd>{JSON.stringify(change.before)} → {JSON.stringify(change.after)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
