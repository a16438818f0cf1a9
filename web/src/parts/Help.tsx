// The list of keys, shown by `?`.

import { helpShown, JUMPS } from "../keys.ts";
import { Dialog } from "./Dialog.tsx";

const OTHERS: [keys: string[], what: string][] = [
  [["Ctrl", "K"], "Go to a function, call, namespace or action"],
  [["/"], "Search this screen"],
  [["j"], "Next row"],
  [["k"], "Previous row"],
  [["Enter"], "Open the row"],
  [["n"], "Register a function"],
  [["m"], "Dark or light"],
  [["Esc"], "Close, or leave a field"],
  [["?"], "These keys"],
];

export function Help() {
  if (!helpShown.value) return null;
  const rows: [string[], string][] = [...OTHERS, ...JUMPS.map(([key, , label]): [string[], string] => [["g", key], label])];
  return (
    <Dialog title="Keyboard" onClose={() => (helpShown.value = false)}>
      <dl class="keys">
        {rows.map(([keys, what]) => (
          <div key={what}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
