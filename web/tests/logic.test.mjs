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

test("durations and sizes read back as they were written", async () => {
  const { parseDuration, writeDuration, parseSize, writeSize } = await load("logic/units.ts");
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
[hold]\nmax_bytes = "16MiB"\n[scaling]\ntarget = 1.5\nstable_window = "60s"\n[async]\nbackoff_base = "1s"\nmax_result = "1MiB"\n`;
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
  });
  const wasm = fromToml(await readToml('name = "w"\ncomponent = "w.wasm"\n[wasm]\nreuse = true\ncpu_time = "2s"\n'));
  assert.deepEqual(plain(wasm.spec), { kind: "wasm", wasm: { reuse: true, cpu_time_ms: 2000 } });
  await assert.rejects(async () => fromToml(await readToml('name = "x"\nsize = 3\n[limits]\ntimeout = "soon"\n')), /size: is no key.*\nlimits\.timeout: must be a duration/);
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
  const calls = reduce.calls("default", null);
  const page = { items: [{ id: "1", state: "queued", status: null }], next: null, warnings: [] };
  const done = event("call", { id: "1", state: "succeeded", status: 200 });
  const patched = calls(page, done);
  assert.ok(patched instanceof Again);
  assert.deepEqual(patched.state.items, [{ id: "1", state: "succeeded", status: 200 }]);
  assert.equal(calls(patched.state, done), RELOAD);
  assert.equal(reduce.calls("default", "g")(page, done), page);
  const sidecars = [{ id: "s", lag: 0 }];
  assert.deepEqual(reduce.sidecars(sidecars, event("sidecar", { sidecar: "s", action: "lag", lag: 2 })), [{ id: "s", lag: 2 }]);
  assert.equal(reduce.sidecars(sidecars, event("sidecar", { sidecar: "s", action: "joined", lag: 0 })), RELOAD);
});

test("samples move the sparkline and the chart; a repeated event changes nothing", async () => {
  const { pulses, history, slide, SPARK_SECONDS } = await load("store/reduce.ts");
  const sample = (second, rps) => event("sample", { ...ZERO, time: at(second), rps });
  let state = pulses("default")({}, sample(1, 5));
  state = pulses("default")(state, sample(4, 7));
  assert.deepEqual(state.f.spark.slice(-4), [5, 0, 0, 7]);
  assert.equal(state.f.spark.length, SPARK_SECONDS);
  assert.equal(pulses("default")(state, sample(2, 1)), state);
  assert.deepEqual(slide([1, 2], 0, 2000).slice(-2), [0, 0]);
  let past = { observed_since: null, samples: [], decisions: [] };
  past = history("default", "f")(past, sample(1, 5));
  assert.equal(history("default", "f")(past, sample(1, 5)), past);
  const decision = event("decision", { revision: "f-00001", desired: 3, previous: 1, reason: "panic", explanation: "panic: 12 in flight" });
  past = history("default", "f")(past, decision);
  assert.equal(past.decisions.length, 1);
  assert.equal(history("default", "f")(past, decision), past);
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

test("logs keep 5,000 lines and count what went", async () => {
  const { append, EMPTY, MAX_LINES } = await load("logic/logbuffer.ts");
  const lines = Array.from({ length: 3000 }, (_, index) => ({ line: String(index) }));
  const buffer = append(append(EMPTY, lines), lines);
  assert.deepEqual([buffer.lines.length, buffer.total, buffer.dropped], [MAX_LINES, 6000, 1000]);
  assert.equal(new Set(buffer.lines.map(({ key }) => key)).size, MAX_LINES);
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
  const { find } = await load("logic/palette.ts");
  const entry = (kind, name, note) => ({ kind, name, note, run() {} });
  const entries = [entry("action", "Logs of pay"), entry("function", "repay"), entry("function", "payments"), entry("function", "pay"), entry("call", "c-1", "pay dead POST /x")];
  const check = (question, expected) => assert.deepEqual(find(entries, question).map(({ name }) => name), expected, question);
  check("pay", ["pay", "payments", "Logs of pay", "repay", "c-1"]);
  check("pay dead", ["c-1"]);
  check("PAY func", ["pay", "payments", "repay"]);
  check("nothing", []);
  assert.equal(find(Array.from({ length: 500 }, (_, index) => entry("call", `c-${index}`)), "").length, 12);
});

test("the latest revision is left out only when no share can reach it", async () => {
  const { leftOut } = await load("logic/traffic.ts");
  const check = (traffic, expected) => assert.equal(leftOut({ traffic, status: { latest_revision: "f-2" } }), expected);
  check([{ latest: true, percent: 100 }], null);
  check([{ revision: "f-1", percent: 100 }], "f-2");
  check([{ revision: "f-1", percent: 100 }, { revision: "f-2", tag: "next", percent: 0 }], "f-2");
  check([{ revision: "f-1", percent: 90 }, { revision: "f-2", percent: 10 }], null);
});
