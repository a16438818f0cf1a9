// The arithmetic of the traffic slider: whole percents that always sum to 100, whichever of them is dragged.

import type { GatelessFunction, Target } from "../api/sdk.ts";

/**
 * `percents` with the one at `index` set to `value` and the others shrunk or grown in proportion; the largest remainders
 * get what rounding left over. When all others are 0 they share evenly.
 */
export function rebalance(percents: number[], index: number, value: number): number[] {
  if (percents.length <= 1) return percents.map(() => 100);
  const wanted = Math.min(100, Math.max(0, Math.round(value)));
  const rest = 100 - wanted;
  const others = percents.map((percent, at) => (at === index ? 0 : percent));
  const sum = others.reduce((total, percent) => total + percent, 0);
  const exact = others.map((percent, at) => {
    if (at === index) return 0;
    return sum === 0 ? rest / (percents.length - 1) : (percent / sum) * rest;
  });
  const whole = exact.map(Math.floor);
  let left = rest - whole.reduce((total, percent) => total + percent, 0);
  const order = exact
    .map((share, at) => ({ at, remainder: share - Math.floor(share) }))
    .filter(({ at }) => at !== index)
    .sort((a, b) => b.remainder - a.remainder || a.at - b.at);
  for (const { at } of order) {
    if (left <= 0) break;
    whole[at] = (whole[at] ?? 0) + 1;
    left -= 1;
  }
  whole[index] = wanted;
  return whole;
}

/** A row of the slider; `latest` follows the newest revision that was ready. */
export interface Share {
  key: string;
  latest: boolean;
  revision: string | null;
  tag: string | null;
  percent: number;
}

export function sharesOf(targets: Target[]): Share[] {
  return targets.map((target, index) => ({
    key: `${target.latest ? "latest" : target.revision}-${target.tag ?? ""}-${index}`,
    latest: target.latest ?? false,
    revision: target.revision ?? null,
    tag: target.tag ?? null,
    percent: target.percent,
  }));
}

/** What the API is sent; rows without share and tag say nothing and go. */
export function targetsOf(shares: Share[]): Target[] {
  return shares
    .filter((share) => share.percent > 0 || share.tag)
    .map(({ latest, revision, tag, percent }) => ({
      ...(latest ? { latest: true } : { revision }),
      ...(tag ? { tag } : {}),
      percent,
    }));
}

export function total(shares: Share[]): number {
  return shares.reduce((sum, share) => sum + share.percent, 0);
}

/** All calls to the newest revision, and to those that come; tags go on leading where they led. */
export function promoted(targets: Target[]): Target[] {
  const tagged = targets.filter((target) => target.tag && !target.latest);
  const tag = targets.find((target) => target.latest && target.tag)?.tag;
  return [{ latest: true, percent: 100, ...(tag ? { tag } : {}) }, ...tagged.map((target) => ({ ...target, percent: 0 }))];
}

/** The newest revision, if no call can reach it by its share: rolled back, split away, or pinned to another. */
export function leftOut(fn: Pick<GatelessFunction, "traffic" | "status">): string | null {
  const latest = fn.status.latest_revision;
  const gets = fn.traffic.some((target) => target.percent > 0 && (target.latest || target.revision === latest));
  return latest && !gets ? latest : null;
}
