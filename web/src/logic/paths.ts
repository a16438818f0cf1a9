// Reading and changing a value deep in plain data, by a dotted path; changes make a copy, so that drawing notices.

export type Data = Record<string, unknown>;

export function isData(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function get(data: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((at, key) => (isData(at) ? at[key] : undefined), data);
}

/** undefined takes the key away, and with it objects that become empty. */
export function put(data: Data, path: string, value: unknown): Data {
  const [key = "", ...rest] = path.split(".");
  const copy = { ...data };
  const inner = rest.length === 0 ? value : put(isData(copy[key]) ? (copy[key] as Data) : {}, rest.join("."), value);
  const emptied = rest.length > 0 && value === undefined && isData(inner) && Object.keys(inner).length === 0;
  if (inner === undefined || emptied) delete copy[key];
  else copy[key] = inner;
  return copy;
}

/** `spec.scaling.min_scale` as the server's problems point at it. */
export function pointer(path: string): string {
  return "/" + path.split(".").map((part) => part.replace(/~/g, "~0").replace(/\//g, "~1")).join("/");
}
