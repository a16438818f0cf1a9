// The form's first part, what most functions need: the program, its environment, its secrets. The rest is a table of fields.

import type { GatelessError } from "../../api/client.ts";
import { MapField, SpecSections } from "../../parts/SpecForm.tsx";
import { errorAt, ParsedField, SelectField, TextField } from "../../parts/Field.tsx";
import { Upload, type Uploaded } from "../../parts/Upload.tsx";
import { bytes } from "../../logic/format.ts";
import { get, isData, put, type Data } from "../../logic/paths.ts";
import { readWords, writeWords } from "../../logic/words.ts";
import type { Draft } from "./draft.ts";

interface Props {
  ns: string;
  draft: Draft;
  onChange(draft: Draft): void;
  problem: GatelessError | undefined;
}

const KINDS = [
  ["process", "A process that serves HTTP on $PORT"],
  ["wasm", "A WebAssembly component"],
  ["container", "A container image"],
] as const;
const VISIBILITY = [
  ["public", "Anybody who reaches a sidecar"],
  ["cluster_only", "Other functions only"],
] as const;
const PROTOCOLS = [
  ["http1", "HTTP/1.1"],
  ["h2c", "HTTP/2 in clear, for gRPC"],
] as const;

const READY = [
  ["answer", "it answers a request, whatever the status"],
  ["http", "a path answers 2xx or 3xx"],
  ["tcp", "its port accepts a connection"],
] as const;

export function Form({ ns, draft, onChange, problem }: Props) {
  const { spec } = draft;
  const set = (next: Data) => onChange({ ...draft, spec: next });
  const kind = String(get(spec, "kind") ?? "process");
  const error = (path: string, below = false) => errorAt(problem, `/spec/${path.replace(/\./g, "/")}`, below);
  const choose = (next: string) => {
    // The other kind's object would be refused.
    const { process: _, wasm: __, container: ___, ...rest } = spec;
    set({ ...rest, kind: next, [next]: spec[next] ?? (next === "process" ? { command: [] } : {}) });
  };
  return (
    <>
      <div class="card">
        <div class="row">
          <SelectField label="Kind" value={kind} onChange={choose} options={KINDS} error={error("kind")} />
          <SelectField label="May be called by" value={String(spec.visibility ?? "public")} onChange={(value) => set(put(spec, "visibility", value))} options={VISIBILITY} error={error("visibility")} />
          {kind !== "wasm" && <SelectField label="Speaks" value={String(spec.protocol ?? "http1")} onChange={(value) => set(put(spec, "protocol", value))} options={PROTOCOLS} error={error("protocol")} />}
        </div>
        {kind === "process" && <Program ns={ns} spec={spec} onChange={set} error={error} />}
        {kind === "wasm" && <Component ns={ns} spec={spec} onChange={set} error={error} />}
        {kind === "container" && <Image spec={spec} onChange={set} error={error} />}
      </div>
      <div class="card">
        <div class="row">
          <MapField label="Environment" hint="One NAME=value a line." value={isData(spec.env) ? spec.env : {}} onChange={(env) => set(put(spec, "env", env))} error={error("env", true)} placeholder="QUALITY=80" />
          <Secrets spec={spec} onChange={set} error={error("secrets", true)} />
          <MapField label="Labels" hint="One key=value a line." value={draft.labels} onChange={(labels) => onChange({ ...draft, labels: (labels ?? {}) as Record<string, string> })} error={errorAt(problem, "/labels", true)} placeholder="team=images" />
        </div>
      </div>
      <SpecSections spec={spec} onChange={set} problem={problem} />
    </>
  );
}

interface PartProps {
  ns: string;
  spec: Data;
  onChange(spec: Data): void;
  error(path: string, below?: boolean): string | undefined;
}

function Program({ ns, spec, onChange, error }: PartProps) {
  const bundle = get(spec, "process.bundle");
  const command = get(spec, "process.command");
  const words = Array.isArray(command) && command.length > 0 ? (command as string[]) : undefined;
  const uploaded = ({ name, sha256, size, format }: Uploaded) => {
    const next = put(spec, "process.bundle", { sha256, size, format: format === "tar.gz" ? "tar.gz" : "executable" });
    onChange(format === "executable" && !words ? put(next, "process.command", [`./${name}`]) : next);
  };
  return (
    <>
      <Upload
        namespace={ns}
        label="Bundle"
        hint="A .tar.gz, or one executable file. Without one, the command is a program on the hosts."
        current={isData(bundle) ? describe(bundle) : undefined}
        onUploaded={uploaded}
        onRemove={() => onChange(put(spec, "process.bundle", undefined))}
      />
      {error("process.bundle", true) && <p class="error">{error("process.bundle", true)}</p>}
      <div class="row two-thirds">
        <ParsedField
          label="Command"
          hint="Program and arguments; quotes as in a shell. It must listen on 127.0.0.1:$PORT."
          value={words}
          write={writeWords}
          read={readWords}
          wrong="A quote is not closed"
          onChange={(next) => onChange(put(spec, "process.command", next ?? []))}
          placeholder="python3 main.py"
          error={error("process.command", true)}
        />
        <Ready path="process.ready" spec={spec} onChange={onChange} error={error("process.ready", true)} />
      </div>
    </>
  );
}

