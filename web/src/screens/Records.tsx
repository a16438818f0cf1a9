// Calls on record, sync ones and attempts of async ones: which failed, waited for an instance, were slow; filters are in the address.

import { useState } from "preact/hooks";
import type { CallRecord } from "../api/sdk.ts";
import { Ago, Empty, Loading, Problem, State, Warnings, type Tone } from "../parts/basic.tsx";
import { useNames } from "../parts/FunctionSelect.tsx";
import { Rows } from "../parts/Rows.tsx";
import { Page } from "../parts/Shell.tsx";
import { Table, type Column } from "../parts/Table.tsx";
import { attempt } from "../parts/Toasts.tsx";
import { millis } from "../logic/format.ts";
import { joined } from "../logic/pages.ts";
import { isNarrowed, recordFilterOf, recordKeyOf } from "../logic/recordFilter.ts";
import { href, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { RecordFilters } from "./records/Filters.tsx";

const NONE: string[] = [];

export function Records({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const filter = recordFilterOf(ns, route.query);
  const records = useLive(resources.records(filter));
  const names = useNames(ns) ?? NONE;
  const [older, setOlder] = useState<{ of: string; items: CallRecord[]; next: string | null }>();
  const key = recordKeyOf(filter);
  const first = records.value?.items ?? [];
  const all = older?.of === key ? joined(first, older.items, resources.PAGE_ITEMS, (record) => record.id) : null;
  const items = all ?? first;
  const next = all && older ? older.next : (records.value?.next ?? null);
  const readOlder = () =>
    attempt(async () => {
      const page = await resources.readRecords(filter, next ?? undefined);
      setOlder({ of: key, items: [...items, ...page.items], next: page.next });
    });
  return (
    <Page
      name="Call records"
      title="Call records"
      lead="Calls that are over, newest first: all that failed, waited for an instance or were slow, and a share of the rest."
      actions={
        <button type="button" disabled={records.loading} onClick={records.reload}>
          Read again
        </button>
      }
    >
      <div class="bar">
        <RecordFilters filter={filter} names={names} problem={records.problem} />
      </div>
      <Problem problem={records.problem} retry={records.reload} />
      <Warnings items={records.value?.warnings ?? []} />
      {records.loading && !records.value && <Loading what="the call records" />}
      {records.value && items.length === 0 && <Nothing narrow={isNarrowed(filter)} ns={ns} />}
      {items.length > 0 && <RecordTable ns={ns} items={items} showFunction={filter.name === ""} />}
      {next !== null && (
        <p class="more">
          <button type="button" onClick={() => void readOlder()}>Older records</button>
        </p>
      )}
    </Page>
  );
}

function Nothing({ narrow, ns }: { narrow: boolean; ns: string }) {
  if (narrow) return <p class="nothing">None on record is so. <a href={href("records", { ns })}>Show all</a></p>;
  return (
    <Empty title="No call is on record" command="gateless invoke hello">
      <p>Records are kept in the memory of the sidecar that a call came in at, until others need their place.</p>
    </Empty>
  );
}

const TONES: Record<string, Tone> = { answered: "ok", failed: "bad", refused: "warn" };

export const recordTone = (state: string): Tone => TONES[state] ?? "idle";

function RecordTable({ ns, items, showFunction }: { ns: string; items: CallRecord[]; showFunction: boolean }) {
  const columns: Column[] = ["Request", "State", ...(showFunction ? ["Function"] : []), ["Took", "num"], "Kept as", "Caller", "When"];
  return (
    <Table caption="Call records, newest first" columns={columns} rows={items.length}>
      <Rows items={items} columns={columns.length} draw={(record, index) => (
        <tr key={record.id} aria-rowindex={index + 2}>
          <th scope="row" class="mono clip">
            <a data-row href={href("record", { ns, id: record.id })} title={`${record.method} ${record.path}`}>
              {record.method} {record.path}
            </a>
          </th>
          <td title={record.code ?? undefined}>
            <State tone={recordTone(record.state)}>{record.state} {record.status}</State>
          </td>
          {showFunction && <td>{record.function}</td>}
          <td class="num">{millis(record.duration_ms)}</td>
          <td>{record.kept}</td>
          <td class="clip" title={record.caller}>{record.caller}</td>
          <td><Ago time={record.arrived_at} /></td>
        </tr>
      )} />
    </Table>
  );
}
