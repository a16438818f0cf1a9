// Bodies that do not end: JSON lines and server-sent events, as async iterators.
// Deliberately bounded: a line or an event too large to be one ends the stream with an error.

import { GatelessError } from "./error.js";

/** No log line or event comes near it. */
const MAX_CHARS = 4 * 1024 * 1024;

/** An event of the server. */
export interface ServerEvent<T = unknown> {
  /** Send it as `Last-Event-ID` to go on after it. */
  id: string | undefined;
  type: string;
  data: T;
}

async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const parts = rest.split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) yield part.endsWith("\r") ? part.slice(0, -1) : part;
      if (rest.length > MAX_CHARS) throw new GatelessError(0, "stream", `a line is longer than ${MAX_CHARS} characters`);
      if (done) break;
    }
    if (rest !== "") yield rest;
  } finally {
    // Also when the reader of this iterator leaves its loop: the server must not go on sending.
    await reader.cancel().catch(() => undefined);
  }
}

/** One JSON document a line. */
export async function* jsonLines<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<T> {
  for await (const line of lines(body)) {
    if (line.trim() !== "") yield JSON.parse(line) as T;
  }
}

/** Server-sent events whose data is JSON. */
export async function* serverEvents<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent<T>> {
  let id: string | undefined;
  let type = "";
  let data: string[] = [];
  let chars = 0;
  for await (const line of lines(body)) {
    if (line === "") {
      if (data.length > 0) yield { id, type: type || "message", data: JSON.parse(data.join("\n")) as T };
      [type, data, chars] = ["", [], 0];
      continue;
    }
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    chars += value.length;
    if (chars > MAX_CHARS) throw new GatelessError(0, "stream", `an event is longer than ${MAX_CHARS} characters`);
    if (field === "data") data.push(value);
    else if (field === "event") type = value;
    else if (field === "id") id = value;
  }
}
