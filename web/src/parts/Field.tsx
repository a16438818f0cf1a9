// Form fields: a label, what it means, and beside it what the server said was wrong with it.

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useMemo, useState } from "preact/hooks";
import type { GatelessError } from "../api/client.ts";

interface Common {
  label: string;
  hint?: ComponentChildren;
  /** What is wrong with it. */
  error?: string | undefined;
}

export function Field({ label, hint, error, children }: Common & { children(ids: { id: string; describedBy: string | undefined }): ComponentChildren }) {
  const id = useId();
  const described = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return (
    <div class={error ? "field wrong" : "field"}>
      <label for={id}>{label}</label>
      {children({ id, describedBy: described || undefined })}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p class="error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}

interface TextProps extends Common {
  value: string;
  onChange(value: string): void;
  placeholder?: string;
  lines?: number;
  type?: "text" | "password";
  required?: boolean;
  disabled?: boolean;
  mono?: boolean;
  list?: string;
}

export function TextField({ value, onChange, placeholder, lines, type, required, disabled, mono, list, ...common }: TextProps) {
  return (
    <Field {...common}>
      {({ id, describedBy }) => {
        const props = {
          id,
          value,
          placeholder,
          required,
          disabled,
          spellcheck: false,
          autoComplete: "off",
          class: mono ? "mono" : "",
          "aria-describedby": describedBy,
          "aria-invalid": common.error ? true : undefined,
        };
        return lines ? (
          <textarea {...props} rows={lines} onInput={(event) => onChange(event.currentTarget.value)} />
        ) : (
          <input {...props} type={(type ?? "text") as "text"} list={list} onInput={(event) => onChange(event.currentTarget.value)} />
        );
      }}
    </Field>
  );
}

interface SelectProps extends Common {
  value: string;
  onChange(value: string): void;
  options: readonly (readonly [value: string, label: string])[];
  disabled?: boolean;
}

export function SelectField({ value, onChange, options, disabled, ...common }: SelectProps) {
  const drawn = useMemo(() => options.map(([key, text]) => (
    <option key={key} value={key} selected={key === value}>
      {text}
    </option>
  )), [options, value]);
  return (
    <Field {...common}>
      {({ id, describedBy }) => (
        <select id={id} value={value} disabled={disabled} aria-describedby={describedBy} onChange={(event) => onChange(event.currentTarget.value)}>
          {drawn}
        </select>
      )}
    </Field>
  );
}

interface ParsedProps<T> extends Common {
  value: T | undefined;
  write(value: T): string;
  /** undefined: it is none. */
  read(text: string): T | undefined;
  onChange(value: T | undefined): void;
  placeholder?: string;
  lines?: number;
  wrong: string;
}

/** A text that stands for something else: kept as typed while it is wrong, and taken once it is right. Empty: the default. */
export function ParsedField<T>({ value, write, read, onChange, wrong, error, ...rest }: ParsedProps<T>) {
  const [text, setText] = useState(value === undefined ? "" : write(value));
  const parsed = text.trim() === "" ? undefined : read(text);
  const bad = text.trim() !== "" && parsed === undefined;
  useLayoutEffect(() => {
    // Changed from elsewhere, as by an import.
    if (!bad && JSON.stringify(parsed) !== JSON.stringify(value)) setText(value === undefined ? "" : write(value));
  }, [value]);
  const typed = (next: string) => {
    setText(next);
    const result = next.trim() === "" ? undefined : read(next);
    if (next.trim() === "" || result !== undefined) onChange(result);
  };
  return <TextField {...rest} value={text} onChange={typed} error={bad ? wrong : error} mono />;
}

/** What the server said of a field, by its JSON pointer; lists and maps gather what is below them. */
export function errorAt(problem: GatelessError | undefined, pointer: string, below = false): string | undefined {
  const fits = (at: string) => at === pointer || (below && at.startsWith(`${pointer}/`));
  const found = problem?.errors.filter((one) => fits(one.pointer)) ?? [];
  if (found.length === 0) return undefined;
  return found.map((one) => (one.pointer === pointer ? one.detail : `${one.pointer.slice(pointer.length + 1)}: ${one.detail}`)).join("; ");
}
