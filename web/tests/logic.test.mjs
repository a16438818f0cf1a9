// The pure parts: what an event does, what a dry run shows, how traffic sums up, what snippets say. No browser, no server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createServer } from "vite";
import { ROOT } from "./gateless.mjs";

let vite;
const load = (path) => vite.ssrLoadModule(`/src/${path}`);

before(async () => {
  vite = await createServer({ root: `${ROOT}web`, appType: "custom", logLevel: "error", server: { middlewareMode: true, hmr: false, ws: false, watch: null } });
});
after(() => vite.close());

/** The TOML reader makes objects without a prototype. */
const plain = (value) => JSON.parse(JSON.stringify(value));
const ZERO = { rps: 0, errors_per_second: 0, p50_ms: null, p95_ms: null, in_flight: 0, held: 0, ready: 0, starting: 0, desired: 0, queued: 0, dead: 0 };
const at = (second) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
const event = (type, more = {}) => ({ type, time: at(0), namespace: "default", function: "f", ...more });

test("a split always sums to 100 whatever is dragged", async () => {
  const { rebalance } = await load("logic/traffic.ts");
  const check = (percents, index, value, expected) => assert.deepEqual(rebalance(percents, index, value), expected);
  check([100, 0], 0, 90, [90, 10]);
  check([50, 50], 1, 20, [80, 20]);
  check([60, 30, 10], 0, 30, [30, 53, 17]);
  check([100, 0, 0], 0, 99, [99, 1, 0]);
  check([100], 0, 3, [100]);
  check([0, 100], 0, 130, [100, 0]);
  for (let seed = 1; seed < 500; seed += 1) {
    const count = (seed % 5) + 2;
    let percents = Array.from({ length: count }, (_, index) => (index === 0 ? 100 : 0));
    for (let step = 0; step < 6; step += 1) percents = rebalance(percents, (seed * step) % count, (seed * 37 + step * 13) % 101);
    assert.equal(percents.reduce((sum, one) => sum + one), 100, `seed ${seed}: ${percents}`);
    assert.ok(percents.every((one) => one >= 0 && Number.isInteger(one)), `seed ${seed}: ${percents}`);
  }
});

test("targets become rows and rows targets; empty rows without a tag go", async () => {
  const { sharesOf, targetsOf, total } = await load("logic/traffic.ts");
  const targets = [{ latest: true, percent: 90 }, { revision: "f-00001", percent: 10, tag: "old" }];
  const shares = sharesOf(targets);
  assert.deepEqual(targetsOf(shares), targets);
  assert.equal(total(shares), 100);
  assert.deepEqual(targetsOf([...shares, { key: "x", latest: false, revision: "f-00002", tag: null, percent: 0 }]), targets);
});

test("a diff names fields, and takes absent and null for the same", async () => {
  const { diff } = await load("logic/diff.ts");
  const check = (before, after, expected) => assert.deepEqual(diff(before, after), expected);
  check({ a: 1 }, { a: 1 }, []);
  check({ a: null }, {}, []);
  check({ a: { b: 1, c: 2 } }, { a: { c: 2, b: 3 } }, [{ path: "a.b", before: 1, after: 3 }]);
  check({}, { env: { A: "x" } }, [{ path: "env.A", before: undefined, after: "x" }]);
  check({ env: { A: "x" } }, { env: {} }, [{ path: "env.A", before: "x", after: undefined }]);
  check({ command: ["a"] }, { command: ["a", "b"] }, [{ path: "command", before: ["a"], after: ["a", "b"] }]);
});

