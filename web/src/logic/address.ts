// Where a function is called: by its host name at any sidecar, or by a path below any. Pure.

export interface Entrance {
  /** Where a sidecar takes calls. */
  public_url: string;
  /** Suffix of the host names it knows functions by; empty: it did not say. */
  domain: string;
}

export interface Address {
  host: string;
  /** What opens in a browser: by host name where that leads to the sidecar without a name server, else by path. */
  url: string;
  /** By path, as it works wherever the sidecar is reached. */
  path: string;
  curl: string;
}

const LOOPBACK = /^(127(\.\d+){3}|localhost|\[::1\])$/;

export function addressOf({ public_url, domain }: Entrance, namespace: string, name: string): Address {
  const base = public_url.replace(/\/+$/, "");
  const host = `${name}.${namespace}.${domain || "localhost"}`;
  const path = `${base}/function/${name}.${namespace}/`;
  // Names below localhost are this host's (RFC 6761, 6.3); what other names lead to is the name server's to say.
  const entrance = new URL(base);
  const found = LOOPBACK.test(entrance.hostname) && /(^|\.)localhost$/.test(domain);
  const url = found ? `${entrance.protocol}//${host}${entrance.port ? `:${entrance.port}` : ""}/` : path;
  return { host, url, path, curl: found ? `curl -i ${url}` : `curl -i -H 'Host: ${host}' ${base}/` };
}
