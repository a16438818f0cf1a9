// Bodies that do not end: JSON lines and server-sent events, as async iterators.
// Deliberately bounded: a line or an event too large to be one ends the stream with an error.

import { EventSourceParserStream, ParseError } from "eventsource-parser/stream";
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
      if (rest.length > MAX_CHARS) throw new GatelessError(0, "bad_answer", `a line is longer than ${MAX_CHARS} characters`);
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
  const parser = new EventSourceParserStream({ maxBufferSize: MAX_CHARS });
  // What a parser's bound says is no broken connection, which would be taken up again.
  const events = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).pipeThrough(parser).getReader();
  try {
    for (;;) {
      const { done, value } = await events.read();
      if (done) return;
      yield { id: value.id, type: value.event ?? "message", data: JSON.parse(value.data) as T };
    }
  } catch (error) {
    if (error instanceof ParseError) throw new GatelessError(0, "bad_answer", error.message, { cause: error });
    throw error;
  } finally {
    await events.cancel().catch(() => undefined);
  }
}
