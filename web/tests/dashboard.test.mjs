// Every screen, driven in a browser against a real server and sidecars, as somebody would who has never seen it. One story: what a
// test leaves behind, the next goes on with.
//
// WEB_PREVIEW=1 takes the pages from web/dist instead of from the binary, so that it need not be built again.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { promisify } from "node:util";
import { preview } from "vite";
import { Browser, cuttable } from "./browser.mjs";
import { Gateless, ROOT } from "./gateless.mjs";

const run = promisify(execFile);
const EXAMPLES = join(ROOT, "examples");

let gateless, line, browser, page, previewed;

before(async () => {
  gateless = await Gateless.up({ sidecars: 1 });
  let target = gateless.url;
  if (process.env.WEB_PREVIEW) {
    const proxy = { "/v1": { target, changeOrigin: true, headers: { origin: target } } };
    previewed = await preview({ root: join(ROOT, "web"), logLevel: "error", preview: { port: 0, host: "127.0.0.1", proxy } });
    target = previewed.resolvedUrls.local[0];
  }
  line = await cuttable(target);
  browser = await Browser.open(line.url);
  page = browser.page;
});

after(async () => {
  await browser?.close();
  await line?.close();
  await previewed?.close();
  await gateless?.down();
});

const row = (text) => page.getByRole("row").filter({ hasText: text });
const button = (name) => page.getByRole("button", { name, exact: true });
const link = (name) => page.getByRole("link", { name, exact: true });
const dialog = () => page.getByRole("dialog");

