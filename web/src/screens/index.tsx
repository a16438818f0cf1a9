// Which component draws which screen. Only the chart is loaded when it is first shown: it is as large as everything else together,
// and apart from it the screens are smaller in one file than in many.

import type { ComponentType } from "preact";
import { Empty } from "../parts/basic.tsx";
import { Page } from "../parts/Shell.tsx";
import { href, type Route, type Screen } from "../router.ts";
import { homeNamespace } from "../store/session.ts";
import { Audit } from "./Audit.tsx";
import { CallDetail } from "./CallDetail.tsx";
import { CallById } from "./CallById.tsx";
import { Calls } from "./Calls.tsx";
import { DeadLetters } from "./DeadLetters.tsx";
import { FunctionDetail } from "./FunctionDetail.tsx";
import { Functions } from "./Functions.tsx";
import { Invoke } from "./Invoke.tsx";
import { Logs } from "./Logs.tsx";
import { Queues } from "./Queues.tsx";
import { RecordDetail } from "./RecordDetail.tsx";
import { Records } from "./Records.tsx";
import { Register } from "./Register.tsx";
import { Secrets } from "./Secrets.tsx";
import { Sidecars } from "./Sidecars.tsx";
import { Tokens } from "./Tokens.tsx";
import { Triggers } from "./Triggers.tsx";

/** Those that need somebody signed in; the documentation is everybody's. */
const SCREENS: Record<Exclude<Screen, "docs" | "guide">, ComponentType<{ route: Route }>> = {
  functions: Functions,
  function: FunctionDetail,
  register: Register,
  edit: Register,
  calls: Calls,
  callById: CallById,
  call: CallDetail,
  records: Records,
  record: RecordDetail,
  deadLetters: DeadLetters,
  queues: Queues,
  triggers: Triggers,
  logs: Logs,
  invoke: Invoke,
  sidecars: Sidecars,
  secrets: Secrets,
  tokens: Tokens,
  audit: Audit,
};

export function Screens({ route }: { route: Route }) {
  const { screen, params } = route;
  if (screen === null || screen === "docs" || screen === "guide") return <Missing />;
  const Drawn = SCREENS[screen];
  // Another function, another state.
  return <Drawn key={`${screen} ${JSON.stringify(params)}`} route={route} />;
}

function Missing() {
  return (
    <Page title="Nothing here" name="Nothing here">
      <Empty title="There is no such page">
        <p>
          <a href={href("functions", { ns: homeNamespace() })}>Go to the functions</a>
        </p>
      </Empty>
    </Page>
  );
}
