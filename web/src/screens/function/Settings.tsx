// A function's spec as the server has it, every default filled in, for reading. Changing it is the edit screen's business.

import type { GatelessFunction } from "../../api/sdk.ts";
import { Copy, Figure } from "../../parts/basic.tsx";
import { bytes, millis, stamp } from "../../logic/format.ts";
import { isData } from "../../logic/paths.ts";
import { OneCondition } from "./Conditions.tsx";

export function Settings({ fn }: { fn: GatelessFunction }) {
  const { kind, protocol, visibility, env, secrets, ...groups } = fn.spec;
  const json = JSON.stringify({ labels: fn.labels, spec: fn.spec }, null, 2);
  return (
    <>
      <dl class="figures">
        <Figure label="Kind" value={kind} />
        <Figure label="Protocol" value={protocol ?? "http1"} />
        <Figure label="Visibility" value={(visibility ?? "public").replace("_", " ")} />
        <Figure label="Version" value={fn.version} />
        <Figure label="Created" value={<small class="value">{stamp(fn.created_at)}</small>} />
        <Figure label="Changed" value={<small class="value">{stamp(fn.updated_at)}</small>} />
      </dl>
      <div class="columns">
        {Object.entries(groups).map(([name, group]) => isData(group) && <Group key={name} name={name} group={group} />)}
        {env && Object.keys(env).length > 0 && <Group name="env" group={env} />}
        {secrets && secrets.length > 0 && (
          <Group name="secrets" group={Object.fromEntries(secrets.map((one) => [one.env, `${one.secret}/${one.key}`]))} />
        )}
        {Object.keys(fn.labels).length > 0 && <Group name="labels" group={fn.labels} />}
      </div>
      <section class="card" aria-labelledby="conditions">
        <header>
          <h2 id="conditions">Conditions</h2>
        </header>
        {fn.status.conditions.map((condition) => (
          <OneCondition key={condition.type} condition={condition} />
        ))}
      </section>
      <details class="card">
        <summary>As JSON</summary>
        <div class="code-block">
          <pre tabIndex={0} aria-label="Spec as JSON">{json}</pre>
          <Copy text={json} label="Copy JSON" />
        </div>
      </details>
    </>
  );
}

function Group({ name, group }: { name: string; group: Record<string, unknown> }) {
  return (
    <section class="card" aria-label={name}>
      <header>
        <h2>{name}</h2>
      </header>
      <dl class="pairs">
        {flat(group).map(([key, value]) => (
          <div key={key}>
            <dt>{key.replace(/_ms$/, "").replace(/_/g, " ")}</dt>
            <dd>{write(key, value)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function flat(group: Record<string, unknown>, prefix = ""): [string, unknown][] {
  return Object.entries(group).flatMap(([key, value]): [string, unknown][] =>
    isData(value) ? flat(value, `${prefix}${key} `) : [[prefix + key, value]],
  );
}

function write(key: string, value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number" && key.endsWith("_ms")) return millis(value);
  if (typeof value === "number" && (key.endsWith("_bytes") || key.endsWith("size"))) return bytes(value);
  if (Array.isArray(value)) return value.map((word) => (/^[\w@%+=:,./-]+$/.test(String(word)) ? String(word) : JSON.stringify(word))).join(" ") || "–";
  return String(value);
}
