// Durations, sizes and CPUs as function.toml and the forms write them ("1m30s", "64MiB", "500m"), to and from milliseconds, bytes and millicores.

const DURATION: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE: Record<string, number> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** undefined: it is none. 0 needs no unit. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "0") return 0;
  const parts = [...trimmed.matchAll(/(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== trimmed) return undefined;
  return Math.round(parts.reduce((sum, [, value, unit]) => sum + Number(value) * (DURATION[unit ?? ""] ?? 0), 0));
}

export function parseSize(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "0") return 0;
  const [, value, unit] = /^(\d+(?:\.\d+)?)\s*(B|[KMG]i?B|TiB)$/.exec(trimmed) ?? [];
  return value === undefined ? undefined : Math.round(Number(value) * (SIZE[unit ?? ""] ?? 1));
}

/** CPUs as Kubernetes writes them: "500m", "0.5", "2". undefined: it is none, or finer than a thousandth. */
export function parseCpu(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^\d+m$/.test(trimmed)) return Number(trimmed.slice(0, -1));
  return /^\d+(\.\d{1,3})?$/.test(trimmed) ? Math.round(Number(trimmed) * 1000) : undefined;
}

export function writeCpu(millicores: number): string {
  return millicores % 1000 === 0 ? String(millicores / 1000) : `${millicores}m`;
}

/** The shortest text that reads back as the same. */
export function writeDuration(ms: number): string {
  if (ms === 0) return "0";
  let rest = ms;
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const size = DURATION[unit] ?? 1;
    const whole = Math.floor(rest / size);
    if (whole > 0) text += `${whole}${unit}`;
    rest -= whole * size;
  }
  return text;
}

export function writeSize(size: number): string {
  if (size === 0) return "0";
  for (const unit of ["TiB", "GiB", "MiB", "KiB"]) {
    const one = SIZE[unit] ?? 1;
    if (size % one === 0) return `${size / one}${unit}`;
  }
  return `${size}B`;
}
