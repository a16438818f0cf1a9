// function.toml to what the API takes: the same keys as docs/function-toml.md. The TOML itself is read by smol-toml, which
// is loaded only when somebody imports. Files the document names (bundle, component) cannot be read here: they are named back.

import type { Data } from "./paths.ts";
import { isData } from "./paths.ts";
import { parseDuration, parseSize } from "./units.ts";

export interface Imported {
  name: string;
  namespace: string | null;
  labels: Record<string, string>;
  spec: Data;
  /** What to upload, as the file names it. */
  upload: string | null;
  /** What has no equal here. */
  notes: string[];
}

type Kind = "text" | "number" | "flag" | "duration" | "size" | "list" | "command" | "ready" | "map";
type Table = Record<string, [to: string, kind: Kind]>;

const PROCESS: Table = {
  command: ["process.command", "command"],
  working_dir: ["process.working_dir", "text"],
  ready: ["process.ready", "ready"],
  start_timeout: ["process.start_timeout_ms", "duration"],
  stop_grace: ["process.stop_grace_ms", "duration"],
  socket_activation: ["process.socket_activation", "flag"],
  memory: ["process.memory_bytes", "size"],
};

const TOP: Table = { protocol: ["protocol", "text"], visibility: ["visibility", "text"], env: ["env", "map"] };

const numbers = (into: string, ...keys: string[]): Table =>
  Object.fromEntries(keys.map((key) => [key, [`${into}.${key}`, "number"]]));
const durations = (into: string, ...keys: string[]): Table =>
  Object.fromEntries(keys.map((key) => [key, [`${into}.${key}_ms`, "duration"]]));

const SECTIONS: Record<string, Table> = {
  limits: {
    ...durations("limits", "timeout", "response_start_timeout", "idle_timeout"),
    max_request_body: ["limits.max_request_body_bytes", "size"],
    ...numbers("limits", "container_concurrency"),
  },
  hold: { ...numbers("hold", "max_requests"), max_bytes: ["hold.max_bytes", "size"], ...durations("hold", "max_wait") },
  retries: numbers("retries", "max_attempts", "budget_percent"),
  scaling: {
    metric: ["scaling.metric", "text"],
    ...numbers("scaling", "target", "target_utilization_percent", "min_scale", "max_scale", "initial_scale"),
    ...numbers("scaling", "activation_scale", "panic_window_percent", "panic_threshold_percent"),
    ...numbers("scaling", "max_scale_up_rate", "max_scale_down_rate", "target_burst_capacity"),
    ...durations("scaling", "stable_window", "scale_down_delay", "scale_to_zero_grace", "scale_to_zero_retention"),
  },
  async: {
    ...numbers("async", "max_attempts", "max_queued", "max_in_flight"),
    ...durations("async", "backoff_base", "backoff_max", "max_age", "attempt_timeout", "result_ttl"),
    max_result: ["async.max_result_bytes", "size"],
  },
  wasm: {
    reuse: ["wasm.reuse", "flag"],
    memory: ["wasm.memory_bytes", "size"],
    cpu_time: ["wasm.cpu_time_ms", "duration"],
    max_response_body: ["wasm.max_response_body_bytes", "size"],
    allowed_hosts: ["wasm.allowed_hosts", "list"],
    ...numbers("wasm", "max_table_elements", "max_outgoing_requests"),
  },
};

/** The document as an object. Throws with the line and column of what is no TOML. */
export async function readToml(text: string): Promise<Data> {
  const { parse } = await import("smol-toml");
  return parse(text) as Data;
}

/** Throws an Error that lists everything wrong, by key. */
export function fromToml(document: Data): Imported {
  const wrong: string[] = [];
  const notes: string[] = [];
  const spec: Data = {};
  const name = typeof document.name === "string" ? document.name : "";
  if (name === "") wrong.push("name: is required");
  const component = document.component !== undefined || isData(document.wasm);
  const take = (table: Table, from: Data, prefix: string) => {
    for (const [key, value] of Object.entries(from)) {
      const known = table[key];
      if (!known) {
        wrong.push(`${prefix}${key}: is no key of function.toml`);
        continue;
      }
      const result = convert(value, known[1]);
      if (result === undefined) wrong.push(`${prefix}${key}: must be ${MUST_BE[known[1]]}`);
      else place(spec, known[0], result);
    }
  };
  const { name: _, namespace, labels, secrets, bundle, component: file, ignore, build, ...rest } = document;
  for (const [key, value] of Object.entries(rest)) {
    const section = SECTIONS[key];
    if (section && isData(value)) take(section, value, `${key}.`);
    else take(component ? TOP : { ...TOP, ...PROCESS }, { [key]: value }, "");
  }
  if (secrets !== undefined) spec.secrets = secrets;
  spec.kind = component ? "wasm" : "process";
  if (ignore !== undefined) notes.push("ignore is for `gateless deploy`, which packs folders; here you choose one file.");
  if (build !== undefined) notes.push("[build] is for `gateless deploy`, which runs it; here you upload what it made.");
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  const upload = component ? file : bundle;
  return {
    name,
    namespace: typeof namespace === "string" ? namespace : null,
    labels: isData(labels) ? (labels as Record<string, string>) : {},
    spec,
    upload: typeof upload === "string" ? upload : null,
    notes,
  };
}

function place(spec: Data, path: string, value: unknown): void {
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let at = spec;
  for (const key of keys) at = (at[key] ??= {}) as Data;
  at[last] = value;
}

const MUST_BE: Record<Kind, string> = {
  text: "a text",
  number: "a number",
  flag: "true or false",
  duration: 'a duration such as "30s"',
  size: 'a size such as "64MiB"',
  list: "a list",
  command: "a text or a list of texts",
  ready: '"tcp" or a path',
  map: "a table",
};

/** undefined: it is not what it must be. */
function convert(value: unknown, kind: Kind): unknown {
  const text = typeof value === "string" ? value : undefined;
  const number = typeof value === "number" ? value : typeof value === "bigint" ? Number(value) : undefined;
  const list = Array.isArray(value) ? value : undefined;
  switch (kind) {
    case "text":
      return text;
    case "number":
      return number;
    case "flag":
      return typeof value === "boolean" ? value : undefined;
    case "duration":
      return number === 0 ? 0 : (text ? parseDuration(text) : undefined);
    case "size":
      return number === 0 ? 0 : (text ? parseSize(text) : undefined);
    case "list":
      return list;
    case "command":
      return text === undefined ? list : ["/bin/sh", "-c", text];
    case "ready":
      if (text === "tcp") return { kind: "tcp" };
      return text?.startsWith("/") ? { kind: "http", path: text } : undefined;
    case "map":
      return isData(value) ? value : undefined;
  }
}
