// The page's one event stream. The browser's EventSource resumes by Last-Event-ID; what it gives up on is opened anew here.
// The server leaves out what the session may not see. Events are handed on in batches, so that a busy second costs one drawing and not a thousand.

import { client, problemOf } from "./api/client.ts";
import { getSession } from "./api/sdk.ts";
import { signal } from "@preact/signals";
import { listeners } from "./store/listeners.ts";
import { session } from "./store/session.ts";
import type { ServerEvent } from "./store/event.ts";

export type Connection = "off" | "connecting" | "live" | "lost";

export const connection = signal<Connection>("off");

/** Since when the page shows what was, in milliseconds; null: it shows what is. */
export const staleSince = signal<number | null>(null);

/** Batches of events, in order. */
export const batches = listeners<ServerEvent[]>();

/** What is known must be read anew: events were missed. */
export const resets = listeners<void>();

/** How far the server's clock is ahead of this one, in milliseconds. */
export const clockSkew = signal(0);

const TYPES = ["hello", "reset", "function", "sample", "decision", "instance", "call", "sidecar", "trigger"];
const BATCH_MS = 100;
/** Past it the page is too slow for the events and reads anew instead. */
const MAX_BATCH = 5000;
/** A tab nobody looks at lets go: browsers give one origin few connections, and the server observes sidecars for listeners. */
const HIDDEN_MS = 60_000;
/** After a broken stream, before each question who one is. */
const ASK_MS = [0, 200, 500];
const RETRY_MS = [500, 1000, 2000, 5000, 10_000];

let source: EventSource | null = null;
let waiting: ServerEvent[] = [];
let timer = 0;
let retry = 0;
let failures = 0;

function flush(): void {
  timer = 0;
  const batch = waiting;
  waiting = [];
  if (batch.length > MAX_BATCH) resets.emit();
  else if (batch.length > 0) batches.emit(batch);
}

function heard(event: ServerEvent): void {
  if (event.type === "hello") {
    clockSkew.value = Date.parse(event.time) - Date.now();
    // A greeting means that the stream begins here: whatever was read before may have missed something.
    resets.emit();
    return;
  }
  if (event.type === "reset") {
    waiting = [];
    resets.emit();
    return;
  }
  if (waiting.length <= MAX_BATCH) waiting.push(event);
  timer ||= window.setTimeout(flush, BATCH_MS);
}

function open(): void {
  if (!session.value) return;
  connection.value = failures === 0 ? "connecting" : "lost";
  const opened = new EventSource("/v1/events");
  source = opened;
  opened.onopen = () => {
    failures = 0;
    connection.value = "live";
    staleSince.value = null;
  };
  opened.onerror = () => {
    connection.value = "lost";
    staleSince.value ??= Date.now();
    if (source !== opened) return;
    // The server ends the stream with the session: this finds out at once, before the browser has tried again.
    void askWhoItIs(opened);
    // The browser tries again by itself unless the answer was no stream.
    if (opened.readyState !== EventSource.CLOSED) return;
    const delay = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 10_000;
    failures += 1;
    retry = window.setTimeout(open, delay * (0.5 + Math.random() / 2));
  };
  for (const type of TYPES) {
    opened.addEventListener(type, (message) => {
      const event = parse((message as MessageEvent<string>).data);
      if (event) heard(event);
    });
  }
}

/** Finds out whether the session has ended; the connection that broke may take the question with it, so it is asked again. */
async function askWhoItIs(opened: EventSource): Promise<void> {
  for (const wait of ASK_MS) {
    await new Promise((done) => setTimeout(done, wait));
    if (source !== opened || connection.value === "live") return;
    const answered = await getSession({ client }).then(
      () => true,
      (error: unknown) => problemOf(error).status > 0,
    );
    if (answered) return;
  }
}

function parse(data: string): ServerEvent | null {
  try {
    return JSON.parse(data) as ServerEvent;
  } catch {
    return null;
  }
}

function close(): void {
  source?.close();
  source = null;
  clearTimeout(retry);
  clearTimeout(timer);
  [waiting, timer, failures] = [[], 0, 0];
  connection.value = "off";
}

function rest(): void {
  close();
  staleSince.value ??= Date.now();
}

/** Follows the session: open while somebody is signed in. */
export function startEvents(): void {
  let last: string | undefined;
  session.subscribe((who) => {
    const key = who ? `${who.token_id} ${who.namespace}` : undefined;
    if (key === last) return;
    last = key;
    close();
    staleSince.value = null;
    if (who) open();
  });
  let hidden = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = window.setTimeout(rest, HIDDEN_MS);
    else if (source === null && session.value) open();
  });
}
