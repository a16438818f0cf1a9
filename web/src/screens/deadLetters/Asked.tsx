// Asks before many dead letters are put back or deleted, and says how many that would be. Deliberately not done in the browser: the
// server counts them, whatever this page has read.

import { useEffect, useState } from "preact/hooks";
import { purgeDeadLetters, replayDeadLetters } from "../../api/sdk.ts";
import { Confirm } from "../../parts/Dialog.tsx";
import { saidOf } from "../../parts/Toasts.tsx";
import { wordsOf, type Outcome, type Part } from "../../logic/bulk.ts";
import { count, plural } from "../../logic/format.ts";
import { actOnCalls } from "../../store/bulk.ts";
import { useLive } from "../../store/live.ts";
import * as resources from "../../store/resources.ts";

interface Props {
  ns: string;
  parts: Part[];
  /** Which they are, after their number: "of hello". */
  which: string;
  onClose(): void;
  onDone(): void;
}

const NOUN = "dead letter";
export const PUT_BACK = "put back into the queue";

export function AskReplay({ ns, parts, which, onClose, onDone }: Props) {
  const [outcome, setOutcome] = useState<Outcome>();
  useEffect(() => {
    let gone = false;
    const rehearsed = actOnCalls(({ client, path, body }) => replayDeadLetters({ client, path, body: { ...body, dry_run: true } }), ns, parts);
    void rehearsed.then((answer) => !gone && setOutcome(answer));
    return () => void (gone = true);
  }, []);
  const left = outcome && wordsOf(outcome, NOUN, "").problem;
  return (
    <Confirm
      title={`Replay dead letters ${which}?`}
      action={outcome && outcome.count > 0 ? `Replay ${count(outcome.count)}` : "Replay"}
      disabled={!outcome || outcome.count === 0}
      onClose={onClose}
      run={async () => {
        saidOf(await actOnCalls(replayDeadLetters, ns, parts), NOUN, PUT_BACK);
        onDone();
      }}
    >
      <div role="status">
        {outcome ? <p>{plural(outcome.count, NOUN)} would be {PUT_BACK}, with fresh attempts.</p> : <p>The server counts them…</p>}
        {left && <p class="bad">{left}</p>}
      </div>
    </Confirm>
  );
}

export function AskPurge({ ns, parts, which, onClose, onDone }: Props) {
  const queues = useLive(resources.queues(ns)).value;
  const dead = queues?.filter((one) => parts.some(([name]) => name === one.function)).reduce((sum, one) => sum + one.dead, 0);
  return (
    <Confirm
      title={`Purge dead letters ${which}?`}
      action="Purge"
      typed="purge"
      danger
      onClose={onClose}
      run={async () => {
        saidOf(await actOnCalls(({ client, path }) => purgeDeadLetters({ client, path }), ns, parts), NOUN, "purged");
        onDone();
      }}
    >
      <p role="status">
        {dead === undefined ? "Every one" : plural(dead, NOUN)} {which} would be deleted, with {dead === 1 ? "its body" : "their bodies"}. This
        cannot be undone.
      </p>
    </Confirm>
  );
}
