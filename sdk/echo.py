"""The function the smoke tests deploy: answers with what it was asked, and writes a line about it.

/status/CODE answers with that status, /slow (or the body `slow`) after five seconds, /fails-once to a queued call's first attempt with
503. It remembers nothing: a replay may meet another instance than the attempt before.
Deliberately nothing but Python's own library.
"""

import http.server
import json
import os
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status = int(self.path.removeprefix("/status/")) if self.path.startswith("/status/") else 200
        if self.path.startswith("/fails-once/") and self.headers.get("x-gateless-attempt") == "1":
            status = 503
        if self.path.startswith("/slow") or body == b"slow":
            time.sleep(5)
        told = {"method": self.command, "path": self.path, "body": body.decode(errors="replace")}
        told["key"] = self.headers.get("idempotency-key")
        text = json.dumps(told).encode()
        print("asked for", self.path, flush=True)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
