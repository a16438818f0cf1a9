// function.toml to what the API takes, by the table its documentation is made of. The TOML itself is read by smol-toml, which
// is loaded only when somebody imports. Files the document names (bundle, component) cannot be read here: they are named back.

import type { Data } from "./paths.ts";
import { isData } from "./paths.ts";
import { SETTINGS, type Setting } from "../generated/spec.ts";
import { parseCpu, parseDuration, parseSize } from "./units.ts";

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

type Kind = "text" | "number" | "flag" | "duration" | "size" | "cpu" | "list" | "command" | "ready" | "map";
type Table = Record<string, [to: string, kind: Kind]>;

/** Keys whose values have a shape of their own; every other one is of the kind the table says. */
const SHAPED: Record<string, [to: string, kind: Kind]> = {
  command: ["process.command", "command"],
  ready: ["process.ready", "ready"],
  "container.ready": ["container.ready", "ready"],
};

/** Read apart: they are lists of tables, or name files. */
const APART = ["secrets", "bundle", "component"];

/** The keys of function.toml by table ("": those without one), and of a process apart from the others. */
const { PROCESS, TOP, SECTIONS } = tables();

function tables() {
  const [process, top]: [Table, Table] = [{}, {}];
  const sections: Record<string, Table> = {};
  for (const [path, { toml, kind }] of Object.entries<Setting>(SETTINGS)) {
    if (toml === "" || APART.includes(toml)) continue;
    const [table, key] = toml.includes(".") ? (toml.split(".") as [string, string]) : ["", toml];
    const into = table !== "" ? (sections[table] ??= {}) : path.startsWith("process.") ? process : top;
    into[key] = SHAPED[toml] ?? [path, kind === "choice" ? "text" : kind === "object" ? "map" : kind];
  }
  return { PROCESS: process, TOP: top, SECTIONS: sections };
}

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
  const image = document.image !== undefined || isData(document.container);
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
    else take(component || image ? TOP : { ...TOP, ...PROCESS }, { [key]: value }, "");
  }
  if (secrets !== undefined) spec.secrets = secrets;
  spec.kind = component ? "wasm" : image ? "container" : "process";
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
  cpu: 'a number of CPUs such as "500m" or 0.5',
  list: "a list",
  command: "a text or a list of texts",
  ready: '"answer", "tcp" or a path',
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
    case "cpu":
      return parseCpu(text ?? String(number));
    case "list":
      return list;
    case "command":
      return text === undefined ? list : ["/bin/sh", "-c", text];
    case "ready":
      if (text === "answer" || text === "tcp") return { kind: text };
      return text?.startsWith("/") ? { kind: "http", path: text } : undefined;
    case "map":
      return isData(value) ? value : undefined;
  }
}
