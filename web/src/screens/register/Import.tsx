// A function.toml from the disk or the clipboard into the draft. The TOML reader is loaded when somebody imports.

import { useState } from "preact/hooks";
import { problemOf, type GatelessError } from "../../api/client.ts";
import { Dialog } from "../../parts/Dialog.tsx";
import { Problem } from "../../parts/basic.tsx";
import { Field, TextField } from "../../parts/Field.tsx";
import { Icon } from "../../parts/Icon.tsx";
import { fromToml, readToml, type Imported } from "../../logic/toml.ts";

export function ImportButton({ onImported }: { onImported(imported: Imported): void }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        <Icon name="upload" />
        Import function.toml
      </button>
      {open && <ImportDialog onClose={() => setOpen(false)} onImported={onImported} />}
    </>
  );
}

function ImportDialog({ onClose, onImported }: { onClose(): void; onImported(imported: Imported): void }) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<GatelessError>();
  const take = async (event: Event) => {
    event.preventDefault();
    // The editor's own form is round this button.
    event.stopPropagation();
    try {
      const imported = fromToml(await readToml(text));
      const notes = imported.upload ? [...imported.notes, `It names ${imported.upload}: choose that file below.`] : imported.notes;
      onImported({ ...imported, notes });
      onClose();
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  return (
    <Dialog title="Import function.toml" onClose={onClose} wide guarded>
      <form onSubmit={(event) => void take(event)}>
        <Field label="File">
          {({ id }) => (
            <input
              id={id}
              type="file"
              accept=".toml"
              onChange={(event) => {
                void event.currentTarget.files?.[0]?.text().then(setText);
              }}
            />
          )}
        </Field>
        <TextField label="Or its text" value={text} onChange={setText} lines={14} mono placeholder={'name = "hello"\ncommand = "exec ./start.sh"'} />
        <Problem problem={problem} title="This is no function.toml" />
        <footer>
          <button type="button" class="quiet" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={text.trim() === ""}>
            Import
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
