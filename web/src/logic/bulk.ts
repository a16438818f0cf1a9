// Chosen calls as the requests that act on them: the API takes those of one function at a time.

const MAX_IDS = 1000;

export function byFunction(calls: { function: string; id: string }[]): [name: string, ids: string[]][] {
  const groups = new Map<string, string[]>();
  for (const call of calls) groups.set(call.function, [...(groups.get(call.function) ?? []), call.id]);
  return [...groups].flatMap(([name, ids]): [string, string[]][] => {
    const parts: [string, string[]][] = [];
    for (let at = 0; at < ids.length; at += MAX_IDS) parts.push([name, ids.slice(at, at + MAX_IDS)]);
    return parts;
  });
}
