// One line of a log: when, who wrote it, its level, and what it says, with what is searched for marked and calls it names as links.

import type { LogLine } from "../../api/sdk.ts";
import { partsOf, type Parsed } from "../../logic/logLine.ts";
import { clock, plural } from "../../logic/format.ts";
import { href } from "../../router.ts";

interface Props {
  line: LogLine;
  parsed: Parsed;
  ns: string;
  /** To be marked. */
  words: string[];
  /** As it was written, not taken apart. */
  raw?: boolean;
}

/** Of one line; whoever wants the rest reads it raw. */
const MAX_FIELDS = 40;

export function Line({ line, parsed, ns, words, raw = false }: Props) {
  const { level } = parsed;
  const [message, fields] = raw ? [line.line, []] : [parsed.message, parsed.fields];
  return (
    <p class={`line ${line.stream === "stderr" ? "err" : ""} ${level ?? ""}`}>
      <time dateTime={line.time ?? undefined} title={line.time ?? undefined}>{line.time ? clock(line.time) : ""}</time>
      <span class="from" title={`${line.instance} · ${line.revision} · ${line.stream} · ${line.sidecar}`}>
        {line.instance.split("-").slice(-2).join("-")}
      </span>
      <span class="level">{level ?? ""}</span>
      <span class="text">
        {message !== "" && <Text text={message} ns={ns} words={words} />}
        {fields.slice(0, MAX_FIELDS).map(([name, value], index) => (
          <span key={index} class="pair">
            {(index > 0 || message !== "") && " "}
            <b>{name}</b>=<Text text={value} ns={ns} words={words} />
          </span>
        ))}
        {fields.length > MAX_FIELDS && <span class="pair"> and {plural(fields.length - MAX_FIELDS, "more field")}</span>}
      </span>
    </p>
  );
}

function Text({ text, ns, words }: { text: string; ns: string; words: string[] }) {
  return (
    <>
      {partsOf(text, words).map((part, index) => {
        const shown = part.marked ? <mark>{part.text}</mark> : part.text;
        return part.call ? (
          <a key={index} href={href("callById", { ns, id: part.text })}>
            {shown}
          </a>
        ) : (
          shown
        );
      })}
    </>
  );
}
