// What the palette finds: every word of the question has to be somewhere in the entry, and names that begin with it come first. Pure.

export interface Entry {
  /** Functions, calls, namespaces, actions: said beside the name. */
  kind: string;
  name: string;
  /** Said after the name, and searched, too. */
  note?: string;
  run(): void;
}

const MAX_SHOWN = 12;

export function find(entries: Entry[], question: string): Entry[] {
  const words = question.toLowerCase().split(/\s+/).filter(Boolean);
  const rank = ({ kind, name, note = "" }: Entry): number => {
    const text = `${name} ${kind} ${note}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) return -1;
    const own = name.toLowerCase();
    if (words.length === 0) return 1;
    if (own === words[0]) return 3;
    return own.startsWith(words[0] ?? "") ? 2 : 1;
  };
  const found = entries.map((entry) => ({ entry, at: rank(entry) })).filter(({ at }) => at >= 0);
  // Sorting is stable: within a rank the order is the entries' own.
  return found.sort((a, b) => b.at - a.at).slice(0, MAX_SHOWN).map(({ entry }) => entry);
}
