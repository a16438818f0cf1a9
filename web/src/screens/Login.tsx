// The way in: for a token the server begins a session, whose cookie scripts cannot read. The token itself is not kept.

import { useState } from "preact/hooks";
import { problemOf, type GatelessError } from "../api/client.ts";
import { Command, Problem } from "../parts/basic.tsx";
import { TextField } from "../parts/Field.tsx";
import { href } from "../router.ts";
import { linkProblem, signIn } from "../store/session.ts";

export function Login() {
  document.title = "Sign in · Gateless";
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<GatelessError>();
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await signIn(token.trim());
    } catch (error) {
      setProblem(problemOf(error));
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form onSubmit={(event) => void submit(event)}>
        <svg viewBox="0 0 32 32" width="40" height="40" aria-hidden="true">
          <path d="M4 9.5h24M8 15.5h16M10.5 9.5V27M21.5 9.5V27" />
        </svg>
        <h1>Gateless</h1>
        <p class="lead">Functions without a gateway.</p>
        <TextField label="Token" type="password" value={token} onChange={setToken} required hint="Begins a session; the token itself is not kept here." />
        <button type="submit" class="primary" disabled={busy || token.trim() === ""}>
          Sign in
        </button>
        <Problem problem={problem ?? linkProblem.value} title={problem ? "That did not work" : "The link did not sign you in"} />
        <details>
          <summary>Where do I get one?</summary>
          <p>Whoever is logged in on the command line needs none: this prints a link that signs one browser in.</p>
          <Command text="gateless dashboard" />
          <p>For others, make one:</p>
          <Command text="gateless token create --role admin --ttl 30d" />
        </details>
        <p class="hint">
          Guides and the API’s reference need no token: <a href={href("docs")}>Documentation</a>.
        </p>
      </form>
    </main>
  );
}
