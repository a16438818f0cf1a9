// Who is signed in, and to which namespace the page looks. Never the token: the session is in a cookie scripts cannot read.

import { signal } from "@preact/signals";
import { client, problemOf, unauthorized, type GatelessError } from "../api/client.ts";
import { createSession, deleteSession, getSession } from "../api/sdk.ts";
import type { Session } from "../api/sdk.ts";
import { rename } from "../router.ts";
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
  linkProblem.value = undefined;
  dropCode();
  await readSession();
}

/** What was wrong with the link that was followed last; for whoever is not signed in otherwise. */
export const linkProblem = signal<GatelessError | undefined>(undefined);

/** The code in a link that `gateless dashboard` printed. */
export function codeHere(): string | undefined {
  return /^#login=([\w.]+)$/.exec(location.hash)?.[1];
}

/** So that it stays in no history. */
function dropCode(): void {
  if (codeHere()) rename(location.pathname + location.search);
}

/** Never throws: a link that is no longer good leaves whoever is signed in as they are. */
export async function followLink(code: string): Promise<void> {
  linkProblem.value = undefined;
  try {
    await createSession({ client, body: { code } });
    dropCode();
  } catch (error) {
    linkProblem.value = problemOf(error);
    // One that the server has not seen is still good: to load the page again follows it.
    if (linkProblem.value.status > 0) dropCode();
  }
  await readSession().catch(() => undefined);
}

export async function signOut(): Promise<void> {
  await deleteSession({ client });
  session.value = null;
}

export type Right = Session["rights"][number];

/** What the server says it would allow; it decides, this only keeps people from asking in vain. */
export function may(who: Session | null | undefined, right: Right): boolean {
  return who?.rights.includes(right) ?? false;
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
