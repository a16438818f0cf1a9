// One line of a log: when, who wrote it, its level, and what it says, with what is searched for marked and calls it names as links.

import type { LogLine } from "../../api/sdk.ts";
import { partsOf, type Parsed } from "../../logic/logLine.ts";
import { clock } from "../../logic/format.ts";
import { href } from "../../router.ts";

interface Props {
  line: LogLine;
  parsed: Parsed;
  ns: string;
  /** To be marked. */
  words: string[];
}

export function Line({ line, parsed, ns, words }: Props) {
  const { level, message, fields } = parsed;
  return (
    <p class={`line ${line.stream === "stderr" ? "err" : ""} ${level ?? ""}`}>
      <time dateTime={line.time ?? undefined} title={line.time ?? undefined}>{line.time ? clock(line.time) : ""}</time>
      <span class="from" title={`${line.instance} · ${line.revision} · ${line.stream} · ${line.sidecar}`}>
        {line.instance.split("-").slice(-2).join("-")}
      </span>
      <span class="level">{level ?? ""}</span>
      <span class="text">
        {message !== "" && <Text text={message} ns={ns} words={words} />}
        {fields.map(([name, value]) => (
          <span key={name} class="pair">
            {" "}
            <b>{name}</b>=<Text text={value} ns={ns} words={words} />
          </span>
        ))}
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
