// Where a function is called: by its host name at any sidecar, or by a path below any. Pure.

/** What sidecars are started with unless `--domain` says otherwise; the server is on no call's path, and does not know it. */
export const DOMAIN = "gateless.local";

export interface Address {
  host: string;
  url: string;
  curl: string;
}

/** `entrance`: a sidecar's public URL. */
export function addressOf(entrance: string, namespace: string, name: string): Address {
  const base = entrance.replace(/\/+$/, "");
  const host = `${name}.${namespace}.${DOMAIN}`;
  return { host, url: `${base}/function/${name}.${namespace}/`, curl: `curl -i -H 'Host: ${host}' ${base}/` };
}
