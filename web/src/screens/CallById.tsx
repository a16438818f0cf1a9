// A call of which only the id is known, as from a log line or a caller's report: leads to its page.

import { useEffect } from "preact/hooks";
import { Loading, Problem } from "../parts/basic.tsx";
import { Page } from "../parts/Shell.tsx";
import { shortId } from "../logic/format.ts";
import { go, href, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";

export function CallById({ route }: { route: Route }) {
  const { ns = "", id = "" } = route.params;
  const live = useLive(resources.callById(ns, id));
  const name = live.value?.function;
  useEffect(() => {
    if (name !== undefined) go(href("call", { ns, name, id }), "replace");
  }, [name]);
  return (
    <Page name={`Call ${shortId(id)}`} title={`Call ${shortId(id)}`}>
      <Problem problem={live.problem} retry={live.reload} />
      {!live.problem && <Loading what="the call" />}
    </Page>
  );
}
