// Starts the page: who is signed in decides between the login and everything else.

import { render } from "preact";
import { useEffect } from "preact/hooks";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/states.css";
import "./styles/shell.css";
import "./styles/tables.css";
import "./styles/notices.css";
import "./styles/function.css";
import "./styles/console.css";
import "./styles/calls.css";
import "./styles/register.css";
import "./styles/screens.css";
import "./styles/chart.css";
import "./styles/docs.css";
import "./styles/touch.css";
import { startEvents } from "./events.ts";
import { startKeys } from "./keys.ts";
import { Screens } from "./screens/index.tsx";
import { Login } from "./screens/Login.tsx";
import { Shell } from "./parts/Shell.tsx";
import { complained } from "./parts/Toasts.tsx";
import { LazyDocs } from "./screens/docs/LazyDocs.tsx";
import { go, href, useRoute } from "./router.ts";
import { codeHere, followLink, homeNamespace, linkProblem, readSession, session, visited } from "./store/session.ts";

function App() {
  const who = session.value;
  const route = useRoute();
  const ns = route.params.ns;
  const atRoot = location.pathname === "/";
  useEffect(() => {
    if (ns && who) visited(ns);
  }, [ns, who]);
  useEffect(() => {
    if (who && atRoot) go(href("functions", { ns: homeNamespace() }), "replace");
  }, [who, atRoot]);
  if (route.screen === "docs" || route.screen === "guide") return <LazyDocs route={route} />;
  if (who === undefined || (who && atRoot)) return null;
  if (who === null) return <Login />;
  return (
    <Shell>
      <Screens route={route} />
    </Shell>
  );
}

startEvents();
startKeys();
/** Nobody signed in is no error: the login is shown. */
async function begin(): Promise<void> {
  const code = codeHere();
  if (!code) return readSession().catch(() => undefined);
  await followLink(code);
  const problem = linkProblem.value;
  if (!session.value || !problem) return;
  linkProblem.value = undefined;
  complained(problem);
}
void begin();
// A link that is opened where the page already is only changes the fragment.
addEventListener("hashchange", () => void (codeHere() && begin()));
const root = document.getElementById("app");
if (root) render(<App />, root);
