// What makes calls besides callers: schedules, events, topics. Listed with what they did; made, changed, paused, deleted here.

import { useState } from "preact/hooks";
import { client, etag } from "../api/client.ts";
import { deleteTrigger, putTrigger, type Trigger } from "../api/sdk.ts";
import { Confirm } from "../parts/Dialog.tsx";
import { Ago, Badge, Empty, Loading, Problem, State } from "../parts/basic.tsx";
import { Icon } from "../parts/Icon.tsx";
import { useChosen } from "../parts/inAddress.ts";
import { Page } from "../parts/Shell.tsx";
import { attempt, said } from "../parts/Toasts.tsx";
import { count } from "../logic/format.ts";
import { href, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";
import { EditTrigger } from "./triggers/EditTrigger.tsx";
import { Table } from "../parts/Table.tsx";

const KINDS = { cron: "schedule", cloudevents: "CloudEvents", queue: "topic" } as const;

export function Triggers({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const triggers = useLive(resources.triggers(ns));
  const mayDeploy = useMay("deploy");
  const [deleting, setDeleting] = useState<Trigger | null>(null);
  const items = triggers.value ?? [];
  const [asked, choose] = useChosen("edit");
  const [creating, create] = useChosen("new");
  const editing = mayDeploy ? items.find((one) => one.name === asked) : undefined;
  const pause = (trigger: Trigger) =>
    attempt(async () => {
      const spec = { ...trigger.spec, paused: !trigger.spec.paused };
      const path = { namespace: ns, name: trigger.name };
      const now = await putTrigger({ client, path, body: { spec }, headers: etag(trigger.version) });
      triggers.set((all) => all.map((one) => (one.name === now.name ? now : one)));
      return `${trigger.name} is ${spec.paused ? "paused" : "on"}`;
    });
  return (
    <Page
      name="Triggers"
      title="Triggers"
      lead="Schedules, CloudEvents and topics that make async calls. Sidecars run them, without the server."
      actions={
        mayDeploy && (
          <button type="button" class="primary" onClick={() => create("trigger")}>
            <Icon name="plus" />
            Create trigger
          </button>
        )
      }
    >
      <Problem problem={triggers.problem} retry={triggers.reload} />
      {triggers.loading && !triggers.value && <Loading what="triggers" />}
      {triggers.value && items.length === 0 && (
        <Empty title="No trigger yet" command='gateless trigger set nightly --function hello --cron "0 3 * * *"'>
          <p>Make one here, or with the command line:</p>
        </Empty>
      )}
      {items.length > 0 && (
        <Table caption={`Triggers of ${ns}`} columns={["Trigger", "State", "Fires on", "Calls", "Next", "Last", ["Delivered", "num"], ["Failed", "num"], "(Actions)"]}>
          {items.map((trigger) => (
            <tr key={trigger.uid}>
              <th scope="row" class="strong">{trigger.name}</th>
              <td><Health trigger={trigger} /></td>
              <td>
                <Badge>{KINDS[trigger.spec.kind]}</Badge> <span class="mono">{sourceOf(trigger)}</span>
              </td>
              <td><a href={href("function", { ns, name: trigger.spec.function })}>{trigger.spec.function}</a></td>
              <td><Ago time={trigger.status.next_fire_at} /></td>
              <td><Ago time={trigger.status.last_fired_at} /></td>
              <td class="num">{count(trigger.status.delivered)}</td>
              <td class={trigger.status.failed > 0 ? "num bad" : "num"} title={trigger.status.last_error ?? undefined}>{count(trigger.status.failed)}</td>
              <td class="acts">
                {mayDeploy && (
                  <>
                    <button type="button" class="small" aria-label={`${trigger.spec.paused ? "Resume" : "Pause"} ${trigger.name}`} onClick={() => void pause(trigger)}>
                      {trigger.spec.paused ? "Resume" : "Pause"}
                    </button>{" "}
                    <button type="button" class="small" aria-label={`Edit ${trigger.name}`} onClick={() => choose(trigger.name)}>Edit</button>{" "}
                    <button type="button" class="small quiet danger" aria-label={`Delete ${trigger.name}`} onClick={() => setDeleting(trigger)}>Delete</button>
                  </>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {editing && <EditTrigger ns={ns} trigger={editing} onClose={() => choose("")} onDone={triggers.reload} />}
      {creating && mayDeploy && <EditTrigger ns={ns} trigger={null} onClose={() => create("")} onDone={triggers.reload} />}
      {deleting && (
        <Confirm
          title={`Delete ${deleting.name}?`}
          action="Delete trigger"
          danger
          onClose={() => setDeleting(null)}
          run={async () => {
            await deleteTrigger({ client, path: { namespace: ns, name: deleting.name }, headers: etag(deleting.version) });
            said(`${deleting.name} is deleted`);
            triggers.reload();
          }}
        >
          <p>It fires no more. Calls it has put into the queue are delivered all the same.</p>
        </Confirm>
      )}
    </Page>
  );
}

function Health({ trigger }: { trigger: Trigger }) {
  if (trigger.spec.paused) return <State tone="idle">paused</State>;
  const bad = trigger.status.conditions.find((one) => (one.type === "FunctionMissing" ? one.status === "true" : one.status === "false"));
  return (
    <span title={bad?.message}>
      <State tone={trigger.status.ready ? "ok" : bad ? "bad" : "busy"}>{bad ? bad.reason.replace(/_/g, " ") : trigger.status.ready ? "on" : "settling"}</State>
    </span>
  );
}

function sourceOf({ spec }: Trigger): string {
  if (spec.cron) return `${spec.cron.schedule}${spec.cron.timezone && spec.cron.timezone !== "UTC" ? ` ${spec.cron.timezone}` : ""}`;
  if (spec.queue) return spec.queue.topic;
  const attributes = Object.entries(spec.cloudevents?.attributes ?? {});
  return attributes.length === 0 ? "every event" : attributes.map(([key, value]) => `${key}=${value}`).join(" ");
}
