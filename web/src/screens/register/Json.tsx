// The draft as JSON, for pasting and for what the form has no field for. While it is no JSON it changes nothing.

import { useState } from "preact/hooks";
import { TextField } from "../../parts/Field.tsx";
import { isData, type Data } from "../../logic/paths.ts";
import type { Draft } from "./draft.ts";

interface Props {
  draft: Draft;
  onChange(draft: Draft): void;
  onWrong(wrong: boolean): void;
}

export function Json({ draft, onChange, onWrong }: Props) {
  const [text, setText] = useState(() => JSON.stringify({ labels: draft.labels, spec: draft.spec }, null, 2));
  const [error, setError] = useState<string>();
  const typed = (next: string) => {
    setText(next);
    const wrong = check(next);
    setError(wrong);
    onWrong(wrong !== undefined);
    if (wrong === undefined) {
      const value = JSON.parse(next) as { labels?: Record<string, string>; spec: Data };
      onChange({ ...draft, labels: value.labels ?? {}, spec: value.spec });
    }
  };
  return (
    <div class="card">
      <TextField label="Function as JSON" hint="What PUT /v1/namespaces/…/functions/… takes." value={text} onChange={typed} lines={26} mono error={error} />
    </div>
  );
}

function check(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isData(value) && isData(value.spec) ? undefined : 'Must be an object with a "spec"';
  } catch (error) {
    return error instanceof Error ? error.message : "No JSON";
  }
}
