// Search through the documentation: every word has to be there, titles count more than text. Pure.

export interface Place {
  /** Where it is. */
  href: string;
  title: string;
  /** What it is part of. */
  within: string;
  text: string;
}

const MAX_SHOWN = 30;
const AROUND = 70;

export interface Hit extends Place {
  excerpt: string;
}

export function search(places: Place[], question: string): Hit[] {
  const words = question.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const hits = places.flatMap((place) => {
    const [title, text] = [`${place.title} ${place.within}`.toLowerCase(), place.text.toLowerCase()];
    if (!words.every((word) => title.includes(word) || text.includes(word))) return [];
    return [{ place, rank: words.filter((word) => title.includes(word)).length }];
  });
  return hits.sort((a, b) => b.rank - a.rank).slice(0, MAX_SHOWN).map(({ place }) => ({ ...place, excerpt: excerpt(place.text, words) }));
}

function excerpt(text: string, words: string[]): string {
  const lower = text.toLowerCase();
  const at = Math.max(0, Math.min(...words.map((word) => lower.indexOf(word)).filter((index) => index >= 0), Infinity) - AROUND);
  if (!Number.isFinite(at)) return text.slice(0, 2 * AROUND);
  return `${at > 0 ? "…" : ""}${text.slice(at, at + 3 * AROUND)}${at + 3 * AROUND < text.length ? "…" : ""}`;
}
