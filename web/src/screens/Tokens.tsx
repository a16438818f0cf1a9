// Access tokens: made, shown once, revoked.

import { useState } from "preact/hooks";
import { client, problemOf, type GatelessError } from "../api/client.ts";
import { createToken, revokeToken, type Role, type TokenInfo } from "../api/sdk.ts";
import { Confirm, Dialog } from "../parts/Dialog.tsx";
import { Ago, Badge, Command, Empty, Loading, Problem } from "../parts/basic.tsx";
import { errorAt, ParsedField, SelectField, TextField } from "../parts/Field.tsx";
import { Icon } from "../parts/Icon.tsx";
import { useChosen } from "../parts/inAddress.ts";
import { Page } from "../parts/Shell.tsx";
import { said } from "../parts/Toasts.tsx";
import { shortId } from "../logic/format.ts";
import { parseDuration, writeDuration } from "../logic/units.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { session } from "../store/session.ts";
import { Table } from "../parts/Table.tsx";

const ROLES = [
  ["viewer", "Viewer: reading"],
  ["invoker", "Invoker: calls"],
  ["deployer", "Deployer: functions, secrets and calls"],
  ["admin", "Admin: everything, tokens too"],
] as const;

export function Tokens() {
  const tokens = useLive(resources.tokens());
  const who = session.value;
  const [creating, create] = useChosen("new");
  const [revoking, setRevoking] = useState<TokenInfo | null>(null);
  const items = tokens.value ?? [];
  return (
    <Page
      name="Tokens"
      title="Tokens"
      lead="A token is shown once, when it is made. Revoking one ends its sessions at once."
      actions={
        <button type="button" class="primary" onClick={() => create("token")}>
          <Icon name="plus" />
          Create token
        </button>
      }
    >
      <Problem problem={tokens.problem} retry={tokens.reload} />
      {tokens.loading && !tokens.value && <Loading what="tokens" />}
      {tokens.value && items.length === 0 && <Empty title="No token of this namespace" command="gateless token create --role deployer" />}
      {items.length > 0 && (
        <Table caption="Tokens" columns={["Token", "What for", "Role", "Namespace", "Created", "Ends", "(Actions)"]}>
          {items.map((token) => (
            <tr key={token.id}>
              <th scope="row" class="mono" title={token.id}>
                {shortId(token.id)}
                {token.id === who?.token_id && <Badge tone="busy">this session</Badge>}
              </th>
              <td class="clip">{token.description || <span class="hint">–</span>}</td>
              <td>{token.role}</td>
              <td>{token.namespace === "*" ? "all" : token.namespace}</td>
              <td><Ago time={token.created_at} /></td>
              <td><Ago time={token.expires_at} /></td>
              <td class="acts">
                <button type="button" class="small quiet danger" aria-label={`Revoke ${token.description || token.id}`} onClick={() => setRevoking(token)}>Revoke</button>
              </td>
            </tr>
          ))}
        </Table>
      )}
      {creating && <Create namespace={who?.namespace ?? "*"} onClose={() => create("")} onDone={tokens.reload} />}
      {revoking && (
        <Confirm
          title="Revoke this token?"
          action="Revoke"
          danger
          onClose={() => setRevoking(null)}
          run={async () => {
            await revokeToken({ client, path: { id: revoking.id } });
            said("The token is revoked");
            tokens.reload();
          }}
        >
          <p>
            {revoking.description || shortId(revoking.id)} stops working at once.
            {revoking.id === who?.token_id && " It is the one you are signed in with."}
          </p>
        </Confirm>
      )}
    </Page>
  );
}

function Create({ namespace, onClose, onDone }: { namespace: string; onClose(): void; onDone(): void }) {
  const [role, setRole] = useState<Role>("deployer");
  const [scope, setScope] = useState(namespace === "*" ? "default" : namespace);
  const [description, setDescription] = useState("");
  const [ttl, setTtl] = useState<number | undefined>(30 * 86_400_000);
  const [made, setMade] = useState<string>();
  const [problem, setProblem] = useState<GatelessError>();
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const body = { role, namespace: scope, description, ttl_seconds: Math.round((ttl ?? 0) / 1000) };
      setMade((await createToken({ client, body })).token);
      onDone();
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  if (made) {
    return (
      <Dialog title="Your new token" onClose={onClose}>
        <p class="prose">Copy it now: it is not kept, and not shown again.</p>
        <Command text={made} />
        <p class="hint spaced">For the command line: <code>GATELESS_TOKEN=… gateless login --server {location.origin}</code></p>
      </Dialog>
    );
  }
  return (
    <Dialog title="Create token" onClose={onClose} guarded>
      <form onSubmit={(event) => void submit(event)}>
        <TextField label="What for" value={description} onChange={setDescription} placeholder="deployments from CI" error={errorAt(problem, "/description")} />
        <SelectField label="Role" value={role} onChange={(value) => setRole(value as Role)} options={ROLES} error={errorAt(problem, "/role")} />
        <div class="row">
          <TextField label="Namespace" value={scope} onChange={setScope} required disabled={namespace !== "*"} hint="* for all" error={errorAt(problem, "/namespace")} />
          <ParsedField label="Good for" value={ttl} onChange={setTtl} read={parseDuration} write={writeDuration} wrong='Write it as "30d" or "12h"' hint="At most a year." error={errorAt(problem, "/ttl_seconds")} />
        </div>
        <Problem problem={problem} />
        <footer>
          <button type="button" class="quiet" onClick={onClose}>Cancel</button>
          <button type="submit" class="primary">Create</button>
        </footer>
      </form>
    </Dialog>
  );
}
