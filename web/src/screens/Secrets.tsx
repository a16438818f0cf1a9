// Secrets: which there are and which keys they have. Their values can be set, and never read.

import { useState } from "preact/hooks";
import { client, etag, problemOf, type GatelessError } from "../api/client.ts";
import { deleteSecret, putSecret, type Secret } from "../api/sdk.ts";
import { Confirm, Dialog } from "../parts/Dialog.tsx";
import { Ago, Badge, Empty, Loading, Problem } from "../parts/basic.tsx";
import { errorAt, TextField } from "../parts/Field.tsx";
import { Icon } from "../parts/Icon.tsx";
import { useChosen } from "../parts/inAddress.ts";
import { Page } from "../parts/Shell.tsx";
import { said } from "../parts/Toasts.tsx";
import type { Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { useMay } from "../store/session.ts";
import { Table } from "../parts/Table.tsx";

export function Secrets({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const secrets = useLive(resources.secrets(ns));
  const mayDeploy = useMay("deploy");
  const [deleting, setDeleting] = useState<Secret | null>(null);
  const items = secrets.value ?? [];
  const [asked, choose] = useChosen("edit");
  const [creating, create] = useChosen("new");
  const editing = mayDeploy ? items.find((one) => one.name === asked) : undefined;
  return (
    <Page
      name="Secrets"
      title="Secrets"
      lead="Functions get them as environment variables. Values can be set, never read back."
      actions={
        mayDeploy && (
          <button type="button" class="primary" onClick={() => create("secret")}>
            <Icon name="plus" />
            Set a secret
          </button>
        )
      }
    >
      <Problem problem={secrets.problem} retry={secrets.reload} />
      {secrets.loading && !secrets.value && <Loading what="secrets" />}
      {secrets.value && items.length === 0 && (
        <Empty title="No secret yet" command="gateless secret set store key=@key.txt">
          <p>Set one here, or from a file, so that its value is in no shell history:</p>
        </Empty>
      )}
      {items.length > 0 && (
        <Table caption={`Secrets of ${ns}`} columns={["Secret", "Keys", "Changed", "(Actions)"]}>
          {items.map((secret) => (
            <tr key={secret.name}>
              <th scope="row" class="strong">{secret.name}</th>
              <td class="badges">{secret.keys.map((key) => <Badge key={key}>{key}</Badge>)}</td>
              <td><Ago time={secret.updated_at} /></td>
              <td class="acts">
                {mayDeploy && (
                  <>
                    <button type="button" class="small" aria-label={`Replace ${secret.name}`} onClick={() => choose(secret.name)}>Replace</button>{" "}
                    <button type="button" class="small quiet danger" aria-label={`Delete ${secret.name}`} onClick={() => setDeleting(secret)}>Delete</button>
                  </>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {editing && <Edit ns={ns} secret={editing} onClose={() => choose("")} onDone={secrets.reload} />}
      {creating && mayDeploy && <Edit ns={ns} secret={null} onClose={() => create("")} onDone={secrets.reload} />}
      {deleting && (
        <Confirm
          title={`Delete ${deleting.name}?`}
          action="Delete secret"
          danger
          onClose={() => setDeleting(null)}
          run={async () => {
            await deleteSecret({ client, path: { namespace: ns, name: deleting.name }, headers: etag(deleting.version) });
            said(`${deleting.name} is deleted`);
            secrets.reload();
          }}
        >
          <p>Instances that have its values keep them until they are replaced. New ones of functions that refer to it do not start.</p>
        </Confirm>
      )}
    </Page>
  );
}

interface EditProps {
  ns: string;
  /** null: a new one. */
  secret: Secret | null;
  onClose(): void;
  onDone(): void;
}

function Edit({ ns, secret, onClose, onDone }: EditProps) {
  const [name, setName] = useState(secret?.name ?? "");
  const [rows, setRows] = useState((secret?.keys ?? [""]).map((key) => ({ key, value: "" })));
  const [problem, setProblem] = useState<GatelessError>();
  const change = (index: number, part: { key?: string; value?: string }) =>
    setRows(rows.map((row, at) => (at === index ? { ...row, ...part } : row)));
  const submit = async (event: Event) => {
    event.preventDefault();
    const data = Object.fromEntries(rows.filter((row) => row.key !== "").map((row) => [row.key, row.value]));
    const headers = secret ? etag(secret.version) : { "If-None-Match": "*" };
    try {
      await putSecret({ client, path: { namespace: ns, name }, body: { data }, headers });
      said(`${name} is set`);
      onDone();
      onClose();
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  return (
    <Dialog title={secret ? `Replace ${secret.name}` : "Set a secret"} onClose={onClose} guarded>
      <form onSubmit={(event) => void submit(event)}>
        {!secret && <TextField label="Name" value={name} onChange={setName} required error={errorAt(problem, "name")} placeholder="store" />}
        {rows.map((row, index) => (
          <div class="row" key={index}>
            <TextField label="Key" value={row.key} onChange={(key) => change(index, { key })} required={index === 0} placeholder="key" mono />
            <TextField label="Value" type="password" value={row.value} onChange={(value) => change(index, { value })} error={errorAt(problem, `/data/${row.key}`)} />
          </div>
        ))}
        <button type="button" class="small quiet" onClick={() => setRows([...rows, { key: "", value: "" }])}>
          <Icon name="plus" />
          Another key
        </button>
        <p class="hint">The secret has exactly these keys afterwards.</p>
        <Problem problem={problem} />
        <footer>
          <button type="button" class="quiet" onClick={onClose}>Cancel</button>
          <button type="submit" class="primary">Set</button>
        </footer>
      </form>
    </Dialog>
  );
}
