// Where the function is called from outside: the host name first, and each form ready to be copied, opened or pasted.

import { addressOf } from "../../logic/address.ts";
import type { GatelessFunction } from "../../api/sdk.ts";
import { Copy } from "../../parts/basic.tsx";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";

export function Address({ fn }: { fn: GatelessFunction }) {
  const sidecars = useLive(resources.sidecars());
  const entrance = sidecars.value?.find((one) => one.connected)?.public_url;
  if (!entrance) return null;
  const { host, url, curl } = addressOf(entrance, fn.namespace, fn.name);
  const outside = fn.spec.visibility !== "cluster_only";
  return (
    <section class="card address" aria-label="Address">
      <dl>
        <dt>Host</dt>
        <dd>
          <code>{host}</code>
          <Copy text={host} label="Copy the host name" />
          <small>at any sidecar, with its default domain</small>
        </dd>
        {outside && (
          <>
            <dt>URL</dt>
            <dd>
              <code>{url}</code>
              <Copy text={url} label="Copy the URL" />
              <a href={url} target="_blank" rel="noreferrer">Open</a>
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
