// What the palette finds: every word of the question has to be somewhere in the entry, and names that begin with it come first. Pure.

export interface Entry {
  /** Functions, calls, namespaces, actions: said beside the name. */
  kind: string;
  name: string;
  /** Said after the name, and searched, too. */
  note?: string;
  run(): void;
}

/** An entry with what is looked for in it, made once and not at every letter. */
export interface Indexed {
  entry: Entry;
  name: string;
  text: string;
}

/** As many as fit; whoever looks for another types one more letter. */
export const MAX_SHOWN = 12;
const [NAMED, BEGINS, HOLDS] = [0, 1, 2] as const;

export function index(entries: Entry[]): Indexed[] {
  return entries.map((entry) => ({ entry, name: entry.name.toLowerCase(), text: `${entry.name} ${entry.kind} ${entry.note ?? ""}`.toLowerCase() }));
}

export function find(entries: Indexed[], question: string): Entry[] {
  const words = question.toLowerCase().split(/\s+/).filter(Boolean);
  const [first] = words;
  // Within a rank the order is the entries' own.
  const ranks: [Entry[], Entry[], Entry[]] = [[], [], []];
  for (const { entry, name, text } of entries) {
    if (!words.every((word) => text.includes(word))) continue;
    const rank = ranks[first === undefined || !name.startsWith(first) ? HOLDS : name === first ? NAMED : BEGINS];
    if (rank.length < MAX_SHOWN) rank.push(entry);
    if (ranks[NAMED].length === MAX_SHOWN || (first === undefined && ranks[HOLDS].length === MAX_SHOWN)) break;
  }
  return ranks.flat().slice(0, MAX_SHOWN);
}
