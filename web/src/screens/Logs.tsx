// What instances write, as they write it or of a range of the past: by level, by words, with fields apart. Bounded: past 5,000 lines the
// oldest go, and the page says so.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Empty, Problem, State } from "../parts/basic.tsx";
import { Icon } from "../parts/Icon.tsx";
import { FunctionSelect } from "../parts/FunctionSelect.tsx";
import { Page } from "../parts/Shell.tsx";
import { fromLocal, toLocal } from "../logic/callFilter.ts";
import { count } from "../logic/format.ts";
import { matching, wordsOf, type Buffer } from "../logic/logbuffer.ts";
import { LEVELS } from "../logic/logLine.ts";
import { refine, type Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { Search } from "./Functions.tsx";
import { useLogs, type LogFilter } from "./logs/follow.ts";
import { Line } from "./logs/Line.tsx";

/** Of what is kept; the rest is found by filtering. */
const MAX_DRAWN = 500;
const HOUR_MS = 3_600_000;

const whole = (ms: number) => new Date(Math.floor(ms / 1000) * 1000).toISOString();
const time = (text: string | null) => (text && !Number.isNaN(Date.parse(text)) ? new Date(text).toISOString() : "");

export function Logs({ route }: { route: Route }) {
  const { query } = route;
  const ns = route.params.ns ?? "default";
  const functions = useLive(resources.functions(ns));
  const names = functions.value?.items.map((fn) => fn.name) ?? [];
  const name = query.get("function") ?? names[0] ?? "";
  const instance = query.get("instance") ?? "";
  const level = LEVELS.find((one) => one === query.get("level")) ?? "";
  const filter: LogFilter = { ns, name, instance, since: time(query.get("since")), until: time(query.get("until")) };
  const logs = useLogs(filter);
  const [search, setSearch] = useState(query.get("q") ?? "");
  const [frozen, setFrozen] = useState<Buffer | null>(null);
  const buffer = frozen ?? logs.buffer;
  const waiting = logs.buffer.total - buffer.total;
  const words = useMemo(() => wordsOf(search), [search]);
  const found = useMemo(() => matching(buffer.lines, words, level), [buffer, words, level]);
  const live = filter.until === "";

  if (functions.value && names.length === 0) {
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
          <When filter={filter} />
          {live && (
            <button type="button" aria-pressed={frozen !== null} onClick={() => setFrozen(frozen ? null : logs.buffer)}>
              <Icon name={frozen ? "invoke" : "pause"} />
              {frozen ? `Go on${waiting > 0 ? ` (${count(waiting)} new)` : ""}` : "Pause"}
            </button>
          )}
          <button type="button" class="quiet" onClick={() => { setFrozen(null); logs.clear(); }}>
            Clear
          </button>
        </>
      }
    >
      <Problem problem={logs.problem} />
      <Lines found={found} ns={ns} name={name} words={words} nothing={search === "" && level === "" ? (live ? "Nothing was written yet. New lines appear here." : "Nothing was written then.") : "No line is so."} />
      <p class="hint lines-foot">
        <State tone={frozen ? "warn" : logs.state === "following" || logs.state === "read" ? "ok" : "busy"}>{frozen ? "paused" : logs.state}</State>
        <span>
          {count(found.length)} {found.length === buffer.lines.length ? "lines" : `of ${count(buffer.lines.length)} lines`}
          {found.length > MAX_DRAWN && `, the last ${MAX_DRAWN} shown`}
          {buffer.dropped > 0 && `; ${count(buffer.dropped)} older ones went`}
        </span>
        <code>gateless logs -f {name}</code>
      </p>
    </Page>
  );
}

function When({ filter: { since, until } }: { filter: LogFilter }) {
  const ranged = since !== "" || until !== "";
  const choose = (key: string) => {
    const now = Date.now();
    refine(key === "" ? { since: "", until: "" } : { since: whole(now - HOUR_MS), until: whole(now + 1000) });
  };
  const bound = (name: "since" | "until", value: string, label: string) => (
    <input type="datetime-local" step={1} aria-label={label} value={toLocal(value)} onChange={(event) => refine({ [name]: fromLocal(event.currentTarget.value) })} />
  );
  return (
    <>
      <select aria-label="When" value={ranged ? "range" : ""} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="">Live</option>
        <option value="range" selected={ranged}>Range…</option>
      </select>
      {ranged && bound("since", since, "From")}
      {ranged && bound("until", until, "To")}
    </>
  );
}

interface LinesProps {
  found: Buffer["lines"];
  ns: string;
  name: string;
  words: string[];
  nothing: string;
}

function Lines({ found, ns, name, words, nothing }: LinesProps) {
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
      {found.length === 0 && <p class="nothing">{nothing}</p>}
      {found.slice(-MAX_DRAWN).map(({ line, parsed, key }) => (
        <Line key={key} line={line} parsed={parsed} ns={ns} words={marked} />
      ))}
    </div>
  );
}
