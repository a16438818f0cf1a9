// The switch between namespaces: those this browser knows, with what is in each, and a field for another. The API lists none, as a
// namespace exists only through what is in it.

import { useState } from "preact/hooks";
import { plural } from "../logic/format.ts";
import { here, namespacesShown } from "../keys.ts";
import { go, href } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { namespaces, session, visited } from "../store/session.ts";
import { Dialog } from "./Dialog.tsx";
import { TextField } from "./Field.tsx";
import { Icon } from "./Icon.tsx";

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export function Namespace() {
  const own = session.value?.namespace;
  if (own !== "*") return <p class="namespace"><span>Namespace</span> {own}</p>;
  return (
    <div class="namespace">
      <button type="button" aria-haspopup="dialog" title="Switch to another namespace" onClick={() => (namespacesShown.value = true)}>
        <span>Namespace</span> <b>{here()}</b>
        <Icon name="right" />
      </button>
    </div>
  );
}

const close = () => (namespacesShown.value = false);

export function Namespaces() {
  return namespacesShown.value ? <Switch /> : null;
}

function Switch() {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string>();
  const open = (name: string) => {
    if (!LABEL.test(name)) return setWrong("A DNS label: small letters, digits and dashes.");
    close();
    visited(name);
    go(href("functions", { ns: name }));
  };
  return (
    <Dialog title="Namespaces" onClose={close}>
      <ul class="namespaces">
        {namespaces.value.map((name) => (
          <Known key={name} name={name} open={open} />
        ))}
      </ul>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          open(text);
        }}
      >
        <TextField label="Another" value={text} onChange={setText} placeholder="team-a" error={wrong} />
        <footer>
          <button type="submit" class="primary">Switch</button>
        </footer>
      </form>
    </Dialog>
  );
}

function Known({ name, open }: { name: string; open(name: string): void }) {
  const { value, problem } = useLive(resources.functions(name));
  const failing = value?.items.filter((fn) => fn.status.conditions.some((one) => one.type === "Ready" && one.status === "false")).length ?? 0;
  const more = value?.truncated ? " or more" : "";
  const counts = value ? `${plural(value.items.length, "function")}${more}${failing > 0 ? `, ${failing} not ready` : ""}` : problem ? "cannot be read" : "…";
  return (
    <li>
      <button type="button" aria-current={name === here() ? "true" : undefined} onClick={() => open(name)}>
        <span>{name}</span>
        <small class={failing > 0 ? "bad" : ""}>{counts}</small>
      </button>
    </li>
  );
}
