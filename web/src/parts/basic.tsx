// The small things every screen is made of: states, empty lists, problems, times, copying.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { clockSkew } from "../events.ts";
import { ago, stamp } from "../logic/format.ts";
import type { GatelessError } from "../api/client.ts";
import { Icon } from "./Icon.tsx";

export type Tone = "ok" | "busy" | "warn" | "bad" | "idle";

const TONES: Record<string, Tone> = {
  ready: "ok",
  succeeded: "ok",
  delivered: "ok",
  true: "ok",
  running: "busy",
  starting: "busy",
  queued: "busy",
  pending: "busy",
  unknown: "busy",
  retrying: "warn",
  draining: "warn",
  dead: "bad",
  failed: "bad",
  false: "bad",
};

export function toneOf(state: string): Tone {
  return TONES[state] ?? "idle";
}

/** A state: never colour alone. */
export function State({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`state ${tone}`}>
      <i aria-hidden="true" />
      {children}
    </span>
  );
}

/** `count`: a number that may be old. */
export function Badge({ children, tone = "idle", title, count }: { children: ComponentChildren; tone?: Tone; title?: string; count?: boolean }) {
  return (
    <span class={`badge ${tone}${count ? " count" : ""}`} title={title}>
      {children}
    </span>
  );
}

/** Redraws once in `ms`, for what only shows how long ago something was. */
export function useNow(ms = 1000): number {
  const [now, setNow] = useState(() => Date.now() + clockSkew.value);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now() + clockSkew.value), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return now;
}

export function Ago({ time }: { time: string | null | undefined }) {
  const now = useNow(1000);
  if (!time) return <>–</>;
  return (
    <time dateTime={time} title={stamp(time)}>
      {ago(time, now)}
    </time>
  );
}

export function Problem({ problem, title, retry }: { problem: GatelessError | undefined; title?: string; retry?: () => void }) {
  if (!problem) return null;
  return (
    <div class="problem" role="alert">
      <Icon name="alert" />
      <div>
        <strong>{title ?? problem.title}</strong>
        <p>{problem.detail}</p>
        {problem.errors.length > 0 && (
          <ul>
            {problem.errors.map((one) => (
              <li key={one.pointer + one.detail}>
                <code>{one.pointer || "/"}</code> {one.detail}
              </li>
            ))}
          </ul>
        )}
        {problem.hint && <p class="hint">{problem.hint}</p>}
        <p class="code">
          <code>{problem.code}</code>
          {problem.status > 0 && ` · HTTP ${problem.status}`}
        </p>
      </div>
      {retry && (
        <button type="button" class="quiet" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** What to do when there is nothing yet. */
export function Empty({ title, children, command }: { title: string; children?: ComponentChildren; command?: string }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children && <div class="prose">{children}</div>}
      {command && <Command text={command} />}
    </div>
  );
}

export function Command({ text }: { text: string }) {
  return (
    <div class="command">
      <pre>
        <code>{text}</code>
      </pre>
      <Copy text={text} label="Copy command" />
    </div>
  );
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Pages served over plain http have no clipboard.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class="icon" aria-label={label} title={label} onClick={() => void copy()}>
      <Icon name={done ? "check" : "copy"} />
      {done && (
        <span class="sr" role="status">
          copied
        </span>
      )}
    </button>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="loading" role="status">
      Reading {what}…
    </p>
  );
}

/** A number with what it is. */
export function Figure({ label, value, note, tone }: { label: string; value: ComponentChildren; note?: string | undefined; tone?: Tone | undefined }) {
  return (
    <div class={`figure ${tone ?? ""}`}>
      <dt>{label}</dt>
      <dd>
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}

export function Warnings({ items }: { items: string[] }) {
  if (items.length === 0) return null;
  return (
    <div class="notice warn" role="status">
      <Icon name="alert" />
      <span>Not everything could be read. {items.join("; ")}</span>
    </div>
  );
}
