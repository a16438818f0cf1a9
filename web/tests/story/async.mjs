// Calls that are queued: followed, replayed, purged; and triggers, which make them.

import assert from "node:assert/strict";
import { test } from "node:test";

/** Longer than anything on a page waits before it reads again. */
const quiet = () => new Promise((done) => setTimeout(done, 5000));

export function queued(the) {
  const { gateless, browser, page, row, button, link, dialog } = the;

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
    // What it was made with, and what the function wrote meanwhile.
    await page.getByRole("region", { name: "Request" }).getByText("a bad order").waitFor();
    await page.getByRole("region", { name: "Logs of that time" }).getByRole("log").locator(".line").first().waitFor();
    await link("dead letters").click();
    await browser.heading("Dead letters");
    await gateless.call("/async-function/flaky/?fail=always", { method: "POST", body: "another bad order" });
    await button("One by one").click();
    await row("/?fail=always").nth(1).waitFor({ timeout: 60_000 });
    await browser.accessible("dead letters, one by one");
    await button("By error").click();
    // Both died of the same.
    const group = row(/attempts/).first();
    await group.getByText("2", { exact: true }).waitFor();
    await browser.accessible("dead letters by error");
    await gateless.call("/function/flaky/heal", { method: "POST" });
    // One is tried, and the other follows. What others do meanwhile is not read again and again.
    await group.getByRole("button", { name: /^Try one/ }).click();
    await group.getByText("succeeded").waitFor({ timeout: 60_000 });
    let read = 0;
    const count = (request) => void (request.url().includes("state=dead") && (read += 1));
    page.on("request", count);
    for (let number = 0; number < 3; number += 1) await gateless.call("/async-function/slow/?ms=1", { method: "POST" });
    await quiet();
    page.off("request", count);
    assert.equal(read, 0, "dead letters were read for calls that went well");
    // Where only a part was done, both are said.
    await page.route("**/dead-letters/replay", async (route) => {
      const answer = await route.fetch();
      const body = { ...(await answer.json()), failed: [{ id: "x", code: "call_not_found", detail: "it is gone" }] };
      await route.fulfill({ response: answer, json: body });
    });
    await group.getByRole("button", { name: /^Replay 1 of/ }).click();
    // What would come of it is said before it is done.
    await dialog().getByText("1 dead letter would be put back into the queue").waitFor();
    await dialog().getByText("1 dead letter left as it was: it is gone").waitFor();
    await browser.accessible("replay of a group, asked");
    await dialog().getByRole("button", { name: "Replay 1", exact: true }).click();
    await page.getByText("1 dead letter put back").waitFor();
    await dialog().waitFor({ state: "detached" });
    await page.getByText("1 dead letter left as it was: it is gone").waitFor();
    await page.unroute("**/dead-letters/replay");
    // A group with nothing left still leads to the call that was tried.
    await group.getByText("0", { exact: true }).waitFor();
    await group.locator("a[data-row]").click();
    await page.getByRole("heading", { level: 1 }).getByText("succeeded").waitFor();
    await browser.go("/n/default/calls?state=succeeded", "Async calls");
    await row("/?fail=always").getByText("succeeded").nth(1).waitFor();
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
    await page.getByText("Every queue is empty").waitFor();
    // Live: it appears while it is worked off, and goes.
    for (let number = 0; number < 3; number += 1) await gateless.call("/async-function/slow/?ms=3000", { method: "POST" });
    await row("slow").waitFor();
    await browser.accessible("queues");
    await row("slow").waitFor({ state: "detached" });
    browser.noFaults();
  });

  test("finds calls by what they were, and keeps that in the address", async () => {
    const key = { "idempotency-key": "order-7" };
    const sent = await fetch(`${gateless.ready.public}/async-function/flaky/?n=keyed`, { method: "POST", body: "seven", headers: { ...key, authorization: "Bearer s3cret" } });
    assert.equal(sent.status, 202);
    const id = sent.headers.get("x-call-id");
    await browser.go("/n/default/calls", "Async calls");
    await row("/?n=keyed").getByText("succeeded").waitFor({ timeout: 60_000 });
    await page.getByLabel("Idempotency key").fill("order-7");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
    assert.match(page.url(), /key=order-7/);
    await page.getByLabel("Status").fill("5xx");
    await page.keyboard.press("Enter");
    await page.getByText("No call is so").waitFor();
    await page.getByLabel("Status").fill("99");
    await page.keyboard.press("Enter");
    await page.locator("input[aria-invalid]").waitFor();
    await browser.accessible("calls, with a filter that is wrong");
    // The address alone says what is shown.
    await browser.go("/n/default/calls?key=order-7&status=2xx&cause=caller&last=1h", "Async calls");
    await row("/?n=keyed").waitFor();
    assert.equal(await page.getByLabel("When").inputValue(), "1h");
    await page.getByLabel("Cause").selectOption("trigger");
    await page.getByText("No call is so").waitFor();
    // A range that is over before it was made.
    await browser.go("/n/default/calls?key=order-7&since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z", "Async calls");
    await page.getByText("No call is so").waitFor();
    await browser.accessible("calls of a range");
    // By its id alone, as a log or a caller has it.
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: /^Functions, calls/ }).fill(id);
    await page.getByRole("option", { name: new RegExp(id) }).first().waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1 }).getByText(id).waitFor();
    assert.match(page.url(), /\/calls\/flaky\//);
    await page.getByText("Not shown, being credentials: authorization").waitFor();
    assert.equal((await page.content()).includes("s3cret"), false);
    // Made again, edited: a new call.
    await link("Replay edited").click();
    await browser.heading("Invoke");
    await page.getByText("its idempotency key").waitFor();
    assert.equal(await page.getByLabel("Body").inputValue(), "seven");
    assert.equal(await page.getByLabel("Path and query").inputValue(), "/?n=keyed");
    await page.getByLabel("Body").fill("eight");
    await browser.accessible("replay, edited");
    await button("Send").click();
    await page.getByRole("link", { name: /Follow call/ }).click();
    await page.getByRole("region", { name: "Request" }).getByText("eight").waitFor();
    assert.equal(page.url().includes(id), false);
    await page.getByRole("heading", { level: 1 }).getByText("succeeded").waitFor({ timeout: 60_000 });
    // Another function has no such call.
    await link("Replay edited").click();
    await page.getByText("its idempotency key").waitFor({ state: "detached" });
    await page.getByText(/A new call, made like/).waitFor();
    await page.getByLabel("Function", { exact: true }).selectOption("slow");
    await page.getByText(/A new call, made like/).waitFor({ state: "detached" });
    assert.equal(page.url().includes("call="), false);
    assert.equal(await page.getByRole("alert").count(), 0);
    browser.noFaults();
  });

  test("keeps the place in a long list by keyboard, and older calls below newer ones", async () => {
    const send = (count) => Promise.all(Array.from({ length: count }, () => gateless.call("/async-function/slow/?ms=1", { method: "POST" })));
    await send(130);
    await browser.go("/n/default/calls?function=slow", "Async calls");
    await page.waitForFunction(() => document.querySelector("main table")?.getAttribute("aria-rowcount") === "101");
    const focused = () => page.evaluate(() => document.activeElement.closest("tr")?.getAttribute("aria-rowindex") ?? null);
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await row("succeeded").last().waitFor();
    await page.waitForFunction(() => document.querySelector('tr[aria-rowindex="95"]'));
    await page.locator('tr[aria-rowindex="95"] a').focus();
    // The row that has the focus stays, however far away it is.
    await page.evaluate(() => scrollTo(0, 0));
    await page.waitForFunction(() => document.querySelectorAll("main tr.spacer").length > 0);
    await page.keyboard.press("j");
    assert.equal(await focused(), "96");
    await page.keyboard.press("k");
    assert.equal(await focused(), "95");
    const before = await page.evaluate(() => Number(document.querySelector("main table").getAttribute("aria-rowcount")));
    await button("Older calls").click();
    await page.waitForFunction((rows) => Number(document.querySelector("main table").getAttribute("aria-rowcount")) > rows, before);
    const rows = await page.evaluate(() => Number(document.querySelector("main table").getAttribute("aria-rowcount")));
    // Others come: those they push out of the newest page are still there.
    await send(5);
    await page.waitForFunction((all) => Number(document.querySelector("main table").getAttribute("aria-rowcount")) === all, rows + 5);
    browser.noFaults();
  });

  test("purges dead letters once that was typed", async () => {
    await gateless.api("PUT", "/v1/namespaces/default/functions/refuser", {
      spec: { kind: "process", process: { command: ["python3", "-c", "import os,http.server as h\nclass H(h.BaseHTTPRequestHandler):\n def do_POST(s): s.send_error(500)\nh.HTTPServer(('127.0.0.1',int(os.environ['PORT'])),H).serve_forever()"] }, async: { max_attempts: 1 } },
    });
    await gateless.api("GET", "/v1/namespaces/default/functions/refuser/wait?condition=ready&timeout_ms=30000");
    await gateless.call("/async-function/refuser/x", { method: "POST", body: "x" });
    await browser.go("/n/default/dead-letters?function=refuser", "Dead letters");
    await row("refuser").waitFor({ timeout: 60_000 });
    // Counting changes nothing, however often it is done.
    for (let times = 0; times < 2; times += 1) {
      await button("Replay all").click();
      await dialog().getByText("1 dead letter would be put back").waitFor();
      await dialog().getByRole("button", { name: "Cancel" }).click();
      await dialog().waitFor({ state: "detached" });
      await row("refuser").waitFor();
    }
    await button("Purge all").click();
    await dialog().getByText("1 dead letter of refuser would be deleted, with its body").waitFor();
    await browser.accessible("purge, asked");
    await dialog().getByRole("textbox").fill("purge");
    await dialog().getByRole("button", { name: "Purge" }).click();
    await page.getByText("1 dead letter purged").waitFor();
    await page.getByText("No dead letters").waitFor();
    browser.noFaults();
  });

  test("makes a trigger, watches it fire, changes, pauses and deletes it", async () => {
    await browser.go("/n/default/triggers", "Triggers");
    await button("Create trigger").click();
    await dialog().getByLabel("Name").fill("ticker");
    await dialog().getByLabel("Function").fill("nobody");
    await dialog().getByLabel("Schedule").fill("whenever");
    await button("Create").click();
    await dialog().locator(".field.wrong").filter({ hasText: "Schedule" }).locator(".error").waitFor();
    await browser.accessible("create a trigger");
    await dialog().getByLabel("Schedule").fill("* * * * * *");
    await button("Create").click();
    // It may be there before its function is, and says so.
    await row("ticker").getByText("function missing").waitFor();
    await button("Edit ticker").click();
    await dialog().getByLabel("Function").fill("flaky");
    await button("Save").click();
    await page.waitForFunction(() => [...document.querySelectorAll("tbody tr")].some((tr) => tr.textContent.includes("ticker") && Number(tr.cells[6].textContent) > 0), null, { timeout: 60_000 });
    await browser.accessible("triggers");
    await button("Pause ticker").click();
    await row("ticker").getByText("paused", { exact: true }).waitFor();
    await button("Create trigger").click();
    await dialog().getByLabel("Name").fill("orders");
    await dialog().getByLabel("Function").fill("flaky");
    await dialog().getByLabel("Fires on").selectOption("queue");
    await dialog().getByLabel("Topic").fill("orders");
    await button("Create").click();
    await row("orders").getByText("topic", { exact: true }).waitFor();
    for (const name of ["ticker", "orders"]) {
      await button(`Delete ${name}`).click();
      await dialog().getByRole("button", { name: "Delete trigger" }).click();
      await row(name).waitFor({ state: "detached" });
    }
    browser.noFaults();
  });
}
