// Pictures of the dashboard for README, out of a real server and three sidecars under load. `npm run screenshots`; small files, a
// palette of 256 colours where Debian's pngquant is there to make it.

import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Browser } from "./browser.mjs";
import { Gateless, ROOT } from "./gateless.mjs";

const OUT = join(ROOT, "docs/images");
const MAX_BYTES = 150 * 1024;
const EXAMPLES = join(ROOT, "examples");
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

await mkdir(OUT, { recursive: true });
const gateless = await Gateless.up({ sidecars: 2 });
let on = true;

/** A day's load in a minute: waves of slow calls, a steady trickle, orders of which some fail. */
async function load() {
  const call = (path, init) => gateless.call(path, init).catch(() => undefined);
  const every = async (ms, act) => {
    for (let turn = 0; on; turn += 1) {
      act(turn);
      await sleep(ms);
    }
  };
  await Promise.all([
    every(400, (turn) => {
      const wave = Math.max(1, Math.round(9 + 9 * Math.sin(turn / 14)));
      for (let n = 0; n < wave; n += 1) void call(`/function/slow/?ms=${500 + ((n * 97) % 500)}`);
    }),
    every(45, () => void call("/function/shell-anything/facts.json")),
    every(700, (turn) => void call(`/async-function/flaky/orders/${1000 + turn}${turn % 3 === 2 ? "?fail=always" : ""}`, { method: "POST", body: "an order" })),
  ]);
}

async function picture(browser, name) {
  const path = join(OUT, `${name}.png`);
  await browser.page.mouse.move(5, 5);
  await browser.page.screenshot({ path });
  try {
    execFileSync("pngquant", ["--force", "--skip-if-larger", "--quality", "70-95", "--output", path, path]);
  } catch {
    // Not there, or nothing to gain.
  }
  const { size } = statSync(path);
  console.log(`${name}.png ${(size / 1024).toFixed(0)} KiB`);
  if (size > MAX_BYTES) throw new Error(`${name}.png has more than ${MAX_BYTES} bytes`);
}

let light, dark;
try {
  await gateless.cli("deploy", join(EXAMPLES, "slow-node"));
  await gateless.cli("deploy", join(EXAMPLES, "shell-anything"));
  await gateless.cli("deploy", join(EXAMPLES, "flaky-python"), "-e", `FLAKY_DIR=${gateless.env.FLAKY_DIR}`);
  const viewport = { width: 1240, height: 760 };
  light = await Browser.open(gateless.url, { theme: "light", viewport });
  dark = await Browser.open(gateless.url, { theme: "dark", viewport });
  await light.signIn(gateless.token);
  await dark.signIn(gateless.token);
  await light.go("/n/default/functions", "Functions");
  await dark.go("/n/default/functions/slow", /slow/);
  const loading = load();
  await sleep(70_000);
  await picture(light, "functions");
  await picture(dark, "function");
  await dark.go("/n/default/calls", "Async calls");
  await sleep(1500);
  await picture(dark, "calls");
  await light.go("/sidecars", "Sidecars");
  await sleep(1500);
  await picture(light, "topology");
  const spec = { kind: "process", process: { command: ["sh", "-c", "exec python3 -m http.server --bind 127.0.0.1 $PORT"] }, scaling: { initial_scale: 0 } };
  await gateless.api("PUT", "/v1/namespaces/default/functions/site", { spec });
  await light.go("/n/default/invoke?function=site", "Invoke");
  await light.page.getByRole("button", { name: "Send" }).click();
  await light.page.getByText("instance starts").waitFor();
  await light.page.getByRole("button", { name: "Raw" }).or(light.page.getByLabel("Body", { exact: true })).first().waitFor();
  await picture(light, "console");
  on = false;
  await loading;
} finally {
  on = false;
  await light?.close();
  await dark?.close();
  await gateless.down();
}
