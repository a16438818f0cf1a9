// Calls on record: found by what is in the address, and shown with where the time of one went.

import assert from "node:assert/strict";
import { test } from "node:test";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

export function recorded(the) {
  const { gateless, browser, page, row, button, link } = the;

  test("finds a call on record by what became of it, and says where its time went", async () => {
    const headers = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };
    const { status } = await gateless.call("/function/flaky/recorded", { headers });
    assert.equal(status, 400, "it wants to be called later");
    await browser.go("/n/default/functions", "Functions");
    await link("Call records").click();
    await browser.heading("Call records");
    await page.getByLabel("Function", { exact: true }).selectOption("flaky");
    await button("Answered").click();
    await page.getByLabel("Status", { exact: true }).fill("4xx");
    await page.getByLabel("Status", { exact: true }).press("Enter");
    await row("/recorded").first().waitFor();
    assert.match(page.url(), /function=flaky/);
    assert.match(page.url(), /state=answered&status=4xx/);
    await browser.accessible("call records");
    // What is wrong is said beside its field; what is right can be sent to somebody else.
    await page.getByLabel("Trace id").fill("nothing");
    await page.getByLabel("Trace id").press("Enter");
    await page.locator('input[aria-invalid="true"]').waitFor();
    await page.getByLabel("Trace id").fill(TRACE);
    await page.getByLabel("Trace id").press("Enter");
    await row("/recorded").first().waitFor();
    assert.match(page.url(), new RegExp(`trace=${TRACE}`));
    await page.reload();
    await row("/recorded").first().getByRole("link").click();
    await page.getByRole("heading", { level: 1 }).getByText("answered 400").waitFor();
    const time = page.getByRole("region", { name: "Where its time went" });
    await time.getByText("function runs").waitFor();
    await page.getByRole("region", { name: "Logs of that time" }).waitFor();
    await browser.accessible("call record");
    // The others of its trace are a click away.
    await page.getByTitle(TRACE).click();
    await browser.heading("Call records");
    await row("/recorded").first().waitFor();
    await page.getByLabel("Trace id").fill("");
    await page.getByLabel("Trace id").press("Enter");
  });
}
