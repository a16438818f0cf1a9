// {{name}}: answers every call. A function is a program that serves HTTP on $PORT.
"use strict";

const http = require("node:http");

const server = http.createServer((request, response) => {
  let bytes = 0;
  request.on("data", (chunk) => (bytes += chunk.length));
  request.on("end", () => {
    response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
    response.end(`hello from {{name}}: ${request.method} ${request.url}, ${bytes} bytes\n`);
  });
});

// Listen on loopback only: calls come from the sidecar on this host.
server.listen(Number(process.env.PORT), "127.0.0.1");

// Asked to stop: answer what is under way, take nothing new.
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
