// Short notes of what was done. Said to screen readers; gone by themselves, unless they are problems.

import { notApplied, problemOf, type GatelessError } from "../api/client.ts";
import { signal } from "@preact/signals";
import { wordsOf, type Outcome } from "../logic/bulk.ts";
import { Icon } from "./Icon.tsx";

interface Toast {
  id: number;
  text: string;
  detail?: string | undefined;
  bad: boolean;
}

const SHOWN_MS = 4000;
const MAX_SHOWN = 4;
const toasts = signal<Toast[]>([]);
let count = 0;

const dismiss = (id: number) => (toasts.value = toasts.value.filter((toast) => toast.id !== id));

function add(toast: Omit<Toast, "id">): void {
  const id = ++count;
  toasts.value = [...toasts.value, { id, ...toast }].slice(-MAX_SHOWN);
  if (!toast.bad) setTimeout(() => dismiss(id), SHOWN_MS);
}

export function said(text: string): void {
  add({ text, bad: false });
}

export function complained(problem: GatelessError): void {
  add({ text: problem.detail, detail: problem.hint, bad: true });
}

notApplied.on(({ behind, away }) => {
  const text = `Not applied yet at ${[...behind, ...away].join(", ")}`;
  add({ text, detail: away.length > 0 ? "Who is away goes on as it last knew." : "Until it is, all is as before there.", bad: true });
});

/** Runs an action of a button; what goes wrong is shown. Returns whether it went well. */
export async function attempt(action: () => Promise<string | void>): Promise<boolean> {
  try {
    const text = await action();
    if (text) said(text);
    return true;
  } catch (error) {
    complained(problemOf(error));
    return false;
  }
}

/** What came of many calls: what was done, and what was not. */
export function saidOf(outcome: Outcome, noun: string, done: string): void {
  const { said: text, problem } = wordsOf(outcome, noun, done);
  if (text !== null) said(text);
  if (problem !== null) add({ text: problem, bad: true });
}

export function Toasts() {
  const shown = toasts.value;
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} class={toast.bad ? "toast bad" : "toast"}>
          <Icon name={toast.bad ? "alert" : "check"} />
          <div>
            {toast.text}
            {toast.detail && <p class="hint">{toast.detail}</p>}
          </div>
          <button type="button" class="icon" aria-label="Dismiss" onClick={() => dismiss(toast.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
