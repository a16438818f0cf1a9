// What instances write, as they write it. Bounded: past 5,000 lines the oldest go, and the page says so.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { streamLogs, type LogLine } from "../api/sdk.ts";
import { jsonLines } from "@gateless/sdk/stream.ts";
import { client, problemOf, type GatelessError } from "../api/client.ts";
import { Empty, Problem, State } from "../parts/basic.tsx";
import { Icon } from "../parts/Icon.tsx";
import { FunctionSelect } from "../parts/FunctionSelect.tsx";
import { Page } from "../parts/Shell.tsx";
import { clock, count } from "../logic/format.ts";
import { append, type Buffer, EMPTY } from "../logic/logbuffer.ts";
import type { Route } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";
import { Search } from "./Functions.tsx";

const TAIL = 500;
const FLUSH_MS = 100;
/** Of what is kept; the rest is found by filtering. */
const MAX_DRAWN = 1500;
const RETRY_MS = 2000;

interface Followed {
  buffer: Buffer;
  state: "connecting" | "following" | "ended";
  problem: GatelessError | undefined;
}

/** Follows the stream; what arrives is gathered, so that a chatty function costs ten drawings a second at most. */
function useLogs(ns: string, name: string, instance: string): Followed & { clear(): void } {
  const [followed, setFollowed] = useState<Followed>({ buffer: EMPTY, state: "connecting", problem: undefined });
  useEffect(() => {
    if (name === "") return;
    setFollowed({ buffer: EMPTY, state: "connecting", problem: undefined });
    const abort = new AbortController();
    let waiting: LogLine[] = [];
    let timer = 0;
    let retry = 0;
    const flush = () => {
      timer = 0;
      const lines = waiting;
      waiting = [];
      setFollowed((old) => ({ ...old, state: "following", buffer: append(old.buffer, lines) }));
    };
    let since = 0;
    const follow = async () => {
      try {
        const filter = { ...(instance === "" ? {} : { instance }), ...(since > 0 ? { since_ms: since } : {}) };
        const query = { follow: true, tail: TAIL, ...filter };
        const body: unknown = await streamLogs({ client, path: { namespace: ns, name }, query, parseAs: "stream", signal: abort.signal });
        setFollowed((old) => ({ ...old, state: "following", problem: undefined }));
        for await (const line of jsonLines<LogLine>(body as ReadableStream<Uint8Array>)) {
          waiting.push(line);
          if (line.time) since = Math.max(since, Date.parse(line.time));
          timer ||= window.setTimeout(flush, FLUSH_MS);
        }
        if (!abort.signal.aborted) again();
      } catch (error) {
        if (abort.signal.aborted) return;
        const problem = problemOf(error);
        setFollowed((old) => ({ ...old, state: "ended", problem: problem.status >= 400 && problem.status < 500 ? problem : undefined }));
        if (problem.status === 0 || problem.status >= 500) again();
      }
    };
    const again = () => {
      setFollowed((old) => ({ ...old, state: "connecting" }));
      retry = window.setTimeout(() => void follow(), RETRY_MS);
    };
    void follow();
    return () => {
      abort.abort();
      clearTimeout(timer);
      clearTimeout(retry);
    };
  }, [ns, name, instance]);
  return { ...followed, clear: () => setFollowed((old) => ({ ...old, buffer: EMPTY })) };
}

export function Logs({ route }: { route: Route }) {
  const ns = route.params.ns ?? "default";
  const functions = useLive(resources.functions(ns));
  const names = functions.value?.items.map((fn) => fn.name) ?? [];
  const name = route.query.get("function") ?? names[0] ?? "";
  const instance = route.query.get("instance") ?? "";
  const logs = useLogs(ns, name, instance);
  const [search, setSearch] = useState("");
  const [frozen, setFrozen] = useState<Buffer | null>(null);
  const buffer = frozen ?? logs.buffer;
  const waiting = logs.buffer.total - buffer.total;
  const found = useMemo(() => {
    const wanted = search.toLowerCase();
    return wanted === "" ? buffer.lines : buffer.lines.filter(({ line }) => line.line.toLowerCase().includes(wanted));
  }, [buffer, search]);
  const box = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  useEffect(() => {
    if (box.current && stuck.current) box.current.scrollTop = box.current.scrollHeight;
  }, [found]);

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
          <button type="button" aria-pressed={frozen !== null} onClick={() => setFrozen(frozen ? null : logs.buffer)}>
            <Icon name={frozen ? "invoke" : "pause"} />
            {frozen ? `Go on${waiting > 0 ? ` (${count(waiting)} new)` : ""}` : "Pause"}
          </button>
          <button type="button" class="quiet" onClick={() => { setFrozen(null); logs.clear(); }}>
            Clear
          </button>
        </>
      }
    >
      <Problem problem={logs.problem} />
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
        {found.length === 0 && <p class="nothing">{search === "" ? "Nothing was written yet. New lines appear here." : `No line has “${search}”.`}</p>}
        {found.slice(-MAX_DRAWN).map(({ line, key }) => (
          <p key={key} class={line.stream === "stderr" ? "line err" : "line"}>
            <time dateTime={line.time ?? undefined}>{line.time ? clock(line.time) : ""}</time>
            <span class="from" title={`${line.instance} · ${line.revision} · ${line.stream}`}>
              {line.instance.split("-").slice(-2).join("-")}
            </span>
            <span class="text">{line.line}</span>
          </p>
        ))}
      </div>
      <p class="hint lines-foot">
        <State tone={frozen ? "warn" : logs.state === "following" ? "ok" : "busy"}>{frozen ? "paused" : logs.state}</State>
        <span>
          {count(found.length)} {search === "" ? "lines" : `of ${count(buffer.lines.length)} lines`}
          {buffer.dropped > 0 && `; ${count(buffer.dropped)} older ones went`}
        </span>
        <code>gateless logs -f {name}</code>
      </p>
    </Page>
  );
}
