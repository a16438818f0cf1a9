// The fields of the form, as a table: where each lives in the spec, what it means, and what is used when it is left out.

export type FieldKind = "text" | "number" | "duration" | "size" | "flag" | "choice" | "list";

export interface SpecField {
  path: string;
  label: string;
  kind: FieldKind;
  hint?: string;
  /** What is in force when it is left out. */
  fallback?: string;
  options?: readonly (readonly [string, string])[];
}

export interface Section {
  title: string;
  hint: string;
  /** Shown only for this kind of function. */
  only?: "process" | "wasm";
  open?: boolean;
  fields: SpecField[];
}

const number = (path: string, label: string, fallback: string, hint = ""): SpecField => ({ path, label, kind: "number", fallback, hint });
const duration = (path: string, label: string, fallback: string, hint = ""): SpecField => ({ path, label, kind: "duration", fallback, hint });
const size = (path: string, label: string, fallback: string, hint = ""): SpecField => ({ path, label, kind: "size", fallback, hint });

export const SECTIONS: Section[] = [
  {
    title: "Scaling",
    hint: "Knative’s autoscaler and its defaults. What is not here can be set as JSON.",
    open: true,
    fields: [
      number("limits.container_concurrency", "Calls at once per instance", "no limit", "Hard: the gate holds it whatever happens."),
      number("scaling.target", "Target per instance", "the hard limit, or 100"),
      number("scaling.min_scale", "Fewest instances", "0", "0 scales to zero."),
      number("scaling.max_scale", "Most instances", "no limit"),
      { path: "scaling.metric", label: "Counted", kind: "choice", options: [["concurrency", "calls in flight"], ["rps", "calls per second"]] },
      number("scaling.initial_scale", "Instances of a new revision", "1"),
      duration("scaling.stable_window_ms", "Stable window", "1m"),
      duration("scaling.scale_to_zero_grace_ms", "Grace of the last instance", "30s"),
    ],
  },
  {
    title: "Process",
    hint: "How an instance starts and stops.",
    only: "process",
    fields: [
      { path: "process.working_dir", label: "Working folder", kind: "text", fallback: "the bundle’s root" },
      size("process.memory_bytes", "Memory", "no limit", "Address space, such as 512MiB."),
      duration("process.start_timeout_ms", "Time to get ready", "1m"),
      duration("process.stop_grace_ms", "Time to stop", "30s", "From SIGTERM to SIGKILL."),
      { path: "process.socket_activation", label: "Pass a listening socket besides $PORT", kind: "flag" },
    ],
  },
  {
    title: "WebAssembly",
    hint: "Bounds of one instance of the component.",
    only: "wasm",
    open: true,
    fields: [
      size("wasm.memory_bytes", "Memory", "128MiB"),
      duration("wasm.cpu_time_ms", "CPU time of a request", "10s"),
      { path: "wasm.allowed_hosts", label: "Hosts it may call", kind: "list", hint: "Separated by spaces: HOST, HOST:PORT, *.DOMAIN.", fallback: "none" },
      number("wasm.max_outgoing_requests", "Outgoing requests at a time", "32"),
      { path: "wasm.reuse", label: "Use an instance for one request after another", kind: "flag" },
    ],
  },
  {
    title: "Limits of a call",
    hint: "0 switches a limit off.",
    fields: [
      duration("limits.timeout_ms", "In all", "5m", "Hold, queue, start and run."),
      duration("limits.response_start_timeout_ms", "Until the answer begins", "5m"),
      duration("limits.idle_timeout_ms", "Without a byte", "5m"),
      size("limits.max_request_body_bytes", "Request body", "100MiB"),
    ],
  },
  {
    title: "Holding",
    hint: "Of calls that wait for an instance, per sidecar.",
    fields: [
      number("hold.max_requests", "Calls", "1000"),
      size("hold.max_bytes", "Bytes", "16MiB"),
      duration("hold.max_wait_ms", "Wait", "1m"),
      number("retries.max_attempts", "Attempts before an answer", "2"),
    ],
  },
  {
    title: "Async calls",
    hint: "Of calls to /async-function.",
    fields: [
      number("async.max_attempts", "Attempts", "5", "Then it is a dead letter."),
      duration("async.backoff_base_ms", "First pause", "1s"),
      duration("async.backoff_max_ms", "Longest pause", "1m"),
      duration("async.max_age_ms", "Age", "1h"),
      duration("async.attempt_timeout_ms", "One attempt", "5m"),
      duration("async.result_ttl_ms", "Results are kept", "1d"),
    ],
  },
];
