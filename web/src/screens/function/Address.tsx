// Where the function is called from outside: the host name first, and each form ready to be copied, opened or pasted.

import { addressOf } from "../../logic/address.ts";
import type { GatelessFunction } from "../../api/sdk.ts";
import { Copy } from "../../parts/basic.tsx";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";

export function Address({ fn }: { fn: GatelessFunction }) {
  const sidecars = useLive(resources.sidecars());
  const entrance = sidecars.value?.find((one) => one.connected);
  if (!entrance) return null;
  const { host, url, path, curl } = addressOf(entrance, fn.namespace, fn.name);
  const outside = fn.spec.visibility !== "cluster_only";
  return (
    <section class="card address" aria-label="Address">
      <dl>
        {outside && url !== path && (
          <>
            <dt>Address</dt>
            <dd>
              <code>{url}</code>
              <Copy text={url} label="Copy the address" />
              <a href={url} target="_blank" rel="noreferrer">Open</a>
            </dd>
          </>
        )}
        {(!outside || url === path) && (
          <>
            <dt>Host</dt>
            <dd>
              <code>{host}</code>
              <Copy text={host} label="Copy the host name" />
              <small>{outside ? "at any sidecar" : "for other functions, at the sidecar of their own host"}</small>
            </dd>
          </>
        )}
        {outside && (
          <>
            <dt>By path</dt>
            <dd>
              <code>{path}</code>
              <Copy text={path} label="Copy the address by path" />
              {url === path && <a href={url} target="_blank" rel="noreferrer">Open</a>}
            </dd>
            <dt>curl</dt>
            <dd>
              <code>{curl}</code>
              <Copy text={curl} label="Copy the curl command" />
            </dd>
          </>
        )}
        {!outside && (
          <>
            <dt>From</dt>
            <dd>other functions only, through <code>$GATELESS_URL</code></dd>
          </>
        )}
      </dl>
    </section>
  );
}
