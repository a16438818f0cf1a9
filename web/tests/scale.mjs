// How the dashboard holds up with much in it: 2,000 functions and 100,000 async calls. Prints the rows of docs/performance.md: the time from
// opening a page to its list, and the longest task while one works with it: on the clock, and on a processor, which is what the page itself
// takes when others take the machine. `npm run scale`; a release build and a quiet machine give the numbers that are recorded.

import { join } from "node:path";
import { preview } from "vite";
import { Browser } from "./browser.mjs";
import { Gateless, ROOT } from "./gateless.mjs";

const FUNCTIONS = Number(process.env.FUNCTIONS ?? 2000);
const CALLS = Number(process.env.CALLS ?? 100_000);
const RUNS = 5;
const BATCH = 500;
const AT_ONCE = 16;

/** Takes one call at a time, slowly: most stay in the queue. */
const SLOW = `import os,time,http.server as h
class H(h.BaseHTTPRequestHandler):
 def do_POST(s):
  time.sleep(5);s.send_response(200);s.end_headers()
 def log_message(s,*a): pass
h.HTTPServer(("127.0.0.1",int(os.environ["PORT"])),H).serve_forever()`;

const nameOf = (number) => `fn-${String(number).padStart(5, "0")}`;

async function atOnce(count, act) {
  let next = 0;
  const work = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function fill(gateless) {
  const process = { command: ["sh", "-c", "exec python3 -m http.server --bind 127.0.0.1 $PORT"] };
  await atOnce(FUNCTIONS, async (number) => {
    await gateless.api("PUT", `/v1/namespaces/default/functions/${nameOf(number)}`, { spec: { kind: "process", process, scaling: { initial_scale: 0 } } });
  });
  const queues = 10;
  for (let number = 0; number < queues; number += 1) {
    const spec = { kind: "process", process: { command: ["python3", "-c", SLOW] }, scaling: { max_scale: 1 }, limits: { container_concurrency: 1 }, async: { max_in_flight: 1 } };
    await gateless.api("PUT", `/v1/namespaces/default/functions/queue-${number}`, { spec });
    await gateless.api("PUT", `/v1/namespaces/default/triggers/queue-${number}`, { spec: { kind: "cloudevents", function: `queue-${number}`, cloudevents: { attributes: { type: `q${number}` } } } });
  }
  const send = async (number) => {
    const events = Array.from({ length: BATCH }, (_, index) => ({ specversion: "1.0", id: `${number}-${index}`, source: "/scale", type: `q${number % queues}`, data: { n: index } }));
    for (let tries = 0; ; tries += 1) {
      const { status, body } = await gateless.call("/_gateless/events", { method: "POST", headers: { "content-type": "application/cloudevents-batch+json" }, body: JSON.stringify(events) });
      if (status < 300 && JSON.parse(body) !== null && body.includes("-")) return;
      if (tries > 50) throw new Error(`${status} ${body.slice(0, 300)}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  };
  // Triggers reach the sidecar a moment after they are made.
  await send(0);
  await atOnce(CALLS / BATCH - 1, (number) => send(number + 1));
}

/** In every page, from its beginning: when what is looked for was there, and every long task. */
const WATCH = () => {
  globalThis.tasks = [];
  new PerformanceObserver((list) => globalThis.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask", buffered: true });
  const look = () => {
    const rows = document.querySelectorAll("main tbody tr:not(.spacer)").length;
    if (rows > 10) globalThis.listed ??= performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
};

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The longest task of a page's main thread in a trace, in milliseconds on a processor. */
function busiest(trace) {
  const events = JSON.parse(trace.toString()).traceEvents;
  const of = ({ pid, tid }) => `${pid} ${tid}`;
  const main = new Set(events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(of));
  const tasks = events.filter((event) => event.name === "ThreadControllerImpl::RunTask" && event.tdur !== undefined && main.has(of(event)));
  if (tasks.length === 0) throw new Error("the trace has no task");
  return Math.max(...tasks.map(({ tdur }) => tdur)) / 1000;
}

async function measure(browser, path, work) {
  const [times, longest, busy] = [[], [], []];
  for (let run = 0; run < RUNS; run += 1) {
    await browser.page.goto("about:blank");
    await browser.chromium.startTracing(browser.page, { categories: ["toplevel", "__metadata"] });
    await browser.go(path);
    await browser.page.waitForFunction(() => globalThis.listed !== undefined, null, { timeout: 120_000 });
    times.push(await browser.page.evaluate(() => globalThis.listed));
    await work(browser.page);
    longest.push(await browser.page.evaluate(() => Math.max(0, ...globalThis.tasks)));
    busy.push(busiest(await browser.chromium.stopTracing()));
  }
  return [median(times), median(longest), median(busy)];
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** As one looks through a list: down to its end and back, a search, three seconds of what comes live. */
async function browse(page) {
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  for (const part of [0.25, 0.5, 1, 0]) {
    await page.evaluate((to) => scrollTo(0, to), height * part);
    await pause(200);
  }
  const search = page.locator("main input[type=search]");
  if (await search.count()) {
    await search.pressSequentially(nameOf(FUNCTIONS - 1), { delay: 40 });
    await search.fill("");
  }
  await pause(3000);
}

async function palette(page) {
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: /^Functions, calls/ }).pressSequentially(nameOf(FUNCTIONS - 1), { delay: 40 });
  await page.getByRole("option").first().waitFor();
  await page.keyboard.press("Escape");
}

const gateless = await Gateless.up();
const ends = [() => gateless.down()];
try {
  await fill(gateless);
  const target = gateless.url;
  const proxy = { "/v1": { target, changeOrigin: true, headers: { origin: target } } };
  const pages = process.env.WEB_PREVIEW ? await preview({ root: join(ROOT, "web"), logLevel: "error", preview: { port: 0, host: "127.0.0.1", proxy } }) : null;
  if (pages) ends.push(() => pages.close());
  const browser = await Browser.open(pages ? pages.resolvedUrls.local[0].replace(/\/$/, "") : target);
  ends.push(() => browser.close());
  await browser.signIn(gateless.token);
  await browser.page.addInitScript(WATCH);
  console.log("| page | time to the list | longest task | longest on a processor |\n|---|---|---|---|");
  for (const [what, path, work] of [
    [`Functions, ${FUNCTIONS.toLocaleString("en-US")} of them: scrolled, searched`, "/n/default/functions", browse],
    ["The palette over them", "/n/default/functions", palette],
    [`Calls, ${CALLS.toLocaleString("en-US")} of them: scrolled`, "/n/default/calls", browse],
    ["Calls of one trigger among them", "/n/default/calls?cause=trigger:queue-3", browse],
  ]) {
    const [time, longest, busy] = await measure(browser, path, work);
    console.log(`| ${what} | ${Math.round(time)} ms | ${longest === 0 ? "below 50 ms" : `${Math.round(longest)} ms`} | ${Math.round(busy)} ms |`);
  }
  browser.noFaults();
} finally {
  for (const one of ends.reverse()) await one();
}