function Image({ spec, onChange, error }: Omit<PartProps, "ns">) {
  const words = (path: string) => {
    const value = get(spec, path);
    return Array.isArray(value) && value.length > 0 ? (value as string[]) : undefined;
  };
  const list = (path: string, label: string, hint: string) => (
    <ParsedField label={label} hint={hint} value={words(path)} write={writeWords} read={readWords} wrong="A quote is not closed" onChange={(next) => onChange(put(spec, path, next))} error={error(path, true)} />
  );
  return (
    <>
      <div class="row two-thirds">
        <TextField label="Image" value={String(get(spec, "container.image") ?? "")} onChange={(image) => onChange(put(spec, "container.image", image))} mono error={error("container.image")} />
        <Ready path="container.ready" spec={spec} onChange={onChange} error={error("container.ready", true)} />
      </div>
      <div class="row">
        {list("container.command", "Program", "In place of the image's entry point; quotes as in a shell.")}
        {list("container.args", "Arguments", "In place of the image's.")}
      </div>
    </>
  );
}

function Ready({ path, spec, onChange, error }: { path: "process.ready" | "container.ready"; spec: Data; onChange(spec: Data): void; error: string | undefined }) {
  const ready = get(spec, path);
  const kind = isData(ready) ? String(ready.kind) : "answer";
  const set = (next: Data | undefined) => onChange(put(spec, path, next));
  return (
    <div class="row">
      <SelectField label="Ready when" value={kind} onChange={(next) => set(next === "answer" ? undefined : next === "http" ? { kind: next, path: "/" } : { kind: next })} options={READY} error={kind === "http" ? undefined : error} />
      {kind === "http" && isData(ready) && <TextField label="Path" value={String(ready.path ?? "")} onChange={(asked) => set({ ...ready, path: asked })} mono error={error} />}
    </div>
  );
}

function Component({ ns, spec, onChange, error }: PartProps) {
  const component = get(spec, "wasm.component");
  return (
    <>
      <Upload
        namespace={ns}
        label="Component"
        hint="A .wasm that exports wasi:http/incoming-handler."
        current={isData(component) ? describe(component) : undefined}
        onUploaded={({ sha256, size }) => onChange(put(spec, "wasm.component", { sha256, size }))}
      />
      {error("wasm.component", true) && <p class="error">{error("wasm.component", true)}</p>}
    </>
  );
}

function describe(artifact: Data): string {
  const size = typeof artifact.size === "number" && artifact.size > 0 ? `, ${bytes(artifact.size)}` : "";
  const format = typeof artifact.format === "string" ? `${artifact.format}, ` : "";
  return `${format}sha256 ${String(artifact.sha256).slice(0, 12)}…${size}`;
}

/** `VARIABLE=secret/key` lines. */
function Secrets({ spec, onChange, error }: { spec: Data; onChange(spec: Data): void; error: string | undefined }) {
  const list = Array.isArray(spec.secrets) && spec.secrets.length > 0 ? (spec.secrets as Data[]) : undefined;
  return (
    <ParsedField
      label="Variables from secrets"
      hint="One NAME=secret/key a line."
      lines={4}
      value={list}
      write={(all) => all.map((one) => `${String(one.env)}=${String(one.secret)}/${String(one.key)}`).join("\n")}
      read={readSecrets}
      wrong="Each line is NAME=secret/key"
      onChange={(secrets) => onChange(put(spec, "secrets", secrets))}
      placeholder="STORE_KEY=store/key"
      error={error}
    />
  );
}

function readSecrets(text: string): Data[] | undefined {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  const parts = lines.map((line) => /^([^=\s]+)\s*=\s*([^/\s]+)\/(\S+)$/.exec(line));
  return parts.every((part) => part !== null) ? parts.map((part) => ({ env: part[1], secret: part[2], key: part[3] })) : undefined;
}
