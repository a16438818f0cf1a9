// Everything the screens follow: where it is read, and which reducer keeps it right.

import { client } from "../api/client.ts";
import * as api from "../api/sdk.ts";
import type { GatelessFunction } from "../api/sdk.ts";
import { clockSkew } from "../events.ts";
import { ANY, isNarrow, keyOf, queryOf, type CallFilter } from "../logic/callFilter.ts";
import { recordKeyOf, recordQueryOf, type RecordFilter } from "../logic/recordFilter.ts";
import type { Resource } from "./live.ts";
import * as reduce from "./reduce.ts";

const PAGE = 200;
/** More than anybody scrolls through; a list says when it stops there. */
const MAX_ITEMS = 5000;

interface PageOf<T> {
  items: T[];
  next_page_token?: string | null;
}

async function all<T>(
  read: (page_token: string | undefined) => Promise<PageOf<T>>,
  show?: (part: { items: T[]; truncated: boolean }) => void,
): Promise<{ items: T[]; truncated: boolean }> {
  const items: T[] = [];
  let token: string | undefined;
  do {
    const page = await read(token);
    items.push(...page.items);
    token = page.next_page_token ?? undefined;
    // The first page is what one sees first.
    if (token !== undefined && items.length === page.items.length) show?.({ items: [...items], truncated: false });
  } while (token !== undefined && items.length < MAX_ITEMS);
  return { items, truncated: token !== undefined };
}

const query = (page_token: string | undefined) => ({ limit: PAGE, ...(page_token ? { page_token } : {}) });

export const functions = (namespace: string): Resource<reduce.Functions<GatelessFunction>> => ({
  key: `functions ${namespace}`,
  load: (show) => all((token) => api.listFunctions({ client, path: { namespace }, query: query(token) }), show),
  apply: reduce.functions(namespace),
});

export const pulses = (namespace: string): Resource<reduce.Pulses> => ({
  key: `pulses ${namespace}`,
  load: async () => reduce.pulsesOf(await api.listStats({ client, path: { namespace } }), Date.now() + clockSkew.value),
  applyAll: reduce.pulses(namespace),
});

export const fn = (namespace: string, name: string): Resource<GatelessFunction> => ({
  key: `function ${namespace}/${name}`,
  load: () => api.getFunction({ client, path: { namespace, name } }),
  apply: reduce.detail(namespace, name),
});

export const history = (namespace: string, name: string): Resource<api.Stats> => ({
  key: `history ${namespace}/${name}`,
  load: () => api.getStats({ client, path: { namespace, name } }),
  apply: reduce.history(namespace, name),
});

export const revisions = (namespace: string, name: string): Resource<api.Revision[]> => ({
  key: `revisions ${namespace}/${name}`,
  load: async () => (await api.listRevisions({ client, path: { namespace, name }, query: { limit: PAGE } })).items,
  apply: reduce.revisions(namespace, name),
});

export const instances = (namespace: string, name: string): Resource<api.Instance[]> => ({
  key: `instances ${namespace}/${name}`,
  load: async () => (await api.listInstances({ client, path: { namespace, name }, query: { limit: PAGE } })).items,
  apply: reduce.instances(namespace, name),
});

/** Of a list whose older items are read when somebody asks for them. */
export const PAGE_ITEMS = 100;

export async function readCalls(filter: CallFilter, page_token?: string, limit = PAGE_ITEMS): Promise<reduce.Calls> {
  const { namespace, name } = filter;
  const query = { limit, ...queryOf(filter, Date.now() + clockSkew.value), ...(page_token ? { page_token } : {}) };
  const page =
    name === null
      ? await api.listNamespaceInvocations({ client, path: { namespace }, query })
      : await api.listInvocations({ client, path: { namespace, name }, query });
  const warnings = page.warnings.map((warning) => `${warning.sidecar}: ${warning.detail}`);
  return { items: page.items, next: page.next_page_token ?? null, warnings };
}

/** What is looked through for one answer costs the sidecars more when it is for something rare. */
const NARROW_MS = 3000;

/** All dead letters that are grouped are read again for a new one. */
const DEAD_MS = 4000;
const LARGE_PAGE = 1000;

export const calls = (filter: CallFilter): Resource<reduce.Calls> => ({
  key: `calls ${keyOf(filter)}`,
  load: () => readCalls(filter),
  apply: reduce.calls(filter),
  pace: isNarrow(filter) ? NARROW_MS : 1000,
});

