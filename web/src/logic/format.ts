// Numbers, sizes, durations and times as people read them; the way back is in units.ts.

/** 0.42, 7.5, 1,234: enough digits to compare, none to admire. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = value === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const text = value.toLocaleString("en-US", { maximumFractionDigits: digits });
  return text;
}

export function count(value: number | null | undefined): string {
  return value == null ? "–" : value.toLocaleString("en-US");
}

/** A time span in milliseconds: 0.4 ms, 12 ms, 1.2 s, 3 min, 2 h, 4 d. */
export function millis(value: number | null | undefined): string {
  if (value == null) return "–";
  if (value < 10) return `${number(Math.round(value * 100) / 100)} ms`;
  if (value < 1000) return `${Math.round(value)} ms`;
  const seconds = value / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 60) return `${Math.round(minutes)} min`;
  const hours = minutes / 60;
  return hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} d`;
}

export function bytes(value: number | null | undefined): string {
  if (value == null) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${unit === 0 ? size : size.toFixed(size < 10 ? 1 : 0)} ${units[unit]}`;
}

/** `3 min ago`, `in 5 s`. */
export function ago(time: string | null | undefined, now: number): string {
  if (!time) return "–";
  const span = now - Date.parse(time);
  if (Math.abs(span) < 1000) return "now";
  return span > 0 ? `${millis(span)} ago` : `in ${millis(-span)}`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const STAMP = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export function clock(time: string | number): string {
  return CLOCK.format(new Date(time));
}

export function stamp(time: string | null | undefined): string {
  return time ? STAMP.format(new Date(time)) : "–";
}

export function plural(amount: number, one: string, many = `${one}s`): string {
  return `${count(amount)} ${amount === 1 ? one : many}`;
}

/** The part of an id people compare: its end. The beginning is the time, which ids made together share. */
export function shortId(id: string): string {
  return id.length > 20 ? `…${id.slice(-17)}` : id;
}
