// The one SDK client of the page: same origin, authenticated by the session cookie. Says when the session ended.
// Deliberately the generated client alone: the SDK's retries and calls past the server are for programs, not for a page.

import { client } from "@gateless/sdk/generated/client.gen.ts";
import { GatelessError } from "@gateless/sdk/error.ts";
import { listeners } from "../store/listeners.ts";

/** Told when the server no longer knows the session. */
export const unauthorized = listeners<void>();

client.interceptors.response.use((response) => {
  if (response.status === 401) unauthorized.emit();
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