/** Of one namespace or function, as many as are grouped. */
export const deadLetters = (namespace: string, name: string | null): Resource<reduce.Calls> => ({
  key: `dead letters ${namespace}/${name ?? "*"}`,
  load: async (show) => {
    const filter = { ...ANY, namespace, name, state: "dead" };
    let page = await readCalls(filter);
    const items = [...page.items];
    const warnings = new Set(page.warnings);
    // The newest are what one sees first; the rest comes in larger pages.
    if (page.next !== null) show(page);
    while (page.next !== null && items.length < MAX_ITEMS) {
      page = await readCalls(filter, page.next, LARGE_PAGE);
      items.push(...page.items);
      page.warnings.forEach((one) => warnings.add(one));
    }
    return { items, next: page.next, warnings: [...warnings] };
  },
  apply: reduce.deadLetters({ namespace, name }),
  pace: DEAD_MS,
});

export const callById = (namespace: string, id: string): Resource<api.Invocation> => ({
  key: `call ${namespace}/${id}`,
  load: () => api.getNamespaceInvocation({ client, path: { namespace, id } }),
});

export const callRequest = (namespace: string, name: string, id: string): Resource<api.InvocationRequest> => ({
  key: `request ${namespace}/${name}/${id}`,
  load: () => api.getInvocationRequest({ client, path: { namespace, name, id } }),
});

export const call = (namespace: string, name: string, id: string): Resource<api.Invocation> => ({
  key: `call ${namespace}/${name}/${id}`,
  load: () => api.getInvocation({ client, path: { namespace, name, id } }),
  apply: reduce.call(id),
});

export interface RecordPage {
  items: api.CallRecord[];
  next: string | null;
  warnings: string[];
}

export async function readRecords(filter: RecordFilter, page_token?: string): Promise<RecordPage> {
  const query = { limit: PAGE_ITEMS, ...recordQueryOf(filter, Date.now() + clockSkew.value), ...(page_token ? { page_token } : {}) };
  const page = await api.listCalls({ client, path: { namespace: filter.namespace }, query });
  const warnings = page.warnings.map((warning) => `${warning.sidecar}: ${warning.detail}`);
  return { items: page.items, next: page.next_page_token ?? null, warnings };
}

/** No event tells of a sync call: the list is read when it is opened, or when somebody asks for it. */
export const records = (filter: RecordFilter): Resource<RecordPage> => ({
  key: `records ${recordKeyOf(filter)}`,
  load: () => readRecords(filter),
});

export const record = (namespace: string, id: string): Resource<api.CallRecord> => ({
  key: `record ${namespace}/${id}`,
  load: () => api.getCall({ client, path: { namespace, id } }),
});

export const queues = (namespace: string): Resource<api.Queue[]> => ({
  key: `queues ${namespace}`,
  load: async () => (await all((token) => api.listQueues({ client, path: { namespace }, query: query(token) }))).items,
  apply: reduce.queues(namespace),
  pace: 1000,
});

export const triggers = (namespace: string): Resource<api.Trigger[]> => ({
  key: `triggers ${namespace}`,
  load: async () => (await all<api.Trigger>((token) => api.listTriggers({ client, path: { namespace }, query: query(token) }))).items,
  apply: reduce.triggers(namespace),
  pace: 1000,
});

export const sidecars = (): Resource<api.Sidecar[]> => ({
  key: "sidecars",
  load: async () => (await all<api.Sidecar>((token) => api.listSidecars({ client, query: query(token) }))).items,
  apply: reduce.sidecars,
  pace: 500,
});

export const secrets = (namespace: string): Resource<api.Secret[]> => ({
  key: `secrets ${namespace}`,
  load: async () => (await all((token) => api.listSecrets({ client, path: { namespace }, query: query(token) }))).items,
});

export const tokens = (): Resource<api.TokenInfo[]> => ({
  key: "tokens",
  load: async () => (await all((token) => api.listTokens({ client, query: query(token) }))).items,
});

export interface AuditPage {
  items: api.AuditEntry[];
  next: string | null;
}

/** `result`: `done`, `refused`, or empty for both. */
export async function readAudit(result: string, page_token?: string): Promise<AuditPage> {
  const query = { limit: PAGE_ITEMS, ...(result ? { refused: result === "refused" } : {}), ...(page_token ? { page_token } : {}) };
  const page = await api.listAuditEntries({ client, query });
  return { items: page.items, next: page.next_page_token ?? null };
}

export const audit = (result: string): Resource<AuditPage> => ({
  key: `audit ${result}`,
  load: () => readAudit(result),
});
