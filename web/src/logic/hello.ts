// First programs for who has none yet: each serves HTTP on $PORT with nothing but its language, and is passed to it as an argument.

export interface Runtime {
  key: string;
  label: string;
  command: string[];
  code: string;
}

export const RUNTIMES: Runtime[] = [
  {
    key: "python",
    label: "Python",
    command: ["python3", "-u", "-c"],
    code: `import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.end_headers()
        self.wfile.write(b"hello\\n")

port = int(os.environ["PORT"])
ThreadingHTTPServer(("127.0.0.1", port), Hello).serve_forever()
`,
  },
  {
    key: "node",
    label: "Node",
    command: ["node", "-e"],
    code: `const { createServer } = require("node:http");

createServer((request, response) => {
  response.setHeader("content-type", "text/plain");
  response.end("hello\\n");
}).listen(process.env.PORT, "127.0.0.1");
`,
  },
];
