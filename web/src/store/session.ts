// Who is signed in, and to which namespace the page looks. Never the token: the session is in a cookie scripts cannot read.

import { signal } from "@preact/signals";
import { client, unauthorized } from "../api/client.ts";
import { createSession, deleteSession, getSession } from "../api/sdk.ts";
import type { Session } from "../api/sdk.ts";
import { recall, remember } from "./remember.ts";

/** undefined: not known yet; null: nobody. */
export const session = signal<Session | null | undefined>(undefined);

unauthorized.on(() => (session.value = null));

export async function readSession(): Promise<void> {
  try {
    session.value = await getSession({ client });
  } catch (error) {
    session.value = null;
    throw error;
  }
}

export async function signIn(token: string): Promise<void> {
  await createSession({ client, body: { token } });
  await readSession();
}

/** The code in a link that `gateless dashboard` printed, taken out of the address so that it stays in no history. */
export function takeCode(): string | undefined {
  const code = /^#login=([\w.]+)$/.exec(location.hash)?.[1];
  if (code) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

export async function followLink(code: string): Promise<void> {
  await createSession({ client, body: { code } });
  await readSession();
}

export async function signOut(): Promise<void> {
  await deleteSession({ client });
  session.value = null;
}

export type Right = "read" | "internals" | "invoke" | "deploy" | "admin" | "cluster";

/** What the server would allow; it decides, this only keeps people from asking in vain. */
export function may(who: Session | null | undefined, right: Right): boolean {
  if (!who) return false;
  const roles: Record<Right, string[]> = {
    read: ["admin", "deployer", "invoker", "viewer"],
    internals: ["admin", "deployer", "viewer"],
    invoke: ["admin", "deployer", "invoker"],
    deploy: ["admin", "deployer"],
    admin: ["admin"],
    cluster: ["admin"],
  };
  return roles[right].includes(who.role) && (right !== "cluster" || who.namespace === "*");
}

export function useMay(right: Right): boolean {
  return may(session.value, right);
}

const KEY = "gateless.namespaces";
const MAX_REMEMBERED = 20;

/** Namespaces this browser has been to: the API has no list of them, as they exist only through what is in them. */
export const namespaces = signal<string[]>(recall(KEY, ["default"]));

export function visited(namespace: string): void {
  const known = namespaces.value;
  if (known[0] === namespace) return;
  const next = [namespace, ...known.filter((one) => one !== namespace)].slice(0, MAX_REMEMBERED);
  namespaces.value = next;
  remember(KEY, next);
}

/** Where a visitor without a path begins. */
export function homeNamespace(): string {
  const own = session.value?.namespace;
  return own && own !== "*" ? own : (namespaces.value[0] ?? "default");
}
