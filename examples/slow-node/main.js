// Example function: takes its time. `/?ms=500` answers after half a second, `/events?count=5&ms=200`
// streams server-sent events. For watching calls wait, stream and scale. Nothing but Node's own modules.

import http from "node:http";

const MAX_MS = 10 * 60_000;

function number(url, name, fallback, max) {
  const value = Number(url.searchParams.get(name) ?? fallback);
  return Number.isFinite(value) ? Math.min(Math.max(value, 0), max) : fallback;
}

// Resolves to false when the caller went away first.
function pause(ms, response) {
  return new Promise((resolve) => {
    const gone = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      response.off("close", gone);
      resolve(true);
    }, ms);
    response.once("close", gone);
  });
}

const server = http.createServer(async (request, response) => {
  request.resume();
  const url = new URL(request.url, "http://function");
  if (url.pathname.endsWith("/events")) {
    const count = number(url, "count", 5, 10_000);
    const ms = number(url, "ms", 200, MAX_MS);
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    for (let tick = 1; tick <= count; tick += 1) {
      if (!(await pause(ms, response))) return;
      response.write(`id: ${tick}\nevent: tick\ndata: {"tick":${tick},"of":${count}}\n\n`);
    }
    return response.end();
  }
  const ms = number(url, "ms", 1000, MAX_MS);
  if (!(await pause(ms, response))) return;
  const body = JSON.stringify({ waited_ms: ms, instance: process.pid }) + "\n";
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
});

server.listen(Number(process.env.PORT), "127.0.0.1");
// Stops accepting, closes idle connections, and exits once the calls in flight are answered.
process.on("SIGTERM", () => {
  server.close();
  server.closeIdleConnections();
});
