// What the package promises, tried on a live server. Started by sdk/test.py, which says where that is.
import assert from "node:assert/strict";
import { Gateless, GatelessError } from "@gateless/sdk";
import { deleteFunction, getFunction, listDeadLetters, listFunctions, listInstances, replayDeadLetters } from "@gateless/sdk/api";

const { GATELESS_SERVER, GATELESS_TOKEN, SDK_ECHO, SDK_FUNCTION } = process.env;
const gateless = new Gateless({ url: GATELESS_SERVER, token: GATELESS_TOKEN });
const { client, namespace } = gateless;
const path = { namespace, name: SDK_FUNCTION };
const spec = {
  kind: "process",
  process: { command: ["python3", SDK_ECHO] },
  async: { max_attempts: 1 },
  limits: { container_concurrency: 1 },
};
const done = [];

async function check(what, run) {
  await run();
  done.push(what);
}

/** The error of something that must fail. */
async function failure(promise, status, code) {
  const error = await promise.then(
    () => assert.fail(`${code} expected`),
    (error) => error,
  );
  assert.ok(error instanceof GatelessError, String(error));
  assert.deepEqual([error.status, error.code], [status, code]);
  return error;
}

await check("create", async () => {
  const made = await gateless.apply(SDK_FUNCTION, { spec, labels: { sdk: "typescript" } });
  assert.equal(made.name, SDK_FUNCTION);
  const { items } = await listFunctions({ client, path: { namespace }, query: { label: "sdk=typescript" } });
  assert.deepEqual(items.map((item) => item.name), [SDK_FUNCTION]);
});
await check("wait", () => gateless.waitReady(SDK_FUNCTION, { timeoutMs: 60_000 }));
await check("invoke", async () => {
  const answer = await gateless.invoke(SDK_FUNCTION, { path: "/a?b=c", body: "hello", deadlineMs: 30_000 });
  const { method, path, body } = await answer.json();
  assert.deepEqual([answer.status, method, path, body], [200, "POST", "/a?b=c", "hello"]);
  const own = await gateless.invoke(SDK_FUNCTION, { path: "/status/404" });
  assert.equal(own.status, 404, "a function's own 404 is its answer");
  await own.body?.cancel(); // a call goes on until its answer is read, and here one takes an instance for itself
});
await check("dead letter", async () => {
  const call = await gateless.invokeAsync(SDK_FUNCTION, { path: "/fails-once/typescript", body: "x" });
  await failure(call.result({ timeoutMs: 60_000 }), 0, "call_dead");
  const { items } = await listDeadLetters({ client, path });
  assert.deepEqual(items.map((item) => item.id), [call.id]);
  assert.equal((await replayDeadLetters({ client, path, body: {} })).count, 1);
  assert.equal((await call.result({ timeoutMs: 60_000 })).status, 200);
});
await check("async", async () => {
  const options = { path: "/later", body: "x", idempotencyKey: `key-${SDK_FUNCTION}` };
  const call = await gateless.invokeAsync(SDK_FUNCTION, options);
  const result = await call.result({ timeoutMs: 60_000 });
  assert.deepEqual([result.status, (await result.json()).path], [200, "/later"]);
  const again = await gateless.invokeAsync(SDK_FUNCTION, options);
  assert.equal(again.id, call.id, "the same key is the same call");
  assert.equal((await gateless.call(call.id, call.token).status()).state, "succeeded");
});
await check("scale", async () => {
  let open = 4;
  const calls = Array.from({ length: 4 }, () => gateless.invoke(SDK_FUNCTION, { path: "/slow" }).finally(() => open--));
  for (let ready = 0; ready < 2; ) {
    assert.ok(open > 0, "one instance took all calls, one after the other");
    const { items } = await listInstances({ client, path });
    ready = items.filter((item) => item.state === "ready").length;
  }
  for (const answer of await Promise.all(calls)) assert.equal(answer.status, 200);
});
await check("deadline", async () => {
  const error = await failure(gateless.invoke(SDK_FUNCTION, { path: "/slow", method: "POST", deadlineMs: 300 }), 504, "deadline_exceeded");
  assert.ok(error.hint);
});
await check("404", async () => {
  const error = await failure(getFunction({ client, path: { namespace, name: "nobody" } }), 404, "function_not_found");
  assert.ok(error.detail.includes("nobody"));
  await failure(gateless.invoke("nobody"), 404, "function_not_found");
});
await check("412", async () => {
  const seen = await getFunction({ client, path });
  await gateless.apply(SDK_FUNCTION, { spec, labels: { sdk: "typescript", changed: "yes" } }, { version: seen.version });
  await failure(gateless.apply(SDK_FUNCTION, { spec }, { version: seen.version }), 412, "precondition_failed");
});
await check("stream", async () => {
  const marker = `/marker-${Date.now()}`;
  const lines = gateless.logs(SDK_FUNCTION, { follow: true, tail: 10 });
  const first = lines.next();
  await gateless.invoke(SDK_FUNCTION, { path: marker });
  for (let line = await first; ; line = await lines.next()) {
    assert.ok(!line.done, "the stream ended");
    if (line.value.line.includes(marker)) break;
  }
  await lines.return();
});
await check("unreachable", async () => {
  const nowhere = new Gateless({ url: "http://127.0.0.1:1", retry: { attempts: 2, baseMs: 1 } });
  await failure(nowhere.waitReady("x"), 0, "unreachable");
});
const faulty = new Gateless({ url: process.env.SDK_FAKE, token: "t", retry: { baseMs: 1 } });
await check("failover", async () => {
  // The first sidecar of the list is gone, the second refuses once: a POST without a key goes on to it, and no further.
  await failure(faulty.invoke("flaky", { path: "/typescript/once", body: "x" }), 503, "overflow");
  const answer = await faulty.invoke("flaky", { path: "/typescript/once", body: "x" });
  assert.deepEqual(await answer.json(), { attempt: 2 });
});
await check("retry", async () => {
  const answer = await faulty.invoke("flaky", { path: "/typescript/keyed", body: "x", idempotencyKey: "k" });
  assert.deepEqual(await answer.json(), { attempt: 2 });
});
await check("resume", async () => {
  const seen = [];
  for await (const event of faulty.events()) {
    seen.push([event.id, event.type, event.data.number]);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, [1, 2, 3].map((number) => [`e-${number}`, "function", number]));
});
await check("endless", async () => {
  const events = faulty.events({ namespace: "endless" });
  assert.equal((await events.next()).value.id, "e-1");
  await failure(events.next(), 0, "bad_answer");
});
if (process.env.SDK_EVENTS) {
  await check("events", async () => {
    const events = gateless.events({ types: ["hello", "function"] });
    const hello = await events.next();
    assert.equal(hello.value.type, "hello");
    await gateless.apply(SDK_FUNCTION, { spec, labels: { event: "yes" } });
    for (let event = await events.next(); ; event = await events.next()) {
      if (event.value.type === "function" && event.value.data.function === SDK_FUNCTION) break;
    }
    await events.return();
  });
}
await check("delete", () => deleteFunction({ client, path }));
console.log(JSON.stringify({ sdk: "typescript", checks: done }));
