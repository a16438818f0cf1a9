// The form for a function's spec. The spec itself is the state, as plain data: form, JSON and import all change the same thing.

import type { GatelessError } from "../api/client.ts";
import { SECTIONS, type SpecField } from "../logic/fields.ts";
import { get, pointer, put, type Data } from "../logic/paths.ts";
import { parseCpu, parseDuration, parseSize, writeCpu, writeDuration, writeSize } from "../logic/units.ts";
import { errorAt, ParsedField, SelectField, TextField } from "./Field.tsx";

interface Props {
  spec: Data;
  onChange(spec: Data): void;
  problem: GatelessError | undefined;
}

export function SpecSections(props: Props) {
  const kind = get(props.spec, "kind");
  return (
    <>
      {SECTIONS.filter(({ only }) => !only || only.some((one) => one === kind)).map((section) => {
        const wrong = section.fields.some((field) => errorOf(field, props.problem));
        return (
          <details key={section.title} class="card section" open={section.open || wrong}>
            <summary>
              <h2>{section.title}</h2>
              <span class="hint">{section.hint}</span>
            </summary>
            <div class="row">
              {section.fields.map((field) => (
                <OneField key={field.path} field={field} {...props} />
              ))}
            </div>
          </details>
        );
      })}
    </>
  );
}

/** What is wrong with a list may be said of one of its items. */
function errorOf({ path, kind }: SpecField, problem: GatelessError | undefined): string | undefined {
  return errorAt(problem, pointer(`spec.${path}`), kind === "list");
}

const NUMBER = /^-?\d+(\.\d+)?$/;

function OneField({ field, spec, onChange, problem }: Props & { field: SpecField }) {
  const value = get(spec, field.path);
  const set = (next: unknown) => onChange(put(spec, field.path, next));
  const common = { label: field.label, hint: field.hint, error: errorOf(field, problem) };
  const placeholder = field.fallback ?? "";
  const amount = typeof value === "number" ? value : undefined;
  switch (field.kind) {
    case "text":
      return <TextField {...common} value={typeof value === "string" ? value : ""} placeholder={placeholder} onChange={(text) => set(text === "" ? undefined : text)} />;
    case "number":
      return (
        <ParsedField {...common} value={amount} placeholder={placeholder} onChange={set} write={String} wrong="Must be a number" read={(text) => (NUMBER.test(text.trim()) ? Number(text) : undefined)} />
      );
    case "duration":
      return <ParsedField {...common} value={amount} placeholder={placeholder} onChange={set} write={writeDuration} read={parseDuration} wrong='Write it as "500ms", "30s" or "5m"' />;
    case "size":
      return <ParsedField {...common} value={amount} placeholder={placeholder} onChange={set} write={writeSize} read={parseSize} wrong='Write it as "64MiB" or "1GiB"' />;
    case "cpu":
      return <ParsedField {...common} value={amount} placeholder={placeholder} onChange={set} write={writeCpu} read={parseCpu} wrong='Write it as "500m", "0.5" or "2"' />;
    case "list":
      return (
        <ParsedField
          {...common}
          value={Array.isArray(value) && value.length > 0 ? (value as string[]) : undefined}
          placeholder={placeholder}
          onChange={set}
          write={(items: string[]) => items.join(" ")}
          read={(text: string) => text.trim().split(/\s+/)}
          wrong=""
        />
      );
    case "choice":
      return <SelectField {...common} value={typeof value === "string" ? value : (field.options?.[0]?.[0] ?? "")} onChange={set} options={field.options ?? []} />;
    case "flag":
      return (
        <label class="check">
          <input type="checkbox" checked={value === true} onChange={(event) => set(event.currentTarget.checked)} />
          {field.label}
        </label>
      );
  }
}

interface MapProps {
  label: string;
  hint: string;
  value: Data;
  onChange(value: Data | undefined): void;
  error?: string | undefined;
  placeholder: string;
}

/** `NAME=value` lines, as env files have them. */
export function MapField({ value, onChange, ...rest }: MapProps) {
  return (
    <ParsedField
      {...rest}
      lines={4}
      value={Object.keys(value).length > 0 ? value : undefined}
      onChange={onChange}
      write={(map) => Object.entries(map).map(([key, text]) => `${key}=${String(text)}`).join("\n")}
      read={readMap}
      wrong="Each line is NAME=value"
    />
  );
}

function readMap(text: string): Data | undefined {
  const map: Data = {};
  for (const line of text.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const equals = line.indexOf("=");
    if (equals <= 0) return undefined;
    map[line.slice(0, equals).trim()] = line.slice(equals + 1).trim();
  }
  return map;
}
