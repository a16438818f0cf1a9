// What is round the functions: logs, sidecars, secrets, tokens, the keyboard, a broken connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "../browser.mjs";

export function platform(the) {
  const { gateless, line, browser, page, row, button, link, dialog } = the;

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
    await log.locator("mark", { hasText: "second-line" }).first().waitFor();
    await browser.accessible("logs");
    // What is looked for is in the address, both ways.
    await page.waitForURL((url) => url.searchParams.get("q") === "second-line");
    await page.reload();
    await log.locator("mark", { hasText: "second-line" }).first().waitFor();
    assert.equal(await page.getByRole("searchbox").inputValue(), "second-line");
    await page.getByRole("searchbox").fill("");
    await page.waitForURL((url) => !url.searchParams.has("q"));
    await log.getByText(/first-line/).first().waitFor();
    // A pause is of these lines, not of another function's.
    await button("Pause").click();
    await page.getByLabel("Function", { exact: true }).selectOption("flaky");
    await button("Pause").waitFor();
    await log.getByText(/first-line/).first().waitFor({ state: "detached" });
    // Sidecars whose lines are missing are named, as the server names them.
    await page.route(/\/functions\/flaky\/logs/, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, headers: { ...answer.headers(), "x-gateless-unreachable": "s7,s8" } });
    });
    await browser.go("/n/default/logs?function=flaky&since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z", "Logs");
    await page.getByText("s7: its lines are missing; s8: its lines are missing").waitFor();
    await page.unroute(/\/functions\/flaky\/logs/);
    browser.noFaults();
  });

  test("reads levels and fields of lines, leads to the calls they name, and shows a range", async () => {
    const program = `import os,sys,json,threading,http.server as h
gate=threading.Event()
class H(h.BaseHTTPRequestHandler):
 def do_POST(s):
  print(json.dumps({"level":"warn","msg":"stock is low","item":"tea","call":s.headers.get("x-call-id")}),flush=True)
  if s.path=="/wait": gate.wait()
  print('level=error msg="out of stock" item=coffee',flush=True)
  print("INFO plain words",flush=True)
  s.send_response(200);s.end_headers()
 def do_GET(s):
  if s.path=="/open": gate.set()
  s.send_response(200);s.end_headers()
 def log_message(s,*a): pass
h.ThreadingHTTPServer(("127.0.0.1",int(os.environ["PORT"])),H).serve_forever()`;
    await gateless.api("PUT", "/v1/namespaces/default/functions/shop", { spec: { kind: "process", process: { command: ["python3", "-c", program] } } });
    await gateless.api("GET", "/v1/namespaces/default/functions/shop/wait?condition=ready&timeout_ms=30000");
    const sent = await fetch(`${gateless.ready.public}/async-function/shop/`, { method: "POST", body: "x" });
    const id = sent.headers.get("x-call-id");
    await browser.go("/n/default/logs?function=shop", "Logs");
    const log = page.getByRole("log");
    await log.locator(".line.warn").getByText("stock is low").waitFor();
    await log.locator(".line.warn").getByText("item=tea").waitFor();
    await log.locator(".line.info").getByText("INFO plain words").waitFor();
    await browser.accessible("logs with levels");
    await page.getByLabel("Level").selectOption("error");
    await log.getByText("stock is low").waitFor({ state: "detached" });
    await log.locator(".line.error").getByText("out of stock").waitFor();
    assert.match(page.url(), /level=error/);
    await page.getByLabel("Level").selectOption("");
    // As it was written, for what taking it apart leaves out.
    await button("Raw").click();
    await log.getByText('"msg": "stock is low"').waitFor();
    await browser.accessible("logs as they were written");
    await button("Raw").click();
    await page.getByRole("searchbox").fill("item=tea");
    await log.getByText("out of stock").waitFor({ state: "detached" });
    await log.getByRole("link", { name: id }).click();
    await page.getByRole("heading", { level: 1 }).getByText(id).waitFor();
    // Its page has the lines of its time, and leads to them.
    await page.getByRole("region", { name: "Logs of that time" }).getByText("stock is low").waitFor();
    await link("Open in Logs").click();
    await log.getByText("stock is low").waitFor();
    assert.equal(await page.getByLabel("When").inputValue(), "range");
    await browser.accessible("logs of a range");
    assert.equal(await button("Clear").count(), 0);
    assert.equal(await button("Pause").count(), 0);
    // A call that goes on: its lines come as they are written, and what it wrote is told apart from what it has not written yet.
    const long = await fetch(`${gateless.ready.public}/async-function/shop/wait`, { method: "POST", body: "x" });
    await browser.go(`/n/default/calls/shop/${long.headers.get("x-call-id")}`);
    const lines = page.getByRole("region", { name: "Logs of that time" });
    await page.getByRole("heading", { level: 1 }).getByText("running").waitFor();
    await lines.getByText("stock is low").waitFor();
    assert.equal(await lines.getByText("out of stock").count(), 0);
    await gateless.call("/function/shop/open");
    await lines.getByText("out of stock").waitFor();
    await page.getByRole("heading", { level: 1 }).getByText("succeeded").waitFor();
    await lines.getByText("out of stock").waitFor();
    await browser.go("/n/default/logs?function=shop&since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z", "Logs");
    await page.getByText("Nothing was written then").waitFor();
    await gateless.api("DELETE", "/v1/namespaces/default/functions/shop");
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
    // The page hears of it by an event; what the sidecar reports of itself comes a moment later.
    const drains = async () => (await gateless.api("GET", "/v1/sidecars")).items.find((one) => one.id === first.id).draining;
    for (let looks = 0; looks < 200 && !(await drains()); looks++) await new Promise((done) => setTimeout(done, 50));
    assert.equal(await drains(), true);
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

  test("asks before a key pressed by accident takes away what was typed, and names who has not applied a change", async () => {
    await browser.go("/n/default/secrets", "Secrets");
    const escape = async (how) => {
      const asked = page.waitForEvent("dialog");
      await Promise.all([page.keyboard.press("Escape"), asked.then((question) => question[how]())]);
      assert.equal((await asked).message(), "Close without saving what you typed?");
    };
    await button("Set a secret").click();
    await dialog().waitFor();
    // Nothing was typed, so nothing is asked.
    await page.keyboard.press("Escape");
    await dialog().waitFor({ state: "detached" });
    await button("Set a secret").click();
    await dialog().getByLabel("Name").pressSequentially("half-done");
    await escape("dismiss");
    assert.equal(await dialog().getByLabel("Name").inputValue(), "half-done");
    await escape("accept");
    await dialog().waitFor({ state: "detached" });

    let preferred;
    await page.route(/\/secrets\/far$/, async (route) => {
      preferred = await route.request().headerValue("prefer");
      const answer = await route.fetch();
      await route.fulfill({ response: answer, headers: { ...answer.headers(), "x-gateless-behind": "s7", "x-gateless-away": "s8" } });
    });
    await button("Set a secret").click();
    await dialog().getByLabel("Name").fill("far");
    await dialog().getByLabel("Key").fill("key");
    await dialog().getByLabel("Value").fill("hunter2");
    await button("Set").click();
    await page.getByText("Not applied yet at s7, s8").waitFor();
    assert.equal(preferred, "wait=2");
    await page.getByRole("button", { name: "Dismiss" }).first().click();
    await page.unroute(/\/secrets\/far$/);
    await button("Delete far").click();
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
      // Its session ends with it, without a click: the stream it lived from has ended.
      await other.page.getByRole("button", { name: "Sign in" }).waitFor();
      assert.equal(await other.page.getByText("anything").count(), 0);
      other.noFaults();
    } finally {
      await other.close();
    }
    browser.noFaults();
  });

  test("a link from the command line signs one browser in, once", async () => {
    const { url } = await gateless.cli("dashboard");
    const other = await Browser.open(line.url);
    try {
      await other.page.goto(url.replace(gateless.url, line.url));
      await other.heading("Functions");
      assert.equal(await other.page.evaluate(() => location.hash), "");
      await other.page.context().clearCookies();
      await other.page.goto("about:blank");
      const link = url.replace(gateless.url, line.url);
      await other.page.goto(link);
      await other.page.getByRole("button", { name: "Sign in" }).waitFor();
      // It says why it did not, and the code is out of the address.
      await other.page.getByRole("alert").getByText("The link did not sign you in").waitFor();
      assert.equal(await other.page.evaluate(() => location.hash), "");
      await other.accessible("login, with a link that is used up");
      // Opened where the page already is, another one is followed all the same; not before the server has answered is it used up.
      const { url: fresh } = await gateless.cli("dashboard");
      await other.page.route("**/v1/session", (route) => route.abort());
      await other.page.goto(fresh.replace(gateless.url, line.url));
      await other.page.getByRole("alert").getByText("The server does not answer.").waitFor();
      assert.match(await other.page.evaluate(() => location.hash), /^#login=/);
      await other.page.unroute("**/v1/session");
      await other.page.reload();
      await other.heading("Functions");
      assert.equal(await other.page.evaluate(() => location.hash), "");
      // Whoever is signed in stays so.
      await other.page.goto("about:blank");
      await other.page.goto(link);
      await other.heading("Functions");
      await other.page.locator(".toast.bad").waitFor();
      other.noFaults();
    } finally {
      await other.close();
    }
  });

  test("shows who changed what, and what was refused", async () => {
    await browser.go("/audit", "Audit");
    await page.getByText("DELETE /v1/tokens/").first().waitFor();
    await page.locator("details summary").first().click();
    await page.locator("details dd").first().waitFor();
    await browser.accessible("audit");
    // What the server did by itself was no request of anybody.
    const own = row("first admin token");
    while ((await own.count()) === 0) {
      const before = await page.getByRole("row").count();
      await button("Older entries").click();
      await page.waitForFunction((rows) => document.querySelectorAll("tr").length > rows, before);
    }
    assert.deepEqual((await own.locator("td").allInnerTexts()).slice(0, 4), ["the server", "–", "first admin token", "–"]);
    // Nothing of it goes when the newest are read again, as when a stream cannot be resumed.
    const reset = { type: "reset", time: new Date().toISOString(), namespace: null, function: null, message: "" };
    const stream = { contentType: "text/event-stream", body: `event: reset\ndata: ${JSON.stringify(reset)}\n\n` };
    await page.route("**/v1/events", (route) => route.fulfill(stream), { times: 1 });
    const entries = await page.getByRole("row").count();
    await gateless.api("PUT", "/v1/namespaces/default/secrets/audited", { data: { key: "value" } });
    const again = page.waitForResponse((response) => response.url().includes("/v1/audit"));
    line.cut();
    await again;
    await own.waitFor();
    await page.waitForFunction((rows) => document.querySelectorAll("tr").length > rows, entries);
    await gateless.api("DELETE", "/v1/namespaces/default/secrets/audited");
    await button("Refused").click();
    await page.getByText("token_invalid").first().waitFor();
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
    // What could not be read meanwhile is read again by itself, and until then stays as it was.
    await browser.go("/n/default/functions/newcomer", /newcomer/);
    await page.locator("main .figure dd").first().waitFor();
    const one = /\/functions\/newcomer$/;
    await page.route(one, (route) => (route.request().resourceType() === "fetch" ? route.abort() : route.continue()));
    await gateless.api("PUT", "/v1/namespaces/default/functions/newcomer", { labels: { team: "late" }, spec });
    await page.getByText("The server does not answer").waitFor();
    assert.ok((await page.locator("main .figure dd").count()) > 0);
    await page.unroute(one);
    await page.getByText("The server does not answer").waitFor({ state: "detached" });
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByText("team", { exact: true }).waitFor();
    browser.noFaults();
  });

  test("keeps namespaces apart, and signs out", async () => {
    await button("Namespace default").click();
    await dialog().getByLabel("Another").fill("elsewhere");
    await page.keyboard.press("Enter");
    await page.getByText("No function yet").waitFor();
    assert.match(page.url(), /\/n\/elsewhere\/functions$/);
    await button("Sign out").click();
    await button("Sign in").waitFor();
    await page.goto(`${line.url}/n/default/functions`);
    await button("Sign in").waitFor();
    browser.noFaults();
  });
}
