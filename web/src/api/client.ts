// The one SDK client of the page: same origin, authenticated by the session cookie. Says when the session ended.

import { Gateless, GatelessError } from "@gateless/sdk";
import { listeners } from "../store/signal.ts";

export const gateless = new Gateless({ url: "" });
export const client = gateless.client;

/** Told when the server no longer knows the session. */
export const unauthorized = listeners<void>();

client.interceptors.response.use((response) => {
  if (response.status === 401) unauthorized.tell();
  return response;
});

/** Whatever was thrown, as a problem that can be shown. */
export function problemOf(error: unknown): GatelessError {
  if (error instanceof GatelessError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new GatelessError(0, "dashboard", detail, { title: "Something went wrong in this page" });
}

/** The etag of something with a version. */
export function etag(version: number): { "If-Match": string } {
  return { "If-Match": `"${version}"` };
}

export { GatelessError };
