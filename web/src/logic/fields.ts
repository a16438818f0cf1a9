// The fields of the form, as a table: what each is called, and which belong together. Where it lives, what it means, its range and what is
// used when it is left out come from the table every part is made of.

import { SETTINGS, type Kind, type Setting } from "../generated/spec.ts";
import { writeCpu, writeDuration, writeSize } from "./units.ts";

/** Those with a shape of their own have parts of the form to themselves. */
export type FieldKind = Exclude<Kind, "map" | "object">;

export interface SpecField {
  path: string;
  label: string;
  kind: FieldKind;
  hint: string;
  /** What is in force when it is left out. */
  fallback: string;
  options?: readonly (readonly [string, string])[];
}

export interface Section {
  title: string;
  hint: string;
  /** Shown only for these kinds of functions. */
  only?: readonly ("process" | "wasm" | "container")[];
  open?: boolean;
  fields: SpecField[];
}

interface Shown {
  /** What is said of it; left out, its meaning from the table. */
  hint?: string;
  /** What is in force when it is left out, where the table has no number for it. */
  fallback?: string;
  options?: readonly (readonly [string, string])[];
}

type Path = { [path in keyof typeof SETTINGS]: (typeof SETTINGS)[path]["kind"] extends FieldKind ? path : never }[keyof typeof SETTINGS];

function field(path: Path, label: string, shown: Shown = {}): SpecField {
  const setting: Setting & { kind: FieldKind } = SETTINGS[path];
  return { path, label, kind: setting.kind, hint: setting.text.replaceAll("`", ""), fallback: fallbackOf(setting), ...shown };
}

/** A setting's default as the form would have it written. */
export function fallbackOf({ kind, fallback, unlimited }: Setting): string {
  if (unlimited && !fallback) return "no limit";
  if (typeof fallback !== "number") return fallback === undefined ? "" : String(fallback);
  if (kind === "duration") return writeDuration(fallback);
  if (kind === "cpu") return writeCpu(fallback);
  return kind === "size" ? writeSize(fallback) : String(fallback);
}

/** Of what `access.cors` has, what cannot be left out; the rest is written as JSON. */
const ORIGINS: SpecField = {
  path: "access.cors.origins",
  label: "Sites whose pages may call it",
  kind: "list",
  hint: "CORS: https://example.com, https://*.example.com or *, separated by spaces. Methods and headers can be set as JSON.",
  fallback: "none",
};

