// Every screen, driven in a browser against a real server and sidecars, as somebody would who has never seen it. One story: what a
// test leaves behind, the next goes on with.
//
// WEB_PREVIEW=1 takes the pages from web/dist instead of from the binary, so that it need not be built again.

import { join } from "node:path";
import { describe, after } from "node:test";
import { preview } from "vite";
import { Browser, cuttable } from "./browser.mjs";
import { Gateless, ROOT } from "./gateless.mjs";
import { convenience } from "./story/convenience.mjs";
import { queued } from "./story/async.mjs";
import { functions } from "./story/functions.mjs";
import { history } from "./story/history.mjs";
import { platform } from "./story/platform.mjs";
import { recorded } from "./story/records.mjs";

const ends = [];
const end = async () => {
  for (const one of ends.splice(0).reverse()) await one();
};
after(end);

async function begin() {
  const gateless = await Gateless.up({ sidecars: 1 });
  ends.push(() => gateless.down());
  let target = gateless.url;
  if (process.env.WEB_PREVIEW) {
    // A stream that the server cuts is cut for the browser, too.
    const configure = (between) => between.on("proxyRes", (answer, _, response) => answer.once("close", () => answer.complete || response.destroy()));
    const proxy = { "/v1": { target, changeOrigin: true, headers: { origin: target }, configure } };
    const previewed = await preview({ root: join(ROOT, "web"), logLevel: "error", preview: { port: 0, host: "127.0.0.1", proxy } });
    ends.push(() => previewed.close());
    target = previewed.resolvedUrls.local[0];
  }
  const line = await cuttable(target);
  ends.push(() => line.close());
  const browser = await Browser.open(line.url);
  ends.push(() => browser.close());
  return { gateless, line, browser };
}

// What has begun ends, also when the rest could not begin.
const { gateless, line, browser } = await begin().catch(async (error) => {
  await end();
  throw error;
});
const { page } = browser;

const the = {
  gateless,
  line,
  browser,
  page,
  row: (text) => page.getByRole("row").filter({ hasText: text }),
  button: (name) => page.getByRole("button", { name, exact: true }),
  link: (name) => page.getByRole("link", { name, exact: true }),
  dialog: () => page.getByRole("dialog"),
};

describe("the dashboard", { concurrency: 1 }, () => {
  functions(the);
  queued(the);
  recorded(the);
  convenience(the);
  history(the);
  platform(the);
});
