// A real `gateless up` for the tests: ports the system gives, a folder of its own, and everything it started ended again.

import { spawn, execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BINARY = resolve(process.env.GATELESS_BIN ?? join(ROOT, "target/debug/gateless"));
const READY_MS = 60_000;
const ANY = "127.0.0.1:0";

export class Gateless {
  /** Starts one, with `extra` sidecars beside the one in its own process. */
  static async up({ sidecars = 0 } = {}) {
    if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: cargo build -p gateless --features dashboard, or set GATELESS_BIN`);
    const self = new Gateless();
    self.folder = await mkdtemp(join(tmpdir(), "gateless-web-"));
    self.children = [];
    const kept = Object.entries(process.env).filter(([key]) => !key.startsWith("GATELESS_"));
    self.env = { ...Object.fromEntries(kept), GATELESS_CONFIG: join(self.folder, "login.toml"), GATELESS_ISOLATION: "none", FLAKY_DIR: join(self.folder, "flaky") };
    const listens = ["--listen", "--grpc-listen", "--function-listen", "--local-listen", "--peer-listen", "--gossip-listen", "--metrics-listen"];
    const args = ["up", "--data", join(self.folder, "up"), "--write-join-token", join(self.folder, "join-token"), ...listens.flatMap((name) => [name, ANY])];
    try {
      self.ready = await self.start(args);
      for (let number = 1; number <= sidecars; number += 1) await self.sidecar(number);
    } catch (error) {
      await self.down();
      throw error;
    }
    return self;
  }

  async sidecar(number) {
    const args = ["sidecar", "--server", this.ready.grpc, "--data", join(this.folder, `sidecar-${number}`)];
    args.push("--join-token-file", join(this.folder, "join-token"), "--join", this.ready.gossip);
    for (const name of ["--listen", "--local-listen", "--peer-listen", "--gossip-listen", "--metrics-listen"]) args.push(name, ANY);
    return this.start(args);
  }

  /** Resolves to the line a part prints when it is ready. */
  async start(args) {
    const child = spawn(BINARY, args, { env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    this.children.push(child);
    let errors = "";
    child.stderr.on("data", (data) => (errors = (errors + data).slice(-4000)));
    const timer = setTimeout(() => child.kill("SIGKILL"), READY_MS);
    for await (const line of createInterface({ input: child.stdout })) {
      clearTimeout(timer);
      child.stdout.resume();
      return JSON.parse(line);
    }
    throw new Error(`gateless ${args[0]} did not get ready\n${errors}`);
  }

  get url() {
    return this.ready.api;
  }

  get token() {
    return readFileSync(this.ready.admin_token_file, "utf8").trim();
  }

  /** Runs a command of the command line and returns its JSON document. */
  async cli(...args) {
    const env = { ...this.env, GATELESS_SERVER: this.url, GATELESS_TOKEN: this.token };
    const { stdout } = await promisify(execFile)(BINARY, ["-o", "json", ...args], { env, timeout: 120_000 });
    return JSON.parse(stdout);
  }

  /** A request of the API. */
  async api(method, path, body) {
    const headers = { authorization: `Bearer ${this.token}`, "content-type": "application/json" };
    const response = await fetch(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  /** Calls a function at the sidecar. */
  async call(path, init) {
    const response = await fetch(this.ready.public + path, init);
    return { status: response.status, body: await response.text() };
  }

  async down() {
    for (const child of [...this.children].reverse()) {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((done) => child.once("exit", done));
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
        await ended;
        clearTimeout(timer);
      }
    }
    await this.endStrays();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Instances outlive their sidecar on purpose; those of this folder end here. */
  async endStrays() {
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
      const environ = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
      if (environ.includes(this.folder)) {
        try {
          process.kill(Number(pid), "SIGKILL");
        } catch {
          // Ended meanwhile.
        }
      }
    }
  }
}
