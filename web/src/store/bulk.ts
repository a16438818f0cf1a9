// Acts on many calls, a request for each function of theirs. One that fails leaves the others as they are: what came of all of them is said.

import { client, problemOf } from "../api/client.ts";
import type { BulkResult, Count } from "../api/sdk.ts";
import type { Outcome, Part } from "../logic/bulk.ts";

/** One of the API's operations on many calls of a function. */
type Send = (options: { client: typeof client; path: { namespace: string; name: string }; body: { ids?: string[] } }) => Promise<Pick<BulkResult, "count" | "failed"> & Partial<Pick<Count, "warnings">>>;

export async function actOnCalls(send: Send, namespace: string, parts: Part[]): Promise<Outcome> {
  const outcome: Outcome = { count: 0, left: 0, problems: [] };
  for (const [name, ids] of parts) {
    try {
      const { count, failed, warnings = [] } = await send({ client, path: { namespace, name }, body: ids ? { ids } : {} });
      outcome.count += count;
      outcome.left += failed.length;
      outcome.problems.push(...failed.map((one) => one.detail), ...warnings.map((one) => `${one.sidecar}: ${one.detail}`));
    } catch (error) {
      outcome.left += ids?.length ?? 0;
      outcome.problems.push(`${name}: ${problemOf(error).detail}`);
    }
  }
  return outcome;
}
