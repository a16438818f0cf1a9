// One function: how it is, how it was, what it runs, and what can be done with it.

import { useState } from "preact/hooks";
import { client, etag } from "../api/client.ts";
import { deleteFunction, type GatelessFunction } from "../api/sdk.ts";
import { leftOut } from "../logic/traffic.ts";
import { Confirm } from "../parts/Dialog.tsx";
import { Loading, Problem, State } from "../parts/basic.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Page } from "../parts/Shell.tsx";
import { Tabs } from "../parts/Tabs.tsx";
import { said } from "../parts/Toasts.tsx";
import { go, href, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";
import { healthOf } from "./Functions.tsx";
import { Overview } from "./function/Overview.tsx";
import { promote, Revisions } from "./function/Revisions.tsx";
import { Settings } from "./function/Settings.tsx";

const TABS = [
  ["overview", "Overview"],
  ["revisions", "Revisions and traffic"],
  ["settings", "Settings"],
] as const;

export function FunctionDetail({ route }: { route: Route }) {
  const { ns = "", name = "" } = route.params;
  const fn = useLive(resources.fn(ns, name));
  const mayDeploy = useMay("deploy");
  const mayInvoke = useMay("invoke");
  const [deleting, setDeleting] = useState(false);
  const asked = route.query.get("tab");
  const tab = TABS.find(([key]) => key === asked)?.[0] ?? "overview";
  const value = fn.value;
  // One that was deleted is not shown as if it were there; without an answer, what was is shown as old.
  const shown = fn.problem?.status === 404 ? undefined : value;
  const health = value && healthOf(value);
  return (
    <Page
      name={name}
      title={
        <>
          <a class="up" href={href("functions", { ns })} aria-label="Functions" title="Functions">
            <Icon name="back" />
          </a>
          {name}
          {health && <State tone={health.tone}>{health.text}</State>}
        </>
      }
      actions={
        <>
          {mayInvoke && (
            <a class="button primary" href={href("invoke", { ns }, { function: name })}>
              <Icon name="invoke" />
              Invoke
            </a>
          )}
          <a class="button" href={href("logs", { ns }, { function: name })}>
            <Icon name="logs" />
            Logs
          </a>
          <a class="button" href={href("calls", { ns }, { function: name })}>
            <Icon name="calls" />
            Calls
          </a>
          {mayDeploy && (
            <>
              <a class="button" href={href("edit", { ns, name })}>
                <Icon name="edit" />
                Edit
              </a>
              <button type="button" class="quiet danger" onClick={() => setDeleting(true)} disabled={!value}>
                <Icon name="trash" />
                Delete
              </button>
            </>
          )}
        </>
      }
    >
      <Tabs label="Parts of the function" tabs={[...TABS]} open={tab} />
      <Problem problem={fn.problem} retry={fn.reload} />
      {fn.loading && !value && <Loading what="the function" />}
      {shown && <LeftOut fn={shown} />}
      {shown && tab === "overview" && <Overview fn={shown} />}
      {shown && tab === "revisions" && <Revisions fn={shown} />}
      {shown && tab === "settings" && <Settings fn={shown} />}
      {deleting && value && (
        <Confirm
          title={`Delete ${name}?`}
          action="Delete function"
          typed={name}
          danger
          onClose={() => setDeleting(false)}
          run={async () => {
            await deleteFunction({ client, path: { namespace: ns, name }, headers: etag(value.version) });
            said(`${name} is deleted`);
            go(href("functions", { ns }));
          }}
        >
          <p>Its instances are drained and stopped, and its revisions are gone. Calls in its queue are not delivered. This cannot be undone.</p>
        </Confirm>
      )}
    </Page>
  );
}

function LeftOut({ fn }: { fn: GatelessFunction }) {
  const mayDeploy = useMay("deploy");
  const name = leftOut(fn);
  if (name === null) return null;
  const who = fn.traffic.filter((target) => target.percent > 0).map((target) => `${target.revision} (${target.percent} %)`);
  return (
    <p class="notice warn" role="status">
      <Icon name="alert" />
      <span>
        <strong>{name}</strong>, the latest revision, gets no traffic: calls go to {who.join(" and ")}.{" "}
        <a href={href("function", { ns: fn.namespace, name: fn.name }, { tab: "revisions" })}>See the revisions</a>
      </span>
      {mayDeploy && name === fn.status.latest_ready_revision && (
        <button type="button" class="small" onClick={() => void promote(fn)}>
          Promote
        </button>
      )}
    </p>
  );
}
