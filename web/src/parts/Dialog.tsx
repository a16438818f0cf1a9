// Dialogs, on the browser's own <dialog>: it traps focus and closes on Escape. Whoever had the focus gets it back. Back closes one, too.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { problemOf, type GatelessError } from "../api/client.ts";
import { Problem } from "./basic.tsx";
import { Icon } from "./Icon.tsx";
import { useOverlay } from "./overlay.ts";

interface DialogProps {
  title: string;
  onClose(): void;
  children: ComponentChildren;
  wide?: boolean;
  /** What was typed is asked about before Escape or a click beside it takes the dialog away; both happen by accident. */
  guarded?: boolean;
}

export function Dialog({ title, onClose, children, wide, guarded }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const typed = useRef(false);
  // What is in the dialog may take the focus before the browser notes who had it.
  const before = useRef(document.activeElement);
  const id = useId();
  const mayClose = () => guarded !== true || !typed.current || confirm("Close without saving what you typed?");
  const dismiss = () => {
    if (mayClose()) onClose();
  };
  useOverlay(onClose);
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      shown?.close();
      if (before.current instanceof HTMLElement && before.current.isConnected) before.current.focus();
    };
  }, []);
  const outside = (event: MouseEvent) => {
    if (event.target === dialog.current) dismiss();
  };
  return (
    <dialog
      ref={dialog}
      class={wide ? "wide" : ""}
      aria-labelledby={id}
      onClick={outside}
      onInput={() => (typed.current = true)}
      onCancel={(event) => {
        event.preventDefault();
        dismiss();
      }}
    >
      <div class="dialog-body">
        <header>
          <h2 id={id}>{title}</h2>
          <button type="button" class="icon" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  children: ComponentChildren;
  action: string;
  /** Has to be typed first, for what cannot be undone. */
  typed?: string;
  danger?: boolean;
  /** There is nothing to do, or not yet. */
  disabled?: boolean;
  onClose(): void;
  run(): Promise<void>;
}

export function Confirm({ title, children, action, typed, danger, disabled, onClose, run }: ConfirmProps) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<GatelessError>();
  const id = useId();
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await run();
      onClose();
    } catch (error) {
      setProblem(problemOf(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <div class="prose">{children}</div>
        {typed !== undefined && (
          <div class="field">
            <label for={id}>
              Type <code>{typed}</code> to confirm
            </label>
            <input id={id} value={text} autoComplete="off" spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />
          </div>
        )}
        <Problem problem={problem} />
        <footer>
          <button type="button" class="quiet" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class={danger ? "danger" : "primary"} disabled={busy || disabled === true || (typed !== undefined && text !== typed)}>
            {action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
