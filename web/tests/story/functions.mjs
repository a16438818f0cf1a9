// From the login to a function that scales: registered, called, watched, edited, deleted.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ROOT } from "../gateless.mjs";

const run = promisify(execFile);
const EXAMPLES = join(ROOT, "examples");

export function functions(the) {
  const { gateless, line, browser, page, row, button, link, dialog } = the;

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
      ["/n/default/triggers", "Triggers", /gateless trigger set/],
      ["/n/default/logs", "Logs", /gateless deploy/],
      ["/n/default/invoke", "Invoke", /Register a function/],
      ["/n/default/secrets", "Secrets", /gateless secret set/],
    ]) {
      await browser.go(path, heading);
      await page.getByRole("main").getByText(words).first().waitFor();
      await browser.accessible(`${heading}, empty`);
    }
    const nowhere = await page.request.get(`${gateless.url}/nowhere`);
    assert.equal(nowhere.status(), 404);
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
    value.spec.access = { cors: { origins: ["https://a.example"], max_age_seconds: 60 } };
    await json.fill(JSON.stringify(value));
    await button("Form").click();
    assert.equal(await page.getByLabel("Labels").inputValue(), "made=here");
    await page.getByRole("heading", { name: "Access" }).click();
    const sites = page.getByLabel("Sites whose pages may call it");
    assert.equal(await sites.inputValue(), "https://a.example");
    // What is wrong with one of several is said beside them.
    await sites.fill("https://a.example nowhere");
    await page.getByLabel("Calls a second, of each caller").fill("50");
    await button("Review changes").click();
    await page.locator(".field.wrong").filter({ hasText: "Sites" }).locator(".error").waitFor();
    await sites.fill("https://a.example https://b.example");
    await button("Review changes").click();
    await row("env.FAILURES").waitFor();
    await row("spec.access.caller_rate").getByText("50").waitFor();
    await row("spec.access.cors").getByText("https://b.example").waitFor();
    await button("Register").click();
    await browser.heading(/flaky/);
    await page.getByRole("heading", { level: 1 }).getByText("ready", { exact: true }).waitFor();
    browser.noFaults();
  });

  test("takes a text, a port or any answer as the sign that an instance is ready", async () => {
    await browser.go("/n/default/functions/new", "Register a function");
    await page.getByLabel("Name", { exact: true }).fill("readiness");
    await page.getByLabel("Command").fill("sleep 1");
    const ready = page.getByLabel("Ready when");
    const path = page.getByLabel("Path", { exact: true });
    const written = async () => {
      await button("JSON").click();
      const { spec } = JSON.parse(await page.getByLabel("Function as JSON").inputValue());
      await button("Form").click();
      return spec.process.ready;
    };
    assert.equal(await ready.inputValue(), "answer");
    assert.equal(await written(), undefined);
    await ready.selectOption("tcp");
    assert.deepEqual(await written(), { kind: "tcp" });
    assert.equal(await ready.inputValue(), "tcp");
    await ready.selectOption("http");
    await path.fill("/healthz");
    assert.deepEqual(await written(), { kind: "http", path: "/healthz" });
    // Erased it is wrong, and not something else.
    await path.fill("");
    await button("Review changes").click();
    await page.locator(".field.wrong").filter({ hasText: "Path" }).locator(".error").waitFor();
    await browser.accessible("register, a path is missing");
    assert.equal(await ready.inputValue(), "http");
    await ready.selectOption("answer");
    assert.equal(await written(), undefined);
    page.once("dialog", (asked) => void asked.accept());
    await page.getByRole("link", { name: "Cancel" }).click();
    browser.noFaults();
  });

  test("calls a function, shows where a cold start's time went, and how to do the same elsewhere", async () => {
    await browser.go("/n/default/invoke?function=anything", "Invoke");
    await page.getByLabel("Path and query").fill("/facts.json");
    await button("Send").click();
    const answer = page.getByRole("region", { name: "Answer" });
    await answer.getByText("200", { exact: true }).waitFor();
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
    const happened = page.getByRole("list", { name: /What happened/ });
    // Its deploy is on the same axis.
    await happened.getByText("slow-00001 is ready").waitFor();
    await happened.getByText(/in flight|held|panic/).first().waitFor();
    await page.waitForFunction(() => document.querySelectorAll("[aria-labelledby=instances] tbody tr").length > 1);
    await page.getByRole("img", { name: /in flight/ }).waitFor();
    await page.locator(".chart canvas").waitFor();
    // A decision in the list is pointed at in the chart, and the chart tells what it is over.
    await page.locator(".u-over").hover({ position: { x: 200, y: 60 } });
    await page.locator(".tip").getByText(/in flight/).waitFor();
    await browser.accessible("function, scaling");
    const answers = await Promise.all(burst);
    assert.ok(answers.every(({ status }) => status === 200), JSON.stringify(answers.find(({ status }) => status !== 200)));
    // A range is dragged, is in the address, and moved without a pointer.
    const plot = await page.locator(".u-over").boundingBox();
    await page.mouse.move(plot.x + plot.width * 0.5, plot.y + 80);
    await page.mouse.down();
    await page.mouse.move(plot.x + plot.width * 0.9, plot.y + 90, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+.*to=\d+/);
    const span = () => page.evaluate(() => new URLSearchParams(location.search)).then(() => new URL(page.url()).searchParams).then((query) => Number(query.get("to")) - Number(query.get("from")));
    const dragged = await span();
    assert.ok(dragged > 20 && dragged < 70, `${dragged} s`);
    await button("Closer").click();
    assert.ok(Math.abs((await span()) - dragged / 2) < 1);
    await browser.accessible("function, a range");
    await button("10 min").click();
    await page.waitForURL((url) => !url.search.includes("from"));
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
    // The two that have calls, side by side.
    const compare = page.getByRole("region", { name: "Side by side" });
    await compare.getByRole("row", { name: /env.COLOUR/ }).getByText("green").waitFor();
    await compare.getByLabel("Revision on the right").selectOption("anything-00001");
    await compare.getByText("Choose two revisions").waitFor();
    assert.match(page.url(), /b=anything-00001/);
    await row("anything-00001").getByRole("button", { name: "Roll back to this" }).click();
    await dialog().getByRole("button", { name: "Roll back" }).click();
    await row("anything-00001").getByText("100 %").waitFor();
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByText("container concurrency").waitFor();
    await browser.accessible("settings");
    browser.noFaults();
  });
}
