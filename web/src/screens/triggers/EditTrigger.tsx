// A trigger's form: what fires it, and the call that is made then.

import { useState } from "preact/hooks";
import { client, etag, problemOf, type GatelessError } from "../../api/client.ts";
import { putTrigger, type Trigger, type TriggerSpec } from "../../api/sdk.ts";
import { Dialog } from "../../parts/Dialog.tsx";
import { Problem } from "../../parts/basic.tsx";
import { errorAt, SelectField, TextField } from "../../parts/Field.tsx";
import { MapField } from "../../parts/SpecForm.tsx";
import { said } from "../../parts/Toasts.tsx";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";

const KINDS = [
  ["cron", "A schedule"],
  ["cloudevents", "CloudEvents sent to any sidecar"],
  ["queue", "Messages on a topic"],
] as const;
const METHODS = ["POST", "GET", "PUT", "PATCH", "DELETE", "HEAD"].map((one) => [one, one] as const);
const CATCH_UP = [
  ["last", "Make up for the last of them"],
  ["none", "Let them go"],
] as const;

const OVERLAP = [
  ["allow", "Run beside it"],
  ["skip", "Leave the time out"],
  ["queue", "Wait until it is over"],
] as const;

interface Props {
  ns: string;
  /** null: a new one. */
  trigger: Trigger | null;
  onClose(): void;
  onDone(): void;
}

type Cron = NonNullable<TriggerSpec["cron"]>;

export function EditTrigger({ ns, trigger, onClose, onDone }: Props) {
  const functions = useLive(resources.functions(ns));
  const [name, setName] = useState(trigger?.name ?? "");
  const [spec, setSpec] = useState<TriggerSpec>(trigger?.spec ?? { kind: "cron", function: "", cron: { schedule: "" } });
  const [problem, setProblem] = useState<GatelessError>();
  const change = (part: Partial<TriggerSpec>) => setSpec({ ...spec, ...part });
  const cron: Cron = spec.cron ?? { schedule: "" };
  const changeCron = (part: Partial<Cron>) => change({ cron: { ...cron, ...part } });
  const submit = async (event: Event) => {
    event.preventDefault();
    const { cron, cloudevents, queue, ...rest } = spec;
    // Only the chosen kind's object; those of others would be refused.
    const of = { cron: { cron: cron ?? { schedule: "" } }, cloudevents: { cloudevents: cloudevents ?? {} }, queue: { queue: queue ?? { topic: "" } } };
    try {
      const headers = trigger ? etag(trigger.version) : { "If-None-Match": "*" };
      await putTrigger({ client, path: { namespace: ns, name }, body: { spec: { ...rest, ...of[spec.kind] } }, headers });
      said(trigger ? `${name} is changed` : `${name} is created`);
      onDone();
      onClose();
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  return (
    <Dialog title={trigger ? `Edit ${trigger.name}` : "Create a trigger"} onClose={onClose} wide guarded>
      <form onSubmit={(event) => void submit(event)}>
        <div class="row">
          {!trigger && <TextField label="Name" value={name} onChange={setName} required placeholder="nightly" error={errorAt(problem, "name")} />}
          <TextField label="Function" value={spec.function} onChange={(value) => change({ function: value })} required list="trigger-functions" error={errorAt(problem, "/spec/function")} />
          <datalist id="trigger-functions">{functions.value?.items.map((fn) => <option key={fn.name} value={fn.name} />)}</datalist>
          <SelectField label="Fires on" value={spec.kind} onChange={(kind) => change({ kind: kind as TriggerSpec["kind"] })} options={KINDS} />
        </div>
        {spec.kind === "cron" && (
          <>
            <div class="row">
              <TextField label="Schedule" value={cron.schedule} onChange={(schedule) => changeCron({ schedule })} required mono placeholder="0 3 * * *" hint="Minute, hour, day, month, weekday; with six fields, seconds first." error={errorAt(problem, "/spec/cron/schedule")} />
              <TextField label="Time zone" value={cron.timezone ?? ""} onChange={(timezone) => changeCron({ timezone: timezone || "UTC" })} placeholder="UTC" hint="As in Europe/Berlin." error={errorAt(problem, "/spec/cron/timezone")} />
              <SelectField label="Missed times" value={cron.catch_up ?? "last"} onChange={(catch_up) => changeCron({ catch_up: catch_up as "none" | "last" })} options={CATCH_UP} />
              <SelectField label="While the last run goes on" value={cron.overlap ?? "allow"} onChange={(overlap) => changeCron({ overlap: overlap as "allow" | "skip" | "queue" })} options={OVERLAP} />
            </div>
            <TextField label="Body" value={cron.body ?? ""} onChange={(body) => changeCron({ body })} lines={3} mono error={errorAt(problem, "/spec/cron/body")} />
          </>
        )}
        {spec.kind === "cloudevents" && (
          <MapField
            label="Attributes"
            hint="One name=value a line; an event must have all of them. None: every event of the namespace."
            value={spec.cloudevents?.attributes ?? {}}
            onChange={(attributes) => change({ cloudevents: { attributes: (attributes ?? {}) as Record<string, string> } })}
            placeholder="type=order.created"
            error={errorAt(problem, "/spec/cloudevents/attributes", true)}
          />
        )}
        {spec.kind === "queue" && (
          <TextField label="Topic" value={spec.queue?.topic ?? ""} onChange={(topic) => change({ queue: { topic } })} required placeholder="orders" hint={<>Send to <code>/_gateless/topics/{spec.queue?.topic || "TOPIC"}.{ns}</code> of any sidecar.</>} error={errorAt(problem, "/spec/queue/topic")} />
        )}
        <div class="row">
          <SelectField label="Method" value={spec.method ?? "POST"} onChange={(method) => change({ method })} options={METHODS} error={errorAt(problem, "/spec/method")} />
          <TextField label="Path" value={spec.path ?? ""} onChange={(path) => change({ path: path || "/" })} placeholder="/" mono error={errorAt(problem, "/spec/path")} />
        </div>
        <label class="check">
          <input type="checkbox" checked={spec.paused ?? false} onChange={(event) => change({ paused: event.currentTarget.checked })} />
          Paused: nothing is fired, and nothing of that time made up for
        </label>
        <Problem problem={problem} />
        <footer>
          <button type="button" class="quiet" onClick={onClose}>Cancel</button>
          <button type="submit" class="primary">{trigger ? "Save" : "Create"}</button>
        </footer>
      </form>
    </Dialog>
  );
}
