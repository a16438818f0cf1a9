// Example function: calls another function and adds to its answer.
//
// It reaches `checksum` through the sidecar on its own host (GATELESS_URL), so there is no
// address to configure, and a cold callee is simply slower. The caller's trace and what is left
// of its deadline travel on. Nothing but Node's own modules.

import http from "node:http";
import { pipeline } from "node:stream";

const gateless = process.env.GATELESS_URL;
const next = process.env.NEXT_FUNCTION ?? "checksum";
const passedOn = ["traceparent", "tracestate", "x-gateless-timeout-ms", "content-type"];
const agent = new http.Agent({ keepAlive: true });

function callNext(request) {
  return new Promise((resolve, reject) => {
    const headers = {};
    for (const name of passedOn) {
      if (request.headers[name]) headers[name] = request.headers[name];
    }
    const url = `${gateless}/function/${next}/`;
    const call = http.request(url, { method: "POST", headers, agent }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => resolve({ answer, body: Buffer.concat(chunks).toString() }));
    });
    // The body streams through; a failure on either side ends both.
    pipeline(request, call, (error) => error && reject(error));
    call.on("error", reject);
  });
}

const server = http.createServer(async (request, response) => {
  const started = performance.now();
  const send = (status, value) => {
    const body = JSON.stringify(value) + "\n";
    response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
    response.end(body);
  };
  try {
    const { answer, body } = await callNext(request);
    if (answer.statusCode !== 200) {
      return send(502, { error: `${next} answered ${answer.statusCode}`, detail: body.slice(0, 1000) });
    }
    send(200, {
      ...JSON.parse(body),
      via: process.env.K_REVISION ?? "pipeline",
      from: answer.headers["x-gateless-revision"] ?? next,
      traceparent: request.headers.traceparent ?? null,
      took_ms: Math.round((performance.now() - started) * 1000) / 1000,
    });
  } catch (error) {
    console.error(`call of ${next} failed: ${error.message}`);
    if (!response.headersSent) send(502, { error: `cannot call ${next}: ${error.message}` });
  }
});

server.listen(Number(process.env.PORT), "127.0.0.1");
// Stops accepting, closes idle connections, and exits once the calls in flight are answered.
process.on("SIGTERM", () => {
  server.close(() => agent.destroy());
  server.closeIdleConnections();
});
