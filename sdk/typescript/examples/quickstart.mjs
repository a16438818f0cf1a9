// Deploys a function, calls it, queues a call and awaits its answer. README shows this file; the smoke test runs it.
import { Gateless, GatelessError } from "@gateless/sdk";
import { deleteFunction } from "@gateless/sdk/api";

const gateless = new Gateless({
  url: process.env.GATELESS_SERVER ?? "http://127.0.0.1:7780",
  token: process.env.GATELESS_TOKEN,
});

await gateless.apply("site", {
  spec: {
    kind: "process",
    process: { command: ["sh", "-c", "exec python3 -m http.server --bind 127.0.0.1 $PORT"] },
  },
});
await gateless.waitReady("site");

const answer = await gateless.invoke("site", { deadlineMs: 30_000 });
console.log("invoked:", answer.status);

const call = await gateless.invokeAsync("site", { idempotencyKey: `order-${Date.now()}` });
console.log("queued:", (await call.result({ timeoutMs: 30_000 })).status);

try {
  await gateless.invoke("nobody");
} catch (error) {
  if (!(error instanceof GatelessError)) throw error;
  console.log("refused:", error.status, error.code);
}

// Every other operation is a generated function.
await deleteFunction({ client: gateless.client, path: { namespace: gateless.namespace, name: "site" } });
