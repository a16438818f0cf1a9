// A file from the browser to the server's artifacts: hashed here, sent only if the server has not got it.

import { useId, useState } from "preact/hooks";
import { client, problemOf, type GatelessError } from "../api/client.ts";
import { headArtifact, putArtifact } from "../api/sdk.ts";
import { bytes } from "../logic/format.ts";
import { Problem } from "./basic.tsx";
import { Icon } from "./Icon.tsx";

export interface Uploaded {
  name: string;
  sha256: string;
  size: number;
  format: "tar.gz" | "executable" | "wasm";
}

const MAX_BYTES = 256 * 1024 * 1024;

async function sha256(file: File): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    throw new Error("This browser hashes files only on pages served over https or from localhost. Use `gateless deploy`, or put https in front of the server.");
  }
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function formatOf(name: string): Uploaded["format"] {
  if (/\.(tar\.gz|tgz)$/i.test(name)) return "tar.gz";
  return /\.wasm$/i.test(name) ? "wasm" : "executable";
}

async function upload(namespace: string, file: File): Promise<Uploaded> {
  if (file.size > MAX_BYTES) throw new Error(`${file.name} has ${bytes(file.size)}; at most ${bytes(MAX_BYTES)} can be uploaded`);
  const hash = await sha256(file);
  const path = { namespace, sha256: hash };
  const known = await headArtifact({ client, path }).then(
    () => true,
    () => false,
  );
  if (!known) await putArtifact({ client, path, body: file });
  return { name: file.name, sha256: hash, size: file.size, format: formatOf(file.name) };
}

interface Props {
  namespace: string;
  label: string;
  hint: string;
  /** What is there now, in words. */
  current: string | undefined;
  onUploaded(uploaded: Uploaded): void;
  onRemove?: (() => void) | undefined;
}

export function Upload({ namespace, label, hint, current, onUploaded, onRemove }: Props) {
  const [busy, setBusy] = useState<string>();
  const [problem, setProblem] = useState<GatelessError>();
  const [over, setOver] = useState(false);
  const id = useId();
  const take = async (file: File | undefined) => {
    if (!file) return;
    setBusy(file.name);
    setProblem(undefined);
    try {
      onUploaded(await upload(namespace, file));
    } catch (error) {
      setProblem(problemOf(error));
    }
    setBusy(undefined);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div
        class={over ? "upload over" : "upload"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void take(event.dataTransfer?.files[0]);
        }}
      >
        <Icon name="upload" />
        <span class="mono clip" role="status">
          {busy ? `Uploading ${busy}…` : (current ?? "Nothing chosen")}
        </span>
        {onRemove && current && (
          <button type="button" class="small quiet" onClick={onRemove}>
            Remove
          </button>
        )}
        <input id={id} type="file" aria-describedby={`${id}-hint`} disabled={busy !== undefined} onChange={(event) => {
          void take(event.currentTarget.files?.[0]);
          // The same file can be chosen again after it was changed.
          event.currentTarget.value = "";
        }} />
      </div>
      <p class="hint" id={`${id}-hint`}>{hint}</p>
      <Problem problem={problem} title="The file was not uploaded" />
    </div>
  );
}