export const SECTIONS: Section[] = [
  {
    title: "Scaling",
    hint: "Knative’s autoscaler and its defaults. What is not here can be set as JSON.",
    open: true,
    fields: [
      field("limits.container_concurrency", "Calls at once per instance", { hint: "Hard: the gate holds it whatever happens." }),
      field("scaling.target", "Target per instance", { fallback: "the hard limit, or 100" }),
      field("scaling.min_scale", "Fewest instances", { hint: "0 scales to zero." }),
      field("scaling.max_scale", "Most instances"),
      field("scaling.metric", "Counted", { options: [["concurrency", "calls in flight"], ["rps", "calls per second"]] }),
      field("scaling.initial_scale", "Instances of a new revision"),
      field("scaling.stable_window_ms", "Stable window"),
      field("scaling.scale_to_zero_grace_ms", "Grace of the last instance"),
    ],
  },
  {
    title: "Process",
    hint: "How an instance starts and stops.",
    only: ["process"],
    fields: [
      field("process.working_dir", "Working folder", { fallback: "the bundle’s root" }),
      field("process.memory_bytes", "Memory", { hint: "Address space, such as 512MiB." }),
      field("process.cpu_millicores", "CPU", { hint: "Of all its processes together, such as 500m or 0.5; a limit, no reservation." }),
      field("process.start_timeout_ms", "Time to get ready"),
      field("process.stop_grace_ms", "Time to stop"),
      field("process.socket_activation", "Pass a listening socket besides $PORT"),
    ],
  },
  {
    title: "Container",
    hint: "How an instance starts, and what it may use.",
    only: ["container"],
    open: true,
    fields: [
      field("container.port", "Port"),
      field("container.memory_bytes", "Memory", { fallback: "no limit" }),
      field("container.cpu_millicores", "CPU", { fallback: "no limit" }),
      field("container.max_processes", "Processes and threads"),
      field("container.user", "User", { fallback: "whom the image says" }),
      field("container.read_only_root", "Its files are read-only"),
      field("container.tmpfs", "Folders in memory", { hint: "Separated by spaces, such as /tmp.", fallback: "none" }),
      field("container.start_timeout_ms", "Time to get ready"),
      field("container.stop_grace_ms", "Time to stop"),
    ],
  },
  {
    title: "Liveness",
    hint: "Of an instance that says nothing: one that answers no probe is replaced.",
    only: ["process", "container"],
    fields: [
      field("liveness.path", "Path of a probe", { fallback: "OPTIONS *, or gRPC’s health check" }),
      field("liveness.period_ms", "Between two probes"),
      field("liveness.timeout_ms", "Time for an answer"),
      field("liveness.failure_threshold", "Probes without an answer"),
    ],
  },
  {
    title: "WebAssembly",
    hint: "Bounds of one instance of the component.",
    only: ["wasm"],
    open: true,
    fields: [
      field("wasm.memory_bytes", "Memory"),
      field("wasm.cpu_time_ms", "CPU time of a request"),
      field("wasm.allowed_hosts", "Hosts it may call", { hint: "Separated by spaces: HOST, HOST:PORT, *.DOMAIN.", fallback: "none" }),
      field("wasm.max_outgoing_requests", "Outgoing requests at a time"),
      field("wasm.reuse", "Use an instance for one request after another"),
    ],
  },
  {
    title: "Limits of a call",
    hint: "0 switches a limit off.",
    fields: [
      field("limits.timeout_ms", "In all", { hint: "Hold, queue, start and run." }),
      field("limits.response_start_timeout_ms", "Until the answer begins"),
      field("limits.idle_timeout_ms", "Without a byte"),
      field("limits.max_request_body_bytes", "Request body"),
    ],
  },
  {
    title: "Holding",
    hint: "Of calls that wait for an instance, per sidecar.",
    fields: [
      field("hold.max_requests", "Calls"),
      field("hold.max_bytes", "Bytes"),
      field("hold.max_wait_ms", "Wait"),
      field("retries.max_attempts", "Attempts before an answer"),
    ],
  },
  {
    title: "Access",
    hint: "What it asks of its callers. In force for all revisions as soon as it is applied.",
    fields: [
      field("access.auth", "A caller proves", { options: [["none", "nothing"], ["key", "that it has a key of the function"], ["jwt", "that it has a token of an issuer"]] }),
      field("access.allow", "Functions that may call it", { fallback: "every one" }),
      field("access.networks", "Networks it may be called from", { fallback: "anywhere" }),
      field("access.rate", "Calls a second, of all callers"),
      field("access.burst", "Of these at once"),
      field("access.caller_rate", "Calls a second, of each caller"),
      field("access.caller_burst", "Of each caller at once"),
      ORIGINS,
    ],
  },
  {
    title: "Async calls",
    hint: "Of calls to /async-function.",
    fields: [
      field("async.max_attempts", "Attempts", { hint: "Then it is a dead letter." }),
      field("async.backoff_base_ms", "First pause"),
      field("async.backoff_max_ms", "Longest pause"),
      field("async.max_age_ms", "Age"),
      field("async.attempt_timeout_ms", "One attempt"),
      field("async.result_ttl_ms", "Results are kept"),
      field("async.callback_signing", "Callbacks are signed by", { hint: "SECRET/KEY", fallback: "nobody" }),
    ],
  },
];
