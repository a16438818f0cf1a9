// What helps people who have many things: the palette, namespaces with counts, addresses, and pages that say when they are old or small.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Browser } from "../browser.mjs";
import { ROOT } from "../gateless.mjs";

const run = promisify(execFile);
const PHONE = { width: 390, height: 844 };
/** The narrowest that is still sold. */
const NARROW = { width: 360, height: 740 };
const DESK = { width: 1360, height: 860 };
const SPEC = { kind: "process", process: { command: ["sh", "-c", "exec python3 -m http.server --bind 127.0.0.1 $PORT"] } };

export function convenience(the) {
  const { gateless, browser, page, row, button, dialog } = the;
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  const question = () => page.getByRole("combobox", { name: /^Functions, calls/ });

  test("goes anywhere by a few letters", async () => {
    await browser.go("/n/default/functions", "Functions");
    await page.keyboard.press("Control+k");
    await question().pressSequentially("anyth");
    await page.getByRole("option", { name: "anything function", exact: true }).waitFor();
    await browser.accessible("palette");
    await page.keyboard.press("Enter");
    await browser.heading(/anything/);
    await page.keyboard.press("Control+k");
    await question().fill("edit anything");
    await page.getByRole("option", { name: /Edit anything/ }).click();
    await browser.heading("Edit anything");
    // It opens while somebody types, too.
    await page.getByLabel("Environment").focus();
    await page.keyboard.press("Control+k");
    await question().fill("flaky call");
    const call = page.getByRole("option", { name: /flaky.*call$/ }).first();
    await call.waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    assert.match(page.url(), /\/calls\/flaky\//);
    await page.keyboard.press("Control+k");
    await question().fill("guide security");
    await page.getByRole("option", { name: /^Security/, selected: true }).waitFor();
    await page.keyboard.press("Enter");
    await browser.heading("Security");
    assert.match(page.url(), /\/docs\/security$/);
    await page.goBack();
    await page.keyboard.press("Control+k");
    await question().fill("no such thing at all");
    await dialog().getByText("Nothing is called so here").waitFor();
    await page.keyboard.press("Escape");
    await dialog().waitFor({ state: "detached" });
    browser.noFaults();
  });

  test("deploys, purges and signs out from the palette, by keyboard alone, and gives the focus back", async () => {
    await browser.go("/n/default/functions", "Functions");
    await row("anything").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.press("Control+k");
    assert.equal(await question().getAttribute("aria-autocomplete"), "list");
    const active = () => question().evaluate((input) => document.getElementById(input.getAttribute("aria-activedescendant"))?.textContent);
    const first = await active();
    await page.keyboard.press("ArrowDown");
    assert.notEqual(await active(), first);
    // Wherever Tab leads, it stays inside.
    for (let step = 0; step < 4; step += 1) {
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest("dialog") !== null), true);
    }
    await page.keyboard.press("Escape");
    await dialog().waitFor({ state: "detached" });
    await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Search functions");
    for (const [asked, offered] of [["deploy new", /^Register a function/], ["purge", /^Purge dead letters/], ["log out", /^Sign out/]]) {
      await page.keyboard.press("Control+k");
      await question().fill(asked);
      await page.getByRole("option", { name: offered, selected: true }).waitFor();
      await page.keyboard.press("Escape");
      await dialog().waitFor({ state: "detached" });
    }
    await page.keyboard.press("Control+k");
    await question().fill("create trigger");
    await page.keyboard.press("Enter");
    await dialog().getByRole("heading", { name: "Create a trigger" }).waitFor();
    await page.keyboard.press("Escape");
    await dialog().waitFor({ state: "detached" });
    await browser.heading("Triggers");
    browser.noFaults();
  });

  test("says where a function is called, host name first", async () => {
    await browser.go("/n/default/functions/anything", /anything/);
    const address = page.getByRole("region", { name: "Address" });
    await address.getByRole("button", { name: "Copy the address", exact: true }).click();
    assert.match(await clipboard(), /^http:\/\/anything\.default\.localhost:\d+\/$/);
    await address.getByRole("button", { name: "Copy the curl command" }).click();
    const { stdout } = await run("sh", ["-c", await clipboard()]);
    assert.match(stdout, /^HTTP\/1.1 200/);
    const answered = page.context().waitForEvent("response", (response) => new URL(response.url()).hostname === "anything.default.localhost");
    const [opened] = await Promise.all([page.context().waitForEvent("page"), address.getByRole("link", { name: "Open" }).click()]);
    assert.equal((await answered).status(), 200);
    await opened.waitForLoadState();
    assert.match(opened.url(), /^http:\/\/anything\.default\.localhost:\d+\/$/);
    assert.match(await opened.content(), /revision anything-0000\d/);
    await opened.close();
    browser.noFaults();
  });

  test("says when the latest revision gets no traffic, until it does", async () => {
    await browser.go("/n/default/functions/anything", /anything/);
    const banner = page.getByRole("status").filter({ hasText: "gets no traffic" });
    await banner.getByText("anything-00002").waitFor();
    assert.match(await banner.innerText(), /anything-00001 \(100 %\)/);
    await browser.accessible("function, latest left out");
    await banner.getByRole("button", { name: "Promote" }).click();
    await banner.waitFor({ state: "detached" });
    const { traffic } = await gateless.api("GET", "/v1/namespaces/default/functions/anything");
    assert.deepEqual(traffic.map(({ latest, percent }) => [latest, percent]), [[true, 100]]);
    browser.noFaults();
  });

  test("reviews only what is not default", async () => {
    await browser.go("/n/default/functions/new", "Register a function");
    await page.getByLabel("Name", { exact: true }).fill("reviewed");
    await page.getByLabel("Command").fill("sleep 1");
    await page.getByLabel("Most instances").fill("7");
    await button("Review changes").click();
    const plan = page.getByRole("region", { name: "It will be registered as" });
    await plan.getByText("Everything else is at its default").waitFor();
    const fields = await plan.locator("tbody th").allInnerTexts();
    assert.ok(fields.includes("spec.scaling.max_scale") && fields.includes("spec.process.command"), String(fields));
    assert.equal(fields.some((field) => /timeout|async|readiness|limits|min_scale/.test(field)), false, String(fields));
    assert.equal(await plan.evaluate((card) => card.getBoundingClientRect().bottom <= innerHeight + 1), true);
    page.once("dialog", (asked) => void asked.accept());
    await page.getByRole("link", { name: "Cancel" }).click();
    browser.noFaults();
  });

  test("leads from an empty namespace to a cold and a warm call", async () => {
    await browser.go("/n/first/functions", "Functions");
    const hello = page.getByRole("region", { name: "Your first function" });
    await hello.getByLabel("Program").waitFor();
    await browser.accessible("onboarding");
    // What was written is not left unasked.
    const program = await hello.getByLabel("Program").inputValue();
    await hello.getByLabel("Program").fill(`${program}# mine`);
    page.once("dialog", (asked) => void asked.dismiss());
    await page.getByRole("navigation", { name: "Screens" }).getByRole("link", { name: "Queues" }).click();
    assert.equal(await hello.getByLabel("Program").inputValue(), `${program}# mine`);
    await hello.getByLabel("Program").fill(program);
    await hello.getByLabel("Name").fill("Not A Label");
    await hello.getByRole("button", { name: "Deploy" }).click();
    await hello.getByRole("alert").or(hello.locator(".field.wrong")).first().waitFor();
    await hello.getByLabel("Name").fill("hello");
    await hello.getByRole("button", { name: "Deploy" }).click();
    const calls = page.getByRole("region", { name: "Its first calls" });
    await calls.getByRole("button", { name: "Call it" }).click();
    await calls.getByText("cold start", { exact: true }).waitFor({ timeout: 60_000 });
    await calls.getByText("instance starts").waitFor();
    await calls.getByRole("button", { name: "Call it" }).click();
    await calls.getByText("warm", { exact: true }).waitFor();
    // However many follow, it has been seen cold.
    for (const warm of [2, 3, 4]) {
      await calls.getByRole("button", { name: "Call it" }).click();
      await page.waitForFunction((count) => document.querySelectorAll(".answered").length >= Math.min(4, count), warm + 1);
    }
    await calls.getByText("cold start", { exact: true }).waitFor({ state: "detached" });
    await calls.getByRole("heading", { name: "Call it again: warm" }).waitFor();
    await calls.getByText("From anywhere").waitFor();
    await calls.getByRole("heading", { name: "Now stop the server" }).waitFor();
    await browser.accessible("onboarding, called");
    const { stdout } = await run("sh", ["-c", await calls.locator("pre").innerText()]);
    assert.match(stdout, /^HTTP\/1.1 200[\s\S]*hello/);
    // Gone for this page: it says so, and what goes on.
    await page.context().setOffline(true);
    the.line.cut();
    await calls.getByText("the server is gone").waitFor();
    await browser.accessible("onboarding, server gone");
    await page.context().setOffline(false);
    await calls.getByText("the server is gone").waitFor({ state: "detached" });
    await calls.getByRole("link", { name: "hello" }).click();
    await browser.heading(/hello/);
    await gateless.api("DELETE", "/v1/namespaces/first/functions/hello");
    browser.noFaults();
  });

  test("switches namespaces, with what is in each", async () => {
    await gateless.api("PUT", "/v1/namespaces/team-a/functions/theirs", { spec: SPEC });
    await browser.go("/n/team-a/functions", "Functions");
    await button("Namespace team-a").click();
    await dialog().getByRole("button", { name: "team-a 1 function" }).waitFor();
    await dialog().getByRole("button", { name: /^default \d+ functions/ }).waitFor();
    await browser.accessible("namespaces");
    await dialog().getByLabel("Another").fill("Not One");
    await dialog().getByRole("button", { name: "Switch" }).click();
    await dialog().getByText("A DNS label").waitFor();
    await dialog().getByRole("button", { name: /^default/ }).click();
    await row("anything").waitFor();
    assert.match(page.url(), /\/n\/default\/functions$/);
    browser.noFaults();
  });

  test("shows the guides and the API's reference to anybody, and finds in both", async () => {
    const visitor = await Browser.open(the.line.url);
    try {
      // The way in leads there, and it is as strictly served.
      const login = await visitor.page.goto(the.line.url);
      await visitor.page.getByRole("button", { name: "Sign in" }).waitFor();
      await visitor.page.getByRole("link", { name: "Documentation" }).click();
      await visitor.heading("Documentation");
      const served = await visitor.page.reload();
      const policy = served.headers()["content-security-policy"];
      assert.match(policy, /default-src 'self'/);
      assert.equal(policy, login.headers()["content-security-policy"]);
      await visitor.heading("Documentation");
      await visitor.accessible("documentation");
      await visitor.page.getByRole("main").getByRole("link", { name: "API reference" }).click();
      await visitor.heading("API reference");
      const document = await gateless.api("GET", "/v1/openapi.json");
      const operations = Object.values(document.paths).flatMap((item) => Object.values(item).map((one) => one.operationId).filter(Boolean));
      const drawn = await visitor.page.locator(".operation").evaluateAll((all) => all.map((one) => one.id));
      assert.deepEqual(operations.filter((id) => !drawn.includes(id)), []);
      await visitor.page.getByText("http://127.0.0.1:7780").waitFor();
      // What sidecars take is there, too, and is what they take.
      const sidecar = JSON.parse(await readFile(join(ROOT, "openapi/sidecar.json"), "utf8"));
      for (const [path, item] of Object.entries(sidecar.paths)) {
        for (const [method, { operationId }] of Object.entries(item)) {
          assert.ok(drawn.includes(operationId), operationId);
          const at = path.replace("{name}", "anything").replace("{rest}", "").replace("{namespace}", "default").replace("{topic}", "nobody.default").replace("{id}", `${"0".repeat(32)}-0badcafe`);
          const { status, body } = await gateless.call(at, { method: method.toUpperCase() });
          assert.ok(status !== 405 && !body.includes("no such path"), `${method} ${at}: ${status} ${body}`);
        }
      }
      assert.deepEqual(Object.keys(document.components.schemas).filter((name) => !drawn.includes(`type-${name}`)), []);
      await visitor.page.locator("#type-Queue pre", { hasText: '"oldest_age_ms": 120' }).waitFor();
      await visitor.accessible("reference");
      // Both kinds of hits lead to their place, also to another place of the page that is shown.
      const { summary } = Object.values(document.paths).flatMap((item) => Object.values(item)).find((one) => one.operationId === "rollbackFunction");
      await visitor.page.getByRole("searchbox").fill("rollback");
      await visitor.page.getByRole("main").getByRole("link", { name: summary, exact: true }).click();
      await visitor.page.locator("#rollbackFunction").waitFor();
      assert.match(visitor.page.url(), /\/docs\/api#rollbackFunction$/);
      await visitor.page.waitForFunction(() => document.getElementById("rollbackFunction").getBoundingClientRect().top < innerHeight);
      await visitor.page.getByRole("searchbox").fill("time zone");
      await visitor.page.locator(".hits li", { hasNotText: "API reference" }).getByRole("link").first().click();
      await visitor.page.locator(".guide h1").waitFor();
      await visitor.accessible("guide");
      // Every link between guides leads to a heading that is there.
      const links = await visitor.page.evaluate(() => [...document.querySelectorAll("nav[aria-label=Documentation] a")].map((one) => one.getAttribute("href")));
      for (const link of links) {
        await visitor.go(link);
        await visitor.page.locator("article").waitFor();
        const dead = await visitor.page.evaluate((all) => {
          const inside = [...document.querySelectorAll("article a")].filter((one) => one.origin === location.origin && one.hash !== "" && one.pathname === location.pathname);
          const elsewhere = [...document.querySelectorAll("article a")].filter((one) => one.pathname.startsWith("/docs/") && !all.includes(one.pathname));
          return [...inside.filter((one) => !document.getElementById(decodeURIComponent(one.hash.slice(1)))), ...elsewhere].map((one) => one.href);
        }, links);
        assert.deepEqual(dead, [], link);
      }
      visitor.noFaults();
    } finally {
      await visitor.close();
    }
  });

  test("says in every number that a page is old", async () => {
    const yearly = { kind: "cron", function: "flaky", cron: { schedule: "0 3 1 1 *" } };
    await gateless.api("PUT", "/v1/namespaces/default/triggers/yearly", { spec: yearly });
    await gateless.call("/async-function/anything/old", { method: "POST", body: "x" });
    await browser.go("/n/default/functions", "Functions");
    await page.getByText("Live").waitFor();
    await row("anything").waitFor();
    const marks = () =>
      page.evaluate(() => {
        const numbers = [...document.querySelectorAll("main .figure dd, main td.num")].filter((one) => !one.querySelector("button, a") && one.textContent !== "");
        return [...new Set(numbers.map((one) => getComputedStyle(one, "::after").content))];
      });
    assert.deepEqual(await marks(), ["none"]);
    await page.context().setOffline(true);
    the.line.cut();
    await page.getByText("The connection to the server is lost").waitFor();
    // Seen at each, and said by screen readers with its time.
    const said = await page.evaluate(() => getComputedStyle(document.querySelector("main")).getPropertyValue("--as-of"));
    assert.match(said, /^"as of \d+:\d\d:\d\d/);
    assert.deepEqual((await marks()).sort(), [said, `"old" / ${said}`].sort());
    await browser.accessible("functions, old");
    await page.context().setOffline(false);
    await page.getByText("The connection to the server is lost").waitFor({ state: "detached" });
    assert.deepEqual(await marks(), ["none"]);
    // On every page that shows what is, whatever it shows it in: but for names, and for what was and stays so.
    const unmarked = () => {
      const names = "caption, code, pre, .mono, .notice, select, h1, h2, dt, label, button, a, .name, .owned, .from, th:not(:has(time)), td[data-label=Revision], td[data-label=Version]";
      const past = ".decisions, .marks, .attempts, .line, .badge.ok, .badge.bad";
      const isMarked = (element) => getComputedStyle(element, "::after").content.includes("as of") || (element.closest("svg") && element.textContent.includes("· old"));
      const found = [];
      const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
      for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        if (!/\d/.test(text.textContent) || text.parentElement.closest(`${names}, ${past}`)) continue;
        let around = text.parentElement;
        while (around.tagName !== "MAIN" && !isMarked(around)) around = around.parentElement;
        if (around.tagName === "MAIN") found.push(`${text.parentElement.outerHTML.slice(0, 80)}`);
      }
      return found.length > 0 ? found : null;
    };
    for (const [path, heading, there] of [
      ["/n/default/functions/anything", /anything/, "main .figure dd"],
      ["/n/default/functions/anything?tab=revisions", /anything/, "main td time"],
      ["/n/default/calls", "Async calls", "main td time"],
      ["/n/default/triggers", "Triggers", "main td.num"],
      ["/n/default/logs?function=anything", "Logs", "main .lines-foot"],
      ["/sidecars", "Sidecars", "main .topology text"],
      ["/tokens", "Tokens", "main td time"],
      ["/audit", "Audit", "main th time"],
    ]) {
      await browser.go(path, heading);
      await page.getByTitle("The stream of events").getByText("Live").waitFor();
      await page.locator(there).first().waitFor();
      await page.context().setOffline(true);
      try {
        the.line.cut();
        await page.getByText("The connection to the server is lost").waitFor();
        assert.equal(await page.evaluate(unmarked), null, path);
        await browser.accessible(`${path}, old`);
      } finally {
        await page.context().setOffline(false);
      }
      await page.getByText("The connection to the server is lost").waitFor({ state: "detached" });
      // It has numbers that could be old.
      await page.waitForFunction(unmarked);
    }
    await gateless.api("DELETE", "/v1/namespaces/default/triggers/yearly");
    browser.noFaults();
  });

  test("shows cards instead of cut tables on a phone", async () => {
    const cron = { kind: "cron", function: "flaky", cron: { schedule: "0 3 * * *" } };
    await gateless.api("PUT", "/v1/namespaces/default/triggers/nightly", { spec: cron });
    // What is pressed; a link in a sentence or a line is as high as its text, and a checkbox is pressed by its label.
    const small = () =>
      page.evaluate(() =>
        [...document.querySelectorAll("button, select, input, summary, .button, nav[aria-label=Screens] a, .tabs a, th[scope=row] a")]
          .map((one) => one.closest("label") ?? one)
          .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".sr, .uplot"))
          .filter((one) => one.getBoundingClientRect().height < 39.5 || one.getBoundingClientRect().width < 39.5)
          .map((one) => `${one.tagName}.${one.className} ${(one.ariaLabel ?? one.textContent).slice(0, 30)}`),
      );
    await page.setViewportSize(PHONE);
    try {
      for (const [path, heading, label] of [
        ["/n/default/functions", "Functions", "Instances"],
        ["/n/default/triggers", "Triggers", "Fires on"],
        ["/sidecars", "Sidecars", "Entrance"],
        ["/tokens", "Tokens", "Role"],
        ["/n/default/calls", "Async calls", "Attempts"],
        ["/n/default/records", "Call records", "Kept as"],
        ["/n/default/dead-letters", "Dead letters", null],
        ["/n/default/dead-letters?view=calls", "Dead letters", null],
        ["/n/default/triggers?edit=nightly", "Triggers", null],
        ["/n/default/secrets?new=secret", "Secrets", null],
        ["/tokens?new=token", "Tokens", null],
        ["/audit", "Audit", null],
        ["/n/default/functions/new", "Register a function", null],
        ["/n/phone/functions", "Functions", null],
        ["/n/default/queues", "Queues", null],
        ["/n/default/logs?function=anything", "Logs", null],
        ["/n/default/invoke?function=anything", "Invoke", null],
        ["/n/default/secrets", "Secrets", null],
        ["/n/default/functions/anything/edit", /Edit anything/, null],
        ["/n/default/functions/anything?tab=settings", /anything/, null],
        ["/docs", "Documentation", null],
        ["/docs/api", "API reference", null],
        ["/docs/function-toml", "function.toml", "default"],
        ["/n/default/functions/anything?tab=revisions", /anything/, "Share"],
        ["/n/default/functions/anything", /anything/, null],
      ]) {
        await browser.go(path, heading);
        if (label !== null) await page.locator(`td[data-label="${label}"]`).first().waitFor();
        const wide = await page.evaluate(() => [...document.querySelectorAll("main .table, main .card, html")].filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.className || one.tagName));
        assert.deepEqual(wide, [], `${path} is wider than the phone`);
        await browser.accessible(`${path}, on a phone`);
        const current = page.locator("aside nav [aria-current=page]");
        if (!path.startsWith("/docs")) assert.equal(await current.evaluate((one) => one.getBoundingClientRect().left >= 0 && one.getBoundingClientRect().right <= innerWidth), true, `${path} is not seen among the screens`);
        assert.deepEqual(await small(), [], `${path} has targets that are too small for a finger`);
        await page.setViewportSize(NARROW);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${path} is wider than a narrow phone`);
        await page.setViewportSize(PHONE);
      }
    } finally {
      await page.setViewportSize(DESK);
    }
    await gateless.api("DELETE", "/v1/namespaces/default/triggers/nightly");
    browser.noFaults();
  });
}
