// An answer as it came: headers and body, the body readable where it can be.

import { useState } from "preact/hooks";
import { bytes } from "../logic/format.ts";
import { Copy } from "./basic.tsx";

const MAX_SHOWN = 200_000;

export function Headers({ headers }: { headers: Record<string, string> }) {
  const rows = Object.entries(headers);
  return (
    <details class="headers">
      <summary>
        Headers <small>{rows.length}</small>
      </summary>
      <dl class="pairs mono">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

/** JSON is laid out, text shown, anything else counted. */
export function Body({ text, base64, type, note }: { text: string | null; base64?: string | null; type: string; note?: string }) {
  const [raw, setRaw] = useState(false);
  const laidOut = text !== null && /\bjson\b/.test(type) ? pretty(text) : null;
  const shown = (raw || laidOut === null ? text : laidOut) ?? "";
  if (text === null) {
    const size = Math.floor(((base64 ?? "").length * 3) / 4);
    return <p class="nothing">{bytes(size)} that are no text ({type || "no content type"}).</p>;
  }
  if (text === "") return <p class="nothing">The body is empty.</p>;
  return (
    <div class="code-block">
      <div class="tools">
        {laidOut !== null && (
          <button type="button" class="small" aria-pressed={raw} onClick={() => setRaw(!raw)}>
            Raw
          </button>
        )}
        <Copy text={text} label="Copy body" />
      </div>
      <pre tabIndex={0} aria-label="Body">{shown.slice(0, MAX_SHOWN)}</pre>
      {note && <p class="hint">{note}</p>}
    </div>
  );
}

function pretty(text: string): string | null {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}