describe("the dashboard", { concurrency: 1 }, () => {
  test("lets nobody in without a good token", async () => {
    await page.goto(`${line.url}/n/default/secrets`);
    await page.getByLabel("Token").fill("no-such-token");
    await browser.accessible("login");
    await button("Sign in").click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Token").fill(gateless.token);
    await button("Sign in").click();
    // Where one wanted to go.
    await browser.heading("Secrets");
    const cookies = await page.context().cookies();
    const session = cookies.find((cookie) => cookie.name === "gateless_session");
    assert.deepEqual([session.httpOnly, session.sameSite], [true, "Strict"]);
    assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage }).includes("eyJ")), false);
    browser.noFaults();
  });

  test("teaches the next step where there is nothing yet", async () => {
    for (const [path, heading, words] of [
      ["/", "Functions", /gateless deploy/],
      ["/n/default/calls", "Async calls", /--async/],
      ["/n/default/dead-letters", "Dead letters", /gateless dlq/],
      ["/n/default/queues", "Queues", /--async/],
      ["/n/default/logs", "Logs", /gateless deploy/],
      ["/n/default/invoke", "Invoke", /Register a function/],
      ["/n/default/secrets", "Secrets", /gateless secret set/],
      ["/nowhere", "Nothing here", /no such page/],
    ]) {
      await browser.go(path, heading);
      await page.getByRole("main").getByText(words).first().waitFor();
      await browser.accessible(`${heading}, empty`);
    }
    browser.noFaults();
  });

  test("registers a function from one executable file", async () => {
    await browser.go("/n/default/functions", "Functions");
    await page.getByRole("link", { name: "Register", exact: true }).click();
    await browser.heading("Register a function");
    await page.getByLabel("Name", { exact: true }).fill("anything");
    await page.getByLabel("Bundle").setInputFiles(join(EXAMPLES, "shell-anything/start.sh"));
    await page.getByText(/^executable, sha256/).waitFor();
    assert.equal(await page.getByLabel("Command").inputValue(), "./start.sh");
    // The server's complaint stands beside the field it is about.
    await page.getByLabel("Fewest instances").fill("5");
    await page.getByLabel("Most instances").fill("2");
    await button("Review changes").click();
    const wrong = page.locator(".field.wrong").filter({ hasText: "instances" });
    await wrong.getByText(/max_scale/).first().waitFor();
    assert.equal(await wrong.locator("input").first().getAttribute("aria-invalid"), "true");
    await browser.accessible("register, with an error");
    await page.getByLabel("Fewest instances").fill("");
    // None to begin with, so that the first call is a cold start.
    await page.getByLabel("Instances of a new revision").fill("0");
    await button("Review changes").click();
    await page.getByRole("row", { name: "spec.scaling.max_scale 2" }).waitFor();
    await browser.accessible("register, reviewed");
    await button("Register").click();
    await browser.heading(/anything/);
    await page.getByRole("heading", { level: 1 }).getByText("ready", { exact: true }).waitFor();
    browser.noFaults();
  });

  test("registers a function from its function.toml", async () => {
    const { mkdtemp } = await import("node:fs/promises");
    const folder = await mkdtemp(join(gateless.folder, "bundle-"));
    const bundle = join(folder, "flaky.tar.gz");
    await run("tar", ["-czf", bundle, "-C", join(EXAMPLES, "flaky-python"), "main.py"]);
    await browser.go("/n/default/functions/new", "Register a function");
    await button("Import function.toml").click();
    await dialog().getByLabel("Or its text").fill("name = 3\nsize = 1");
    await button("Import").click();
    await dialog().getByText("size: is no key of function.toml").waitFor();
    await browser.accessible("import");
    await dialog().getByLabel("File").setInputFiles(join(EXAMPLES, "flaky-python/function.toml"));
    await page.waitForFunction(() => document.querySelector("dialog textarea").value.includes("flaky"));
    await button("Import").click();
    await dialog().waitFor({ state: "detached" });
    assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "flaky");
    assert.equal(await page.getByLabel("Command").inputValue(), "python3 main.py");
    await page.getByLabel("Bundle").setInputFiles(bundle);
    await page.getByText(/^tar.gz, sha256/).waitFor();
    await page.getByLabel("Environment").fill(`FAILURES=2\nFLAKY_DIR=${gateless.env.FLAKY_DIR}`);
    // The same as JSON, both ways.
    await button("JSON").click();
    const json = page.getByLabel("Function as JSON");
    const value = JSON.parse(await json.inputValue());
    assert.equal(value.spec.async.max_attempts, 4);
    await json.fill("{");
    await page.locator(".field.wrong").waitFor();
    assert.equal(await button("Form").isDisabled(), true);
    value.labels = { made: "here" };
    await json.fill(JSON.stringify(value));
    await button("Form").click();
    assert.equal(await page.getByLabel("Labels").inputValue(), "made=here");
    await button("Review changes").click();
    await row("env.FAILURES").waitFor();
    await button("Register").click();
    await browser.heading(/flaky/);
    await page.getByRole("heading", { level: 1 }).getByText("ready", { exact: true }).waitFor();
    browser.noFaults();
  });

  test("calls a function, shows where a cold start's time went, and how to do the same elsewhere", async () => {
    await browser.go("/n/default/invoke?function=anything", "Invoke");
    await page.getByLabel("Path and query").fill("/facts.json");
    await button("Send").click();
    const answer = page.getByRole("region", { name: "Answer" });
    await answer.getByText("200").waitFor();
    await answer.getByText('"revision": "anything-00001"').waitFor();
    await answer.getByText("cold start").waitFor();
    await answer.getByText("instance starts").waitFor();
    await answer.getByText("function runs").waitFor();
    await answer.getByText("Headers").click();
    await answer.getByText("x-gateless-revision").waitFor();
    const code = page.getByRole("region", { name: "As code" });
    const curl = await code.locator("pre").innerText();
    const { stdout } = await run("sh", ["-c", curl]);
    assert.match(stdout, /^HTTP\/1.1 200[\s\S]*"revision":"anything-00001"/);
    for (const [name, words] of [["TypeScript", /new Gateless/], ["Python", /with Gateless/], ["Go", /gateless\.New/], ["Rust", /Gateless::builder/]]) {
      await code.getByRole("button", { name, exact: true }).click();
      assert.match(await code.locator("pre").innerText(), words);
    }
    await browser.accessible("invoke");
    // What the request has wrong is told beside the field.
    await page.getByLabel("Path and query").fill("nothing");
    await button("Send").click();
    await page.locator(".field.wrong").getByText(/must begin with/).waitFor();
    browser.noFaults();
  });

  test("lists functions with what they do this second", async () => {
    await gateless.cli("deploy", join(EXAMPLES, "slow-node"));
    await browser.go("/n/default/functions", "Functions");
    await row("slow").waitFor();
    let calling = true;
    const callers = Array.from({ length: 4 }, async () => {
      while (calling) await gateless.call("/function/slow/?ms=50");
    });
    await row("slow").locator(".spark:not(.flat)").waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll("tbody tr")].some((tr) => tr.textContent.includes("slow") && Number(tr.cells[3].textContent) > 1));
    await browser.accessible("functions");
    calling = false;
    await Promise.all(callers);
    await page.getByRole("searchbox").fill("slo");
    assert.equal(await page.getByRole("row").count(), 2);
    await page.getByRole("searchbox").fill("no such");
    await page.getByText("No function is called").waitFor();
    browser.noFaults();
  });

  test("watches a function scale, and says why it does", async () => {
    await browser.go("/n/default/functions/slow", /slow/);
    const burst = Array.from({ length: 40 }, () => gateless.call("/function/slow/?ms=2500"));
    const decisions = page.getByRole("list", { name: /Scaling decisions/ });
    await decisions.getByText(/in flight|held|panic/).first().waitFor();
    await page.waitForFunction(() => document.querySelectorAll("[aria-labelledby=instances] tbody tr").length > 1);
    await page.getByRole("img", { name: /in flight/ }).waitFor();
    await page.locator(".chart canvas").waitFor();
    await browser.accessible("function, scaling");
    // A decision in the list is pointed at in the chart, and the chart tells what it is over.
    const plot = page.locator(".u-over");
    await plot.waitFor();
    const { width } = await plot.boundingBox();
    await plot.hover({ position: { x: width - 20, y: 60 } });
    await page.locator(".tip").getByText(/in flight/).waitFor();
    const answers = await Promise.all(burst);
    assert.ok(answers.every(({ status }) => status === 200), JSON.stringify(answers.find(({ status }) => status !== 200)));
    await button("10 min").click();
    browser.noFaults();
  });

  test("shows why a function does not get ready, with its last words", async () => {
    const spec = { kind: "process", process: { command: ["sh", "-c", "echo the cupboard is bare; exit 3"] } };
    await gateless.api("PUT", "/v1/namespaces/default/functions/broken", { spec });
    await browser.go("/n/default/functions/broken", /broken/);
    await page.getByRole("article").getByText("the cupboard is bare").waitFor();
    await browser.accessible("function, broken");
    // Deleted only once its name was typed.
    await button("Delete").click();
    const confirm = dialog().getByRole("button", { name: "Delete function" });
    assert.equal(await confirm.isDisabled(), true);
    await browser.accessible("delete");
    await dialog().getByRole("textbox").fill("broken");
    await confirm.click();
    await browser.heading("Functions");
    await row("broken").waitFor({ state: "detached" });
    browser.noFaults();
  });

  test("edits a function, shifts its traffic, and notices who was faster", async () => {
    await browser.go("/n/default/functions/anything", /anything/);
    await link("Edit").click();
    await browser.heading("Edit anything");
    await page.getByLabel("Environment").fill("COLOUR=green");
    await page.getByLabel("Most instances").fill("3");
    await button("Review changes").click();
    await row("spec.env.COLOUR").getByText("green").waitFor();
    assert.equal(await page.locator(".diff tbody tr, [aria-labelledby=plan] tbody tr").count(), 2);
    await button("Apply").click();
    await browser.heading(/anything/);
    await page.getByRole("link", { name: "Revisions and traffic" }).click();
    await row("anything-00002").getByText("was ready").waitFor();
    await page.getByLabel("Add a revision to the split").selectOption("anything-00001");
    await page.getByLabel("Percent to anything-00001").fill("30");
    await page.getByLabel("Percent to anything-00001").press("Tab");
    assert.equal(await page.getByLabel("Percent to latest").inputValue(), "70");
    // Somebody else changes it first: nothing is overwritten.
    const other = { targets: [{ latest: true, percent: 100 }] };
    const before = await gateless.api("GET", "/v1/namespaces/default/functions/anything");
    await page.route("**/traffic", async (route) => {
      await route.continue({ headers: { ...route.request().headers(), "if-match": `"${before.version - 1}"` } });
    });
    await button("Apply split").click();
    await page.getByText("Somebody else changed the function meanwhile").waitFor();
    await page.unroute("**/traffic");
    await gateless.api("PUT", "/v1/namespaces/default/functions/anything/traffic", other);
    await button("Apply split").click();
    await page.getByText("Traffic is set").waitFor();
    await row("anything-00001").getByText("30 %").waitFor();
    await browser.accessible("revisions");
    await row("anything-00001").getByRole("button", { name: "Roll back to this" }).click();
    await dialog().getByRole("button", { name: "Roll back" }).click();
    await row("anything-00001").getByText("100 %").waitFor();
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByText("container concurrency").waitFor();
    await browser.accessible("settings");
    browser.noFaults();
  });

  test("follows a call from the console to the dead letters, and replays it", async () => {
    await browser.go("/n/default/invoke?function=flaky&method=POST", "Invoke");
    await page.getByLabel("Path and query").fill("/?fail=always");
    await page.getByLabel("Body").fill("a bad order");
    await button("Queue it (async)").click();
    await button("Send").click();
    await page.getByRole("link", { name: /Follow call/ }).click();
    // Live: nobody reloads.
    await page.getByRole("heading", { level: 1 }).getByText("dead").waitFor({ timeout: 60_000 });
    assert.equal(await page.locator(".attempts li").count(), 4);
    await page.getByText('"error": "always"').waitFor();
    await browser.accessible("call");
    await link("dead letters").click();
    await browser.heading("Dead letters");
    await row("/?fail=always").waitFor();
    await browser.accessible("dead letters");
    await gateless.call("/function/flaky/heal", { method: "POST" });
    await page.getByRole("checkbox", { name: /^Select 0/ }).check();
    await button("Replay 1").click();
    await page.getByText("1 dead letter put back").waitFor();
    await row("/?fail=always").waitFor({ state: "detached" });
    await browser.go("/n/default/calls?state=succeeded", "Async calls");
    await row("/?fail=always").getByText("succeeded").waitFor();
    browser.noFaults();
  });

  test("lists calls as they come, filters them, and acts on many", async () => {
    await browser.go("/n/default/calls?function=flaky", "Async calls");
    await page.getByRole("table").waitFor();
    const before = await page.getByRole("row").count();
    for (let number = 0; number < 3; number += 1) await gateless.call(`/async-function/flaky/?n=${number}`, { method: "POST", body: "x" });
    await page.waitForFunction((count) => document.querySelectorAll("tbody tr").length === count + 2, before);
    await row("/?n=2").getByText("succeeded").waitFor({ timeout: 60_000 });
    await row("/?n=0").getByText("succeeded").waitFor();
    await row("/?n=1").getByText("succeeded").waitFor();
    await browser.accessible("calls");
    await row("/?n=1").getByRole("checkbox").check();
    await row("/?n=2").getByRole("checkbox").check();
    await page.getByText("2 calls selected").waitFor();
    await page.getByRole("group", { name: "Selected calls" }).getByRole("button", { name: "Replay" }).click();
    await page.getByText("2 calls put back into the queue").waitFor();
    await button("Cancelled").click();
    await page.getByText("No call is cancelled now").waitFor();
    await link("Queues").click();
    await browser.heading("Queues");
    await row("flaky").waitFor();
    await browser.accessible("queues");
    browser.noFaults();
  });

  test("purges dead letters once that was typed", async () => {
    await gateless.api("PUT", "/v1/namespaces/default/functions/refuser", {
      spec: { kind: "process", process: { command: ["python3", "-c", "import os,http.server as h\nclass H(h.BaseHTTPRequestHandler):\n def do_POST(s): s.send_error(500)\nh.HTTPServer(('127.0.0.1',int(os.environ['PORT'])),H).serve_forever()"] }, async: { max_attempts: 1 } },
    });
    await gateless.api("GET", "/v1/namespaces/default/functions/refuser/wait?condition=ready&timeout_ms=30000");
    await gateless.call("/async-function/refuser/x", { method: "POST", body: "x" });
    await browser.go("/n/default/dead-letters?function=refuser", "Dead letters");
    await row("POST /x").waitFor({ timeout: 60_000 });
    await button("Purge all").click();
    await dialog().getByRole("textbox").fill("purge");
    await dialog().getByRole("button", { name: "Purge" }).click();
    await page.getByText("1 dead letter purged").waitFor();
    await page.getByText("No dead letters").waitFor();
    browser.noFaults();
  });

  test("tails logs, filters and pauses them", async () => {
    await browser.go("/n/default/logs?function=anything", "Logs");
    const log = page.getByRole("log");
    await page.getByText("following").waitFor();
    await gateless.call("/function/anything/first-line");
    await log.getByText(/first-line/).first().waitFor();
    await button("Pause").click();
    await gateless.call("/function/anything/second-line");
    await page.getByRole("button", { name: /Go on \(\d+ new\)/ }).waitFor();
    assert.equal(await log.getByText(/second-line/).count(), 0);
    await page.getByRole("button", { name: /Go on/ }).click();
    await log.getByText(/second-line/).first().waitFor();
    await page.getByRole("searchbox").fill("second-line");
    await log.getByText(/first-line/).first().waitFor({ state: "detached" });
    await browser.accessible("logs");
    browser.noFaults();
  });

  test("draws who owns what, drains a sidecar and resumes it", async () => {
    await browser.go("/sidecars", "Sidecars");
    await page.getByRole("img", { name: /2 sidecars/ }).waitFor();
    await page.locator(".topology").getByText("default/anything").waitFor();
    await browser.accessible("sidecars");
    const [first] = (await gateless.api("GET", "/v1/sidecars")).items;
    await button(`Drain ${first.id}`).click();
    await dialog().getByRole("button", { name: "Drain" }).click();
    await row(first.id).getByText("draining").waitFor();
    assert.equal((await gateless.api("GET", "/v1/sidecars")).items.find((one) => one.id === first.id).draining, true);
    await button(`Resume ${first.id}`).click();
    await row(first.id).getByText("up to date").waitFor();
    browser.noFaults();
  });

  test("sets secrets and never shows their values", async () => {
    await browser.go("/n/default/secrets", "Secrets");
    await button("Set a secret").click();
    await dialog().getByLabel("Name").fill("Not A Label");
    await dialog().getByLabel("Key").fill("key");
    await dialog().getByLabel("Value").fill("hunter2");
    await button("Set").click();
    await dialog().getByRole("alert").waitFor();
    await browser.accessible("set a secret");
    await dialog().getByLabel("Name").fill("store");
    await button("Set").click();
    await row("store").getByText("key").waitFor();
    assert.equal((await page.content()).includes("hunter2"), false);
    await browser.accessible("secrets");
    await button("Delete store").click();
    await dialog().getByRole("button", { name: "Delete secret" }).click();
    await page.getByText("No secret yet").waitFor();
    browser.noFaults();
  });

  test("makes a token, shows it once, and what it may not do is not offered", async () => {
    await browser.go("/tokens", "Tokens");
    await button("Create token").click();
    await dialog().getByLabel("What for").fill("a look");
    await dialog().getByLabel("Role").selectOption("viewer");
    await button("Create").click();
    const token = await dialog().locator("pre").innerText();
    await browser.accessible("token, shown once");
    await button("Close").click();
    await row("a look").getByText("viewer").waitFor();
    await browser.accessible("tokens");
    const other = await Browser.open(line.url, { theme: "dark" });
    try {
      await other.signIn(token.trim());
      await other.page.getByRole("link", { name: "anything" }).waitFor();
      assert.equal(await other.page.getByRole("link", { name: "Register" }).count(), 0);
      assert.equal(await other.page.getByRole("link", { name: "Tokens" }).count(), 0);
      await button("Revoke a look").click();
      await dialog().getByRole("button", { name: "Revoke" }).click();
      await row("a look").waitFor({ state: "detached" });
      // Its session ends with it.
      await other.page.getByRole("link", { name: "anything" }).click();
      await other.page.getByRole("button", { name: "Sign in" }).waitFor();
      other.noFaults();
    } finally {
      await other.close();
    }
    browser.noFaults();
  });

  test("is used by keyboard alone", async () => {
    await browser.go("/n/default/functions", "Functions");
    await row("anything").waitFor();
    const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
    await page.keyboard.press("/");
    assert.equal(await focused(), "Search functions");
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    assert.equal(await focused(), "anything");
    await page.keyboard.press("Enter");
    await browser.heading(/anything/);
    await page.keyboard.press("g");
    await page.keyboard.press("c");
    await browser.heading("Async calls");
    await page.keyboard.press("?");
    await dialog().getByText("Search this screen").waitFor();
    await browser.accessible("help");
    await page.keyboard.press("Escape");
    await dialog().waitFor({ state: "detached" });
    await page.keyboard.press("m");
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await page.reload();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await browser.heading("Async calls");
    await page.keyboard.press("m");
    await page.goBack();
    await browser.heading(/anything/);
    browser.noFaults();
  });

  test("goes on where it was when the connection breaks", async () => {
    await browser.go("/n/default/functions", "Functions");
    await page.getByText("Live").waitFor();
    line.cut();
    await page.getByText("Reconnecting").waitFor();
    const spec = { kind: "process", process: { command: ["sh", "-c", "exec python3 -m http.server --bind 127.0.0.1 $PORT"] } };
    await gateless.api("PUT", "/v1/namespaces/default/functions/newcomer", { spec });
    await page.getByText("Live").waitFor();
    await row("newcomer").waitFor();
    browser.noFaults();
  });

  test("keeps namespaces apart, and signs out", async () => {
    await page.getByRole("combobox", { name: "Namespace" }).fill("elsewhere");
    await page.keyboard.press("Enter");
    await page.getByText("No function yet").waitFor();
    assert.match(page.url(), /\/n\/elsewhere\/functions$/);
    await button("Sign out").click();
    await button("Sign in").waitFor();
    await page.goto(`${line.url}/n/default/functions`);
    await button("Sign in").waitFor();
    browser.noFaults();
  });
});
