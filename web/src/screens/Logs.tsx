// What instances write, as they write it or of a range of the past: by level, by words, with fields apart. Bounded: past 5,000 lines the
// oldest go, and the page says so.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Empty, Problem, State, Warnings } from "../parts/basic.tsx";
import { Icon } from "../parts/Icon.tsx";
import { FunctionSelect, useNames } from "../parts/FunctionSelect.tsx";
import { Page } from "../parts/Shell.tsx";
import { useInAddress } from "../parts/inAddress.ts";
import { When } from "../parts/When.tsx";
import { timeOf } from "../logic/callFilter.ts";
import { count } from "../logic/format.ts";
import { matching, wordsOf, type Buffer } from "../logic/logbuffer.ts";
import { LEVELS } from "../logic/logLine.ts";
import { refine, type Route } from "../router.ts";
import { Search } from "./Functions.tsx";
import { useLogs, type Followed, type LogFilter } from "./logs/follow.ts";
import { Line } from "./logs/Line.tsx";

/** Of what is kept; the rest is found by filtering. */
const MAX_DRAWN = 500;

const NONE: string[] = [];

export function Logs({ route }: { route: Route }) {
  const { query } = route;
  const ns = route.params.ns ?? "default";
  const known = useNames(ns);
  const names = known ?? NONE;
  const name = query.get("function") ?? names[0] ?? "";
  const instance = query.get("instance") ?? "";
  const level = LEVELS.find((one) => one === query.get("level")) ?? "";
  const filter: LogFilter = { ns, name, instance, since: timeOf(query.get("since") ?? ""), until: timeOf(query.get("until") ?? "") };
  const logs = useLogs(filter);
  const [search, setSearch] = useInAddress("q");
  const raw = query.get("raw") === "1";
  // Of these lines only: other ones are not paused.
  const shown = JSON.stringify([name, instance, filter.since, filter.until]);
  const [paused, setPaused] = useState<{ of: string; buffer: Buffer }>();
  const frozen = paused?.of === shown ? paused.buffer : null;
  const buffer = frozen ?? logs.buffer;
  const waiting = logs.buffer.total - buffer.total;
  const words = useMemo(() => wordsOf(search), [search]);
  const found = useMemo(() => matching(buffer.lines, words, level), [buffer, words, level]);
  const live = filter.until === "";

  if (known && names.length === 0) {
    return (
      <Page name="Logs" title="Logs">
        <Empty title="There is no function to listen to" command="gateless deploy examples/shell-anything" />
      </Page>
    );
  }
  return (
    <Page
      name="Logs"
      title="Logs"
      lead={<>{instance === "" ? "Every instance" : `Instance ${instance}`}, on every sidecar</>}
      actions={
        <>
          <Search value={search} onChange={setSearch} label="Filter lines" />
          <FunctionSelect names={names} name={name} />
          <select aria-label="Level" value={level} onChange={(event) => refine({ level: event.currentTarget.value })}>
            <option value="">Every level</option>
            {LEVELS.slice(0, -1).map((one) => (
              <option key={one} value={one} selected={one === level}>
                {one === "error" ? "Errors" : `${one} and worse`}
              </option>
            ))}
          </select>
          <When since={filter.since} until={filter.until} />
          <button type="button" aria-pressed={raw} onClick={() => refine({ raw: raw ? "" : "1" })}>Raw</button>
          {live && (
            <>
              <button type="button" aria-pressed={frozen !== null} onClick={() => setPaused(frozen ? undefined : { of: shown, buffer: logs.buffer })}>
                <Icon name={frozen ? "invoke" : "pause"} />
                {frozen ? `Go on${waiting > 0 ? ` (${count(waiting)} new)` : ""}` : "Pause"}
              </button>
              <button type="button" class="quiet" onClick={() => { setPaused(undefined); logs.clear(); }}>
                Clear
              </button>
            </>
          )}
        </>
      }
    >
      <Problem problem={logs.problem} />
      <Warnings items={logs.warnings} />
      <Lines found={found} ns={ns} name={name} words={words} raw={raw} nothing={nothingOf(logs, search !== "" || level !== "", live)} />
      <p class="hint lines-foot">
        <State tone={frozen ? "warn" : logs.state === "following" || logs.state === "read" ? "ok" : "busy"}>{frozen ? "paused" : logs.state}</State>
        <span class={live ? "count" : ""}>
          {count(found.length)} {found.length === buffer.lines.length ? "lines" : `of ${count(buffer.lines.length)} lines`}
          {found.length > MAX_DRAWN && `, the last ${MAX_DRAWN} shown`}
          {buffer.dropped > 0 && (filter.since === "" ? `; ${count(buffer.dropped)} older ones went` : "; older ones of that time are not here: end it earlier")}
        </span>
        <code>gateless logs -f {name}</code>
      </p>
    </Page>
  );
}

/** What there is to say where no line is. */
function nothingOf({ state }: Followed, filtered: boolean, live: boolean): string {
  if (state === "ended") return "";
  if (!live && state !== "read") return "Reading…";
  if (filtered) return "No line is so.";
  return live ? "Nothing was written yet. New lines appear here." : "Nothing was written then.";
}

interface LinesProps {
  found: Buffer["lines"];
  ns: string;
  name: string;
  words: string[];
  raw: boolean;
  nothing: string;
}

function Lines({ found, ns, name, words, raw, nothing }: LinesProps) {
  const box = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  useEffect(() => {
    if (box.current && stuck.current) box.current.scrollTop = box.current.scrollHeight;
  }, [found]);
  // What a field's name and value are searched by is marked by its value.
  const marked = words.map((word) => word.slice(word.indexOf("=") + 1));
  return (
    <div
      class="lines"
      ref={box}
      role="log"
      tabIndex={0}
      aria-label={`Logs of ${name}`}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        stuck.current = scrollHeight - scrollTop - clientHeight < 24;
      }}
    >
      {found.length === 0 && nothing !== "" && <p class="nothing">{nothing}</p>}
      {found.slice(-MAX_DRAWN).map(({ line, parsed, key }) => (
        <Line key={key} line={line} parsed={parsed} ns={ns} words={marked} raw={raw} />
      ))}
    </div>
  );
}