test("durations, sizes and CPUs read back as they were written", async () => {
  const { parseCpu, parseDuration, writeCpu, writeDuration, parseSize, writeSize } = await load("logic/units.ts");
  for (const millicores of [0, 10, 500, 1000, 1250]) assert.equal(parseCpu(writeCpu(millicores)), millicores);
  assert.equal(parseCpu("0.5"), 500);
  for (const wrong of ["", "m", "0.0005", "0.5m", "-1", "1e3"]) assert.equal(parseCpu(wrong), undefined, wrong);
  for (const ms of [0, 1, 500, 1000, 61_000, 90_000, 3_600_000, 86_400_000, 90_061_001]) assert.equal(parseDuration(writeDuration(ms)), ms);
  for (const size of [0, 1, 1023, 1024, 5 * 1024 ** 2, 3 * 1024 ** 3, 1e7]) assert.equal(parseSize(writeSize(size)), size);
  assert.equal(parseDuration("1m30s"), 90_000);
  assert.equal(parseSize("10MB"), 1e7);
  for (const wrong of ["", "5", "s", "1m x", "-1s"]) assert.equal(parseDuration(wrong), undefined, wrong);
  for (const wrong of ["", "5", "KiB", "1 XB"]) assert.equal(parseSize(wrong), undefined, wrong);
});

test("a command line becomes words and words a command line", async () => {
  const { readWords, writeWords } = await load("logic/words.ts");
  for (const words of [["a"], ["sh", "-c", "exec python3 -m http.server --bind 127.0.0.1 $PORT"], ["it's", 'a "quote"', ""], ["a\\b"]]) {
    assert.deepEqual(readWords(writeWords(words)), words);
  }
  assert.deepEqual(readWords(`a "b c" 'd"e' f\\ g`), ["a", "b c", 'd"e', "f g"]);
  assert.equal(readWords("a 'b"), undefined);
});

test("function.toml becomes what the command line makes of it", async () => {
  const { fromToml, readToml } = await load("logic/toml.ts");
  const text = `name = "thumbnail"\nnamespace = "media"\ncommand = "exec ./start.sh"\nbundle = "."\nready = "/healthz"\nstart_timeout = "1m"\nmemory = "512MiB"
[env]\nQUALITY = "80"\n[[secrets]]\nenv = "KEY"\nsecret = "store"\nkey = "key"\n[limits]\ntimeout = "5m"\nmax_request_body = "100MiB"\ncontainer_concurrency = 1
[hold]\nmax_bytes = "16MiB"\n[scaling]\ntarget = 1.5\nstable_window = "60s"\n[async]\nbackoff_base = "1s"\nmax_result = "1MiB"
[access]\nauth = "key"\nrate = 5\n[access.cors]\norigins = ["https://example.com"]\nmax_age_seconds = 60\n`;
  const imported = fromToml(await readToml(text));
  assert.equal(imported.name, "thumbnail");
  assert.equal(imported.upload, ".");
  assert.deepEqual(plain(imported.spec), {
    kind: "process",
    process: { command: ["/bin/sh", "-c", "exec ./start.sh"], ready: { kind: "http", path: "/healthz" }, start_timeout_ms: 60_000, memory_bytes: 512 * 1024 ** 2 },
    env: { QUALITY: "80" },
    secrets: [{ env: "KEY", secret: "store", key: "key" }],
    limits: { timeout_ms: 300_000, max_request_body_bytes: 100 * 1024 ** 2, container_concurrency: 1 },
    hold: { max_bytes: 16 * 1024 ** 2 },
    scaling: { target: 1.5, stable_window_ms: 60_000 },
    async: { backoff_base_ms: 1000, max_result_bytes: 1024 ** 2 },
    access: { auth: "key", rate: 5, cors: { origins: ["https://example.com"], max_age_seconds: 60 } },
  });
  const wasm = fromToml(await readToml('name = "w"\ncomponent = "w.wasm"\n[wasm]\nreuse = true\ncpu_time = "2s"\n'));
  assert.deepEqual(plain(wasm.spec), { kind: "wasm", wasm: { reuse: true, cpu_time_ms: 2000 } });
  await assert.rejects(async () => fromToml(await readToml('name = "x"\nsize = 3\n[limits]\ntimeout = "soon"\n')), /size: is no key.*\nlimits\.timeout: must be a duration/);
  await assert.rejects(async () => fromToml(await readToml('name = "x"\n[access]\ncors = "*"\n')), /access\.cors: must be a table/);
  await assert.rejects(readToml("name = "), /line|1:/i);
});

