// The browser's own buttons: Back, Forward and reload, over dialogs, filters and work that is not saved.

import assert from "node:assert/strict";
import { test } from "node:test";

export function history(the) {
  const { browser, page, button, dialog } = the;
  const question = () => page.getByRole("combobox", { name: /^Functions, calls/ });

  test("goes back from a dialog to what is under it, and from a filter to the one before", async () => {
    await browser.go("/n/default/functions", "Functions");
    await browser.go("/n/default/calls", "Async calls");
    const state = (name) => page.getByRole("button", { name, exact: true });
    const chosen = (name) => page.locator("[aria-label=State] [aria-pressed=true]", { hasText: name }).waitFor();
    await state("Dead").click();
    await chosen("Dead");
    await page.getByLabel("Function", { exact: true }).selectOption("flaky");
    await page.waitForURL(/function=flaky/);
    await state("Succeeded").click();
    await chosen("Succeeded");
    await page.goBack();
    await chosen("Dead");
    assert.equal(await page.getByLabel("Function", { exact: true }).inputValue(), "flaky");
    await page.goBack();
    await page.waitForURL((url) => !url.searchParams.has("function"));
    await page.goForward();
    await page.waitForURL(/function=flaky/);
    // A dialog is closed by Back, also one whose address somebody was sent, and nothing of it stays in the history.
    await browser.go("/n/default/triggers", "Triggers");
    const create = page.getByRole("button", { name: "Create trigger" });
    await create.click();
    await dialog().waitFor();
    assert.match(page.url(), /\?new=trigger$/);
    await page.goBack();
    await dialog().waitFor({ state: "detached" });
    await browser.heading("Triggers");
    assert.match(page.url(), /\/triggers$/);
    await create.click();
    await dialog().getByRole("button", { name: "Cancel" }).click();
    await page.waitForURL(/\/triggers$/);
    await page.goBack();
    await browser.heading("Async calls");
    await browser.go("/n/default/triggers?new=trigger", "Triggers");
    await dialog().waitFor();
    await page.keyboard.press("Escape");
    await dialog().waitFor({ state: "detached" });
    await page.waitForURL(/\/triggers$/);
    // One that is in no address, and one that leads elsewhere.
    await browser.go("/n/default/functions/anything", /anything/);
    await button("Delete").click();
    await dialog().waitFor();
    await page.goBack();
    await dialog().waitFor({ state: "detached" });
    await browser.heading(/anything/);
    await page.getByRole("link", { name: "Revisions and traffic" }).click();
    await page.waitForURL(/tab=revisions/);
    await page.keyboard.press("Control+k");
    await question().fill("queues");
    await page.keyboard.press("Enter");
    await browser.heading("Queues");
    await page.goBack();
    await page.waitForURL(/tab=revisions/);
    await page.goBack();
    await page.waitForURL(/functions\/anything$/);
    browser.noFaults();
  });

  test("leads forward to no dialog that is closed, and to one that the address opens", async () => {
    await browser.go("/n/default/queues", "Queues");
    await page.getByRole("navigation", { name: "Screens" }).getByRole("link", { name: "Triggers" }).click();
    await browser.heading("Triggers");
    const closed = () => page.waitForFunction(() => !document.querySelector("dialog[open]") && !history.state?.overlay);
    // The shortcuts are in no address: there is nothing to come forward to.
    for (let times = 0; times < 2; times += 1) {
      await page.keyboard.press("?");
      await dialog().waitFor();
      await page.goBack();
      await dialog().waitFor({ state: "detached" });
      await page.goForward();
      await closed();
      await browser.heading("Triggers");
    }
    // One that is opened while the entry of another is being left is not left with it.
    await page.keyboard.press("Control+k");
    await question().waitFor();
    await page.evaluate(async () => {
      const leaving = new Promise((done) => {
        const { back } = history;
        history.back = () => {
          delete history.back;
          back.call(history);
          done();
        };
      });
      const left = new Promise((done) => addEventListener("popstate", done, { once: true }));
      document.querySelector("dialog [aria-label=Close]").click();
      await leaving;
      document.dispatchEvent(new KeyboardEvent("keydown", { key: "?", bubbles: true }));
      await left;
    });
    await dialog().getByText("Search this screen").waitFor();
    await page.waitForFunction(() => typeof history.state?.overlay === "string");
    await page.goBack();
    await closed();
    await page.goBack();
    await browser.heading("Queues");
    await page.goForward();
    await browser.heading("Triggers");
    await page.getByRole("button", { name: "Create trigger" }).click();
    await dialog().waitFor();
    await page.goBack();
    await dialog().waitFor({ state: "detached" });
    await page.goForward();
    await dialog().getByRole("heading", { name: "Create a trigger" }).waitFor();
    assert.match(page.url(), /\?new=trigger$/);
    await page.keyboard.press("Escape");
    await closed();
    assert.match(page.url(), /\/triggers$/);
    await page.goBack();
    await browser.heading("Queues");
    browser.noFaults();
  });

  test("asks before work that is not saved is left by the browser's buttons, and stays as it was", async () => {
    const asked = [];
    const answer = (how) => page.once("dialog", (question) => void (asked.push([question.type(), question.message()]), question[how]()));
    await browser.go("/n/default/queues", "Queues");
    await page.getByRole("navigation", { name: "Screens" }).getByRole("link", { name: "Functions" }).click();
    await browser.heading("Functions");
    await page.getByRole("link", { name: "Register", exact: true }).click();
    await browser.heading("Register a function");
    const name = page.getByLabel("Name", { exact: true });
    await name.click();
    await name.pressSequentially("half-done");
    for (const way of ["goBack", "goBack"]) {
      answer("dismiss");
      await page[way]();
      await page.waitForURL(/functions\/new$/);
      assert.equal(await name.inputValue(), "half-done");
    }
    assert.deepEqual(asked.splice(0), Array(2).fill(["confirm", "Leave without saving what you changed?"]));
    // A dialog over it is no leaving.
    await button("Import function.toml").click();
    await dialog().waitFor();
    await page.goBack();
    await dialog().waitFor({ state: "detached" });
    assert.equal(await name.inputValue(), "half-done");
    assert.deepEqual(asked, []);
    // The page as a whole goes only when that is wanted, too.
    const question = page.waitForEvent("dialog");
    await page.evaluate(() => void setTimeout(() => location.reload()));
    const unload = await question;
    assert.equal(unload.type(), "beforeunload");
    await unload.dismiss();
    assert.equal(await name.inputValue(), "half-done");
    answer("accept");
    await page.goBack();
    await browser.heading("Functions");
    assert.equal(asked.length, 1);
    // Nothing is left to ask about, and the history is as it was.
    await page.goForward();
    await browser.heading("Register a function");
    assert.equal(await name.inputValue(), "");
    await page.goBack();
    await browser.heading("Functions");
    await page.goBack();
    await browser.heading("Queues");
    assert.equal(asked.length, 1);
    browser.noFaults();
  });
}
