// The one SDK client of the page: same origin, authenticated by the session cookie. Says when the session ended.
// Deliberately the generated client alone: the SDK's retries and calls past the server are for programs, not for a page.

import { client } from "@gateless/sdk/generated/client.gen.ts";
import { GatelessError } from "@gateless/sdk/error.ts";
import { listeners } from "../store/listeners.ts";

/** Told when the server no longer knows the session. */
export const unauthorized = listeners<void>();

/** Told of sidecars at which a change that was just made does not hold yet: their ids, at most a few of them. */
export const notApplied = listeners<{ behind: string[]; away: string[] }>();

/** How long a change is waited for (RFC 7240): sidecars apply one within milliseconds. */
const PREFERENCE = "wait=2";

client.interceptors.request.use((request) => {
  if (request.method !== "GET") request.headers.set("prefer", PREFERENCE);
  return request;
});
client.interceptors.response.use((response) => {
  if (response.status === 401) unauthorized.emit();
  const names = (header: string) => response.headers.get(header)?.split(",") ?? [];
  const [behind, away] = [names("x-gateless-behind"), names("x-gateless-away")];
  if (behind.length + away.length > 0) notApplied.emit({ behind, away });
  return response;
});
client.interceptors.error.use((error, response) => GatelessError.fromAnswer(response, error));

/** The code of a problem that no server told. */
export const UNREACHABLE = "unreachable";

/** Whatever was thrown, as a problem that can be shown. */
export function problemOf(error: unknown): GatelessError {
  if (error instanceof GatelessError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  if (error instanceof TypeError && /fetch/i.test(detail)) {
    return new GatelessError(0, UNREACHABLE, "The server does not answer.", { title: "No answer", hint: "It may be restarting. Calls of functions do not need it." });
  }
  return new GatelessError(0, "dashboard", detail, { title: "Something went wrong in this page" });
}

/** The etag of something with a version. */
export function etag(version: number): { "If-Match": string } {
  return { "If-Match": `"${version}"` };
}

export { client, GatelessError };
