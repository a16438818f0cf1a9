// The browser of the tests, and what each page of it must keep to: no script error, no breach of the content security policy,
// nothing serious that axe finds, in neither theme.

import assert from "node:assert/strict";
import { createServer, connect } from "node:net";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

function executable() {
  if (process.env.CHROMIUM_BIN) return process.env.CHROMIUM_BIN;
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      // The next one.
    }
  }
  throw new Error("no chromium: apt-get install chromium, or set CHROMIUM_BIN");
}

/** Connections to `target` through here can be cut, as a network does. */
export async function cuttable(target) {
  const { hostname, port } = new URL(target);
  const sockets = new Set();
  const server = createServer((inner) => {
    const outer = connect(Number(port), hostname);
    for (const [a, b] of [[inner, outer], [outer, inner]]) {
      sockets.add(a);
      a.pipe(b);
      a.on("error", () => b.destroy());
      a.on("close", () => {
        sockets.delete(a);
        b.destroy();
      });
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut: () => sockets.forEach((socket) => socket.destroy()),
    close: () => {
      sockets.forEach((socket) => socket.destroy());
      return new Promise((done) => server.close(done));
    },
  };
}

export class Browser {
  static async open(url, { theme = "light", viewport = { width: 1360, height: 860 } } = {}) {
    const self = new Browser();
    self.url = url;
    self.faults = [];
    self.chromium = await chromium.launch({ executablePath: executable(), args: ["--no-sandbox", "--disable-background-networking"] });
    const context = await self.chromium.newContext({ viewport, colorScheme: theme, acceptDownloads: false, deviceScaleFactor: 1 });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    self.page = await context.newPage();
    self.page.setDefaultTimeout(20_000);
    self.page.on("pageerror", (error) => self.faults.push(`script: ${error.message}`));
    self.page.on("console", (message) => {
      // Requests that are answered with a problem are logged, too; those are the screens' business.
      const text = message.text();
      if (message.type() === "error" && !/^Failed to load resource|net::ERR_/.test(text)) self.faults.push(`console: ${text}`);
    });
    return self;
  }

  async signIn(token) {
    await this.page.goto(this.url);
    await this.page.getByLabel("Token").fill(token);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    await this.heading("Functions");
  }

  async go(path, heading) {
    // A dialog that was just closed may still be taking its entry out of the history, which would end this navigation.
    await this.page.waitForFunction(() => document.querySelector("dialog[open]") !== null || !history.state?.overlay);
    await this.page.goto(this.url + path);
    if (heading) await this.heading(heading);
  }

  heading(name) {
    return this.page.getByRole("heading", { level: 1, name }).waitFor();
  }

  /** Nothing serious or critical, in both themes. */
  async accessible(what) {
    for (const theme of ["light", "dark"]) {
      await this.page.emulateMedia({ colorScheme: theme });
      await this.page.evaluate(AXE);
      // Colours fade over from one theme to the other.
      await this.page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => undefined))));
      const { violations } = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      const bad = violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary?.split("\n")[1] ?? ""}`).join(" | ")}`);
      assert.deepEqual(bad, [], `${what}, ${theme}`);
    }
    await this.page.emulateMedia({ colorScheme: "light" });
  }

  noFaults() {
    assert.deepEqual(this.faults.splice(0), []);
  }

  async close() {
    await this.chromium.close();
  }
}