test("a cold start's bars lie end to end, the start within the hold", async () => {
  const { bars } = await load("logic/phases.ts");
  const rows = bars([{ name: "route", duration_ms: 1 }, { name: "hold", duration_ms: 50 }, { name: "start", duration_ms: 40 }, { name: "run", duration_ms: 9 }], 65);
  assert.deepEqual(rows.map(({ name, from, to }) => [name, from, to]), [["route", 0, 1], ["hold", 1, 51], ["start", 11, 51], ["run", 51, 60], ["rest", 60, 65]]);
  assert.deepEqual(bars([], 5), []);
});

test("snippets say only what differs from the defaults, quoted for their language", async () => {
  const { snippet, LANGUAGES } = await load("logic/snippets.ts");
  const small = { sidecar: "http://s:1/", server: "http://m:2", namespace: "default", name: "hello", method: "GET", path: "/", headers: [], body: "", queued: false };
  assert.equal(snippet("curl", small), "curl -i http://s:1/function/hello.default/");
  const full = { ...small, namespace: "shop", method: "PUT", path: "/x?a=1&b=2", headers: [["x-a", "it's"]], body: 'say "hi"\n\u0001', queued: true };
  const curl = snippet("curl", full);
  assert.match(curl, /'http:\/\/s:1\/async-function\/hello\.shop\/x\?a=1&b=2' \\\n {2}-X PUT \\\n {2}-H 'x-a: it'\\''s'/);
  for (const [language] of LANGUAGES) {
    assert.doesNotMatch(snippet(language, small), /undefined|PUT|shop/);
    assert.match(snippet(language, full), /shop/);
    assert.match(snippet(language, full), /PUT/);
  }
  assert.match(snippet("rust", full), /\.body\("say \\"hi\\"\\n\\u\{0001\}"\)/);
  assert.match(snippet("python", full), /invoke_async\("hello", method="PUT", path="\/x\?a=1&b=2", headers=\{"x-a": "it's"\}, body=/);
});

test("events patch what is shown, and ask for reading again where only the server knows", async () => {
  const reduce = await load("store/reduce.ts");
  const { Again, RELOAD } = await load("store/event.ts");
  const list = { items: [{ name: "f" }, { name: "g" }], truncated: false };
  const functions = reduce.functions("default");
  assert.deepEqual(functions(list, event("function", { action: "deleted" })).items, [{ name: "g" }]);
  assert.equal(functions(list, event("function", { action: "ready" })), RELOAD);
  assert.equal(functions(list, event("function", { action: "ready", namespace: "other" })), list);
  const instances = reduce.instances("default", "f");
  const running = [{ id: "a", state: "ready" }];
  const told = (state, instance = "a") => instances(running, event("instance", { instance, state }));
  assert.deepEqual(told("draining"), [{ id: "a", state: "draining" }]);
  assert.deepEqual(told("stopped"), []);
  assert.equal(told("starting", "b"), RELOAD);
  assert.equal(told("stopped", "b"), running);
  const calls = reduce.calls({ namespace: "default", name: null, until: "" });
  const page = { items: [{ id: "1", state: "queued", status: null }], next: null, warnings: [] };
  const done = event("call", { id: "1", state: "succeeded", status: 200 });
  const patched = calls(page, done);
  assert.ok(patched instanceof Again);
  assert.deepEqual(patched.state.items, [{ id: "1", state: "succeeded", status: 200 }]);
  assert.equal(calls(patched.state, done), RELOAD);
  assert.equal(reduce.calls({ namespace: "default", name: "g", until: "" })(page, done), page);
  // A range that is over gets no new calls; those in it change all the same.
  const over = reduce.calls({ namespace: "default", name: null, until: "2026-01-01T00:00:00Z" });
  assert.equal(over(page, event("call", { id: "2", state: "queued", status: null })), page);
  assert.ok(over(page, done) instanceof Again);
  const dead = reduce.deadLetters({ namespace: "default", name: null });
  const died = { items: [{ id: "1", state: "dead" }], next: null, warnings: [] };
  const became = (id, state) => dead(died, event("call", { id, state, status: null }));
  for (const state of ["queued", "running", "retrying", "succeeded", "cancelled"]) {
    assert.equal(became("2", state), died, state);
    assert.deepEqual(became("1", state).items, [{ id: "1", state, status: null }], state);
  }
  const again = dead(became("1", "running"), event("call", { id: "1", state: "dead", status: 500 }));
  assert.ok(again instanceof Again);
  assert.deepEqual(again.state.items, [{ id: "1", state: "dead", status: 500 }]);
  assert.equal(became("1", "dead"), died);
  assert.equal(became("2", "dead"), RELOAD);
  assert.equal(reduce.deadLetters({ namespace: "default", name: "g" })(died, event("call", { id: "2", state: "dead", status: null })), died);
  const sidecars = [{ id: "s", lag: 0 }];
  assert.deepEqual(reduce.sidecars(sidecars, event("sidecar", { sidecar: "s", action: "lag", lag: 2 })), [{ id: "s", lag: 2 }]);
  assert.equal(reduce.sidecars(sidecars, event("sidecar", { sidecar: "s", action: "joined", lag: 0 })), RELOAD);
});

test("samples move the sparkline and the chart; a repeated event changes nothing", async () => {
  const { pulses, history, slide, SPARK_SECONDS } = await load("store/reduce.ts");
  const sample = (second, rps) => event("sample", { ...ZERO, time: at(second), rps });
  let state = pulses("default")(new Map(), [sample(1, 5), sample(4, 7)]);
  const { spark } = state.get("f");
  assert.deepEqual(spark.slice(-4), [5, 0, 0, 7]);
  assert.equal(spark.length, SPARK_SECONDS);
  assert.equal(pulses("default")(state, [sample(2, 1)]), state);
  assert.equal(pulses("default")(state, [event("function", { action: "deleted" })]).size, 0);
  assert.deepEqual(slide([1, 2], 0, 2000).slice(-2), [0, 0]);
  let past = { observed_since: null, samples: [], decisions: [], marks: [] };
  past = history("default", "f")(past, sample(1, 5));
  assert.equal(history("default", "f")(past, sample(1, 5)), past);
  const decision = event("decision", { revision: "f-00001", desired: 3, previous: 1, reason: "panic", explanation: "panic: 12 in flight" });
  past = history("default", "f")(past, decision);
  assert.equal(past.decisions.length, 1);
  assert.equal(history("default", "f")(past, decision), past);
  const drain = { type: "sidecar", time: at(3), namespace: null, function: null, sidecar: "s", action: "draining", lag: 0 };
  const deploy = event("function", { time: at(2), action: "ready", revision: "f-00002", message: "" });
  for (const told of [drain, deploy, drain, deploy, { ...drain, action: "lag" }]) past = history("default", "f")(past, told);
  assert.deepEqual(past.marks.map(({ kind, subject }) => [kind, subject]), [["draining", "s"], ["ready", "f-00002"]]);
  const { happenings } = await load("logic/happenings.ts");
  assert.deepEqual(happenings(past).map(({ kind, title }) => [kind, title]), [["decision", "1 → 3"], ["deploy", "f-00002 is ready"], ["sidecar", "s drains"]]);
});

test("a chart's line is at zero where nothing happened, and keeps idle instances", async () => {
  const { timeline } = await load("logic/timeline.ts");
  const seconds = (second) => Date.parse(at(second)) / 1000;
  const samples = [{ ...ZERO, time: at(10), in_flight: 4, ready: 2 }, { ...ZERO, time: at(20), in_flight: 3, ready: 3 }];
  const line = timeline(samples, seconds(0), seconds(30));
  const around = (second) => line.time.findLastIndex((time) => time <= seconds(second));
  assert.deepEqual([line.inFlight[around(15)], line.ready[around(15)]], [0, 2]);
  assert.deepEqual([line.inFlight[around(20)], line.ready[around(20)]], [3, 3]);
  assert.deepEqual([line.inFlight.at(-1), line.ready.at(-1)], [0, 3]);
  assert.ok(line.time.every((time, index) => index === 0 || time > line.time[index - 1]), `${line.time}`);
});

test("older pages stay below the newest one, unless something may be missing between them", async () => {
  const { joined } = await load("logic/pages.ts");
  const check = (newest, older, expected) => assert.deepEqual(joined(newest, older, 3, (one) => one), expected, `${newest} ${older}`);
  check([9, 8, 7], [9, 8, 7, 6, 5], [9, 8, 7, 6, 5]);
  // New ones push others out of the newest page.
  check([11, 10, 9], [9, 8, 7, 6, 5], [11, 10, 9, 8, 7, 6, 5]);
  check([14, 13, 12], [9, 8, 7, 6, 5], null);
  // What is no longer in the newest page though it would have its place there is gone.
  check([9, 7, 6], [9, 8, 7, 6, 5], [9, 7, 6, 5]);
  // A short page, as of a search that has looked at enough.
  check([], [4], [4]);
  check([12], [4], [12, 4]);
});

test("what came of many calls says both what was done and what was not", async () => {
  const { byFunction, wordsOf } = await load("logic/bulk.ts");
  const { actOnCalls } = await load("store/bulk.ts");
  assert.deepEqual(byFunction([{ function: "f", id: "1" }, { function: "g", id: "2" }, { function: "f", id: "3" }]), [["f", ["1", "3"]], ["g", ["2"]]]);
  assert.deepEqual(byFunction(Array.from({ length: 1001 }, (_, id) => ({ function: "f", id: `${id}` }))).map(([, ids]) => ids.length), [1000, 1]);
  const check = (outcome, said, problem) => assert.deepEqual(wordsOf({ count: 0, left: 0, problems: [], ...outcome }, "call", "cancelled"), { said, problem });
  check({ count: 2 }, "2 calls cancelled", null);
  check({}, "0 calls cancelled", null);
  check({ left: 1, problems: ["it runs"] }, null, "1 call left as it was: it runs");
  check({ count: 1, left: 3, problems: ["it runs", "it runs", "gone"] }, "1 call cancelled", "3 calls left as they were: it runs (and 1 other reason)");
  check({ count: 1, problems: ["s: does not answer"] }, "1 call cancelled", "s: does not answer");
  const answers = { f: { count: 1, failed: [{ detail: "it runs" }] }, g: new Error("no answer"), h: { count: 4, failed: [], warnings: [{ sidecar: "s", detail: "gone" }] } };
  const sent = [];
  const send = async ({ path: { name }, body }) => {
    sent.push([name, body]);
    if (answers[name] instanceof Error) throw answers[name];
    return answers[name];
  };
  const outcome = await actOnCalls(send, "default", [["f", ["1", "2"]], ["g", ["3", "4"]], ["h", null]]);
  assert.deepEqual(outcome, { count: 5, left: 3, problems: ["it runs", "g: no answer", "s: gone"] });
  assert.deepEqual(sent, [["f", { ids: ["1", "2"] }], ["g", { ids: ["3", "4"] }], ["h", {}]]);
});

test("logs keep 5,000 lines and count what went", async () => {
  const { append, EMPTY, MAX_LINES } = await load("logic/logbuffer.ts");
  const lines = Array.from({ length: 3000 }, (_, index) => ({ line: String(index) }));
  const buffer = append(append(EMPTY, lines), lines);
  assert.deepEqual([buffer.lines.length, buffer.total, buffer.dropped], [MAX_LINES, 6000, 1000]);
  assert.equal(new Set(buffer.lines.map(({ key }) => key)).size, MAX_LINES);
  const few = append(EMPTY, lines, 10);
  assert.deepEqual([few.lines.map(({ line }) => line.line), few.dropped], [lines.slice(-10).map(({ line }) => line), 2990]);
});

test("the topology puts every sidecar beside the others, never over them", async () => {
  const { layout } = await load("logic/topology.ts");
  for (const [count, width] of [[0, 900], [1, 300], [5, 900], [12, 1200]]) {
    const nodes = Array.from({ length: count }, (_, index) => ({ id: `s${index}`, owns: Array.from({ length: index * 2 }, (_, n) => `f${n}`) }));
    const { boxes, height } = layout(nodes, width);
    assert.equal(boxes.length, count);
    boxes.forEach((a, at) => boxes.slice(at + 1).forEach((b) => assert.ok(a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y, `${a.id} over ${b.id}`)));
    assert.ok(boxes.every((box) => box.y + box.height <= height));
  }
});

test("the palette finds every word, and names that begin with it first", async () => {
  const { find: among, index } = await load("logic/palette.ts");
  const find = (entries, question) => among(index(entries), question);
  const entry = (kind, name, note) => ({ kind, name, note, run() {} });
  const entries = [entry("action", "Logs of pay"), entry("function", "repay"), entry("function", "payments"), entry("function", "pay"), entry("call", "c-1", "pay dead POST /x")];
  const check = (question, expected) => assert.deepEqual(find(entries, question).map(({ name }) => name), expected, question);
  check("pay", ["pay", "payments", "Logs of pay", "repay", "c-1"]);
  check("pay dead", ["c-1"]);
  check("PAY func", ["pay", "payments", "repay"]);
  check("nothing", []);
  assert.equal(find(Array.from({ length: 500 }, (_, at) => entry("call", `c-${at}`)), "").length, 12);
  // However many begin so, the one that is called so comes first, and no more are shown than fit.
  const many = Array.from({ length: 2000 }, (_, at) => entry("function", `fn-${at}`));
  const shown = find([...many, entry("function", "fn")], "fn").map(({ name }) => name);
  assert.deepEqual([shown[0], shown[1], shown.length], ["fn", "fn-0", 12]);
});

test("the latest revision is left out only when no share can reach it", async () => {
  const { leftOut } = await load("logic/traffic.ts");
  const check = (traffic, expected) => assert.equal(leftOut({ traffic, status: { latest_revision: "f-2" } }), expected);
  check([{ latest: true, percent: 100 }], null);
  check([{ revision: "f-1", percent: 100 }], "f-2");
  check([{ revision: "f-1", percent: 100 }, { revision: "f-2", tag: "next", percent: 0 }], "f-2");
  check([{ revision: "f-1", percent: 90 }, { revision: "f-2", percent: 10 }], null);
});

test("promoting gives the latest revision every call and leaves tags where they lead", async () => {
  const { promoted } = await load("logic/traffic.ts");
  const check = (traffic, expected) => assert.deepEqual(promoted(traffic), expected);
  check([{ revision: "f-1", percent: 100 }], [{ latest: true, percent: 100 }]);
  check([{ revision: "f-1", percent: 90, tag: "old" }, { latest: true, percent: 10, tag: "next" }], [{ latest: true, percent: 100, tag: "next" }, { revision: "f-1", percent: 0, tag: "old" }]);
});

test("an address is by host name where that opens, and by path where it may not", async () => {
  const { addressOf } = await load("logic/address.ts");
  const check = (public_url, domain, url, curl) => {
    const found = addressOf({ public_url, domain }, "team", "f");
    assert.deepEqual([found.url, found.curl], [url, curl]);
  };
  check("http://127.0.0.1:7700", "localhost", "http://f.team.localhost:7700/", "curl -i http://f.team.localhost:7700/");
  check("http://127.0.0.1:7700", "fn.localhost", "http://f.team.fn.localhost:7700/", "curl -i http://f.team.fn.localhost:7700/");
  check("http://10.0.0.1:7700/", "localhost", "http://10.0.0.1:7700/function/f.team/", "curl -i -H 'Host: f.team.localhost' http://10.0.0.1:7700/");
  check("http://10.0.0.1", "faas.example.com", "http://10.0.0.1/function/f.team/", "curl -i -H 'Host: f.team.faas.example.com' http://10.0.0.1/");
});

test("a filter of calls is in the address and back, without what is no time", async () => {
  const { ANY, filterOf, keyOf, queryOf, isNarrow, timeOf, toLocal } = await load("logic/callFilter.ts");
  const read = (search) => filterOf("default", new URLSearchParams(search));
  const now = Date.parse("2026-01-02T00:00:00Z");
  assert.deepEqual(queryOf(read("function=f&state=dead&status=5xx&cause=trigger:n&key=k&last=1h&since=2026-01-01"), now), {
    state: "dead", status: "5xx", cause: "trigger:n", idempotency_key: "k", since: "2026-01-01T23:00:00.000Z",
  });
  assert.deepEqual(queryOf(read("since=never&until=2026-01-01T00:00:00Z"), now), { until: "2026-01-01T00:00:00.000Z" });
  assert.deepEqual([isNarrow(read("state=dead&function=f")), isNarrow(read("last=1h"))], [false, true]);
  assert.equal(timeOf(toLocal("2026-03-04T05:06:07.000Z")), "2026-03-04T05:06:07.000Z");
  // Whoever asks for the same calls shares them.
  assert.equal(keyOf(read("")), keyOf({ ...ANY, namespace: "default", name: null }));
  const different = ["", "function=f", "state=dead", "status=5xx", "cause=caller", "key=k", "last=1h", "since=2026-01-01", "until=2026-01-01"];
  assert.equal(new Set(different.map((search) => keyOf(read(search)))).size, different.length);
});

test("dead letters that died of the same are one group, whatever differs from call to call", async () => {
  const { fingerprint, groupsOf } = await load("logic/fingerprint.ts");
  const same = (...texts) => assert.equal(new Set(texts.map(fingerprint)).size, 1, texts.map(fingerprint).join(" | "));
  same("order 7 is gone after 12.5 s", "order 81 is gone after 3 s");
  same('no item "tea" at 10.0.0.1:80', 'no item "green tea" at 10.0.0.2:8080');
  same("call 01a3185c53e87000a080a4dd3f53b832-0badcafe failed", "call 01a3185c57d07000a6d2f34f99192485-1a2b failed");
  same("row 0192f0c1-a2b3-7c4d-8e9f-0a1b2c3d4e5f", "row 0192f0c1-a2b3-7c4d-8e9f-0a1b2c3d4e60");
  assert.notEqual(fingerprint("connection refused"), fingerprint("connection reset"));
  const call = (id, name, status, reason) => ({ id, function: name, status, reason, attempts: [] });
  const groups = groupsOf([call("4", "f", 500, "boom 4"), call("3", "g", 500, "boom 3"), call("2", "f", 500, "boom 2"), call("1", "f", 503, "boom 1")]);
  assert.deepEqual(groups.map((group) => [group.function, group.status, group.calls.map(({ id }) => id)]), [["f", 500, ["4", "2"]], ["f", 503, ["1"]], ["g", 500, ["3"]]]);
});

test("a line's level, message and fields are read from JSON, logfmt and the first word, and prose stays prose", async () => {
  const { parseLine, partsOf } = await load("logic/logLine.ts");
  const check = (text, level, message, fields = []) => assert.deepEqual(plain(parseLine(text)), { level, message, fields });
  check('{"level":"WARN","msg":"low","time":"2026-01-01T00:00:00Z","n":3,"deep":{"a":1}}', "warn", "low", [["n", "3"], ["deep", '{"a":1}']]);
  check('{"level":50,"msg":"pino"}', "error", "pino");
  check('time="2026-01-01 00:00:00,1" level=error msg="out of \\"stock\\"" item=tea', "error", 'out of "stock"', [["item", "tea"]]);
  check("2026-01-01T00:00:00Z INFO started", "info", "2026-01-01T00:00:00Z INFO started");
  check("[error] boom", "error", "[error] boom");
  check("E0102 03:04:05 glog", "error", "E0102 03:04:05 glog");
  check("set a=b and go on", null, "set a=b and go on");
  check("Information is here", null, "Information is here");
  check("{not json}", null, "{not json}");
  // Nothing of a line is lost: neither what it does not mean, nor what a number cannot hold, nor the fortieth field after the first.
  check("{}", null, "{}");
  check('{"level":"error"}', "error", '{"level":"error"}');
  check('{"level":"chatty","msg":"a"}', null, "a", [["level", "chatty"]]);
  check('{"severity":3,"msg":"a"}', null, "a", [["severity", "3"]]);
  check("level=info level=late msg=a", "info", "a", [["level", "late"]]);
  check('{"msg":"a","id":18446744073709551615,"price":1.50,"all":[9007199254740993,"9007199254740993",7]}', null, "a", [["id", "18446744073709551615"], ["price", "1.50"], ["all", '[9007199254740993,"9007199254740993",7]']]);
  check("time=12ms msg=done", null, "done", [["time", "12ms"]]);
  for (const time of ["1767225600", "1767225600.123", "1767225600000", "2026-01-01T00:00:00.000Z", "00:00:00.000"]) check(`ts=${time} msg=a`, null, "a");
  check('{"msg":"a","ts":1767225600.123}', null, "a");
  const many = Array.from({ length: 60 }, (_, index) => [`k${index}`, `${index}`]);
  check(many.map(([name, value]) => `${name}=${value}`).join(" "), null, "", many);
  const id = "01a3185c53e87000a080a4dd3f53b832-0badcafe";
  assert.deepEqual(plain(partsOf(`call ${id} Failed`, ["failed"])), [
    { text: "call ", marked: false, call: false }, { text: id, marked: false, call: true }, { text: " ", marked: false, call: false }, { text: "Failed", marked: true, call: false },
  ]);
  // A sidecar's name is a DNS label.
  const far = "01a3185c53e87000a080a4dd3f53b832-edge-1.";
  assert.deepEqual(partsOf(far, []).map(({ text, call }) => [text, call]), [[far.slice(0, -1), true], [".", false]]);
  const { isCallId } = await load("logic/callId.ts");
  assert.deepEqual([far, far.slice(0, -1), id, id.replace("7", "4"), `x${id}`].map(isCallId), [false, true, true, false, false]);
});

test("lines are found by level or worse, by words, and by a field", async () => {
  const { append, EMPTY, matching, wordsOf } = await load("logic/logbuffer.ts");
  const lines = ['{"level":"error","msg":"out","item":"tea"}', "WARN: low", "plain", "level=info msg=ok item=coffee"].map((line) => ({ line }));
  const { lines: kept } = append(EMPTY, lines);
  const check = (question, level, expected) => assert.deepEqual(matching(kept, wordsOf(question), level).map(({ key }) => key), expected, `${question} ${level}`);
  check("", "", [0, 1, 2, 3]);
  check("", "warn", [0, 1]);
  check("", "error", [0]);
  check("item=tea", "", [0]);
  check("item= OK", "", [3]);
});
