"""What a live server does not do when it is well: a sidecar that is gone, one that refuses, a stream that breaks.

The list of sidecars is the real server's, with one that is gone before it and this server in the place of the first. Calls of
`flaky` are refused once per path; the event stream breaks after every event and goes on after the one the client names, but in
the namespace `endless` the second event has no end.
"""

import contextlib
import http.server
import json
import socket
import threading
import urllib.request


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, document, kind="application/json", headers=()):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in [("content-type", kind), ("content-length", str(len(body))), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.server.lock:
            seen = self.server.seen.get(self.path, 0) + 1
            self.server.seen[self.path] = seen
        if seen > 1:
            return self.answer(200, {"attempt": seen})
        problem = {"type": "urn:gateless:problem:overflow", "code": "overflow", "status": 503, "detail": "full", "title": "-"}
        self.answer(503, problem, "application/problem+json", [("retry-after", "0")])

    def do_GET(self):
        if self.path.startswith("/v1/sidecars"):
            return self.answer(200, self.server.sidecars())
        after = self.headers.get("last-event-id")
        number = 1 if after is None else int(after.removeprefix("e-")) + 1
        # All that the format allows: comments, blocks without data, several lines of data, a field without a space.
        event = f"id: e-{number}\nevent:function\ndata: {{\"function\": \"f\",\ndata: \"number\": {number}}}\n\n"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        # No length and no chunks: the end of the connection is the end of the stream.
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(f": hello\n\nevent: none\n\n{event}".encode())
        # It ends when the client has had enough, or with the connection.
        with contextlib.suppress(ConnectionError):
            while self.path.startswith("/v1/namespaces/endless/"):
                self.wfile.write(b"data: " + b"x" * 65536 + b"\n")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def server(ready):
    """Yields its URL; `ready` is the real server's ready line."""
    fake = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.lock, fake.seen = threading.Lock(), {}
    url = f"http://127.0.0.1:{fake.server_address[1]}"
    # Bound and not listening: connections are refused, and nobody else can take the port.
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    gone = f"http://127.0.0.1:{silent.getsockname()[1]}"

    def sidecars():
        headers = {"authorization": f"Bearer {ready['token']}"}
        with urllib.request.urlopen(urllib.request.Request(f"{ready['api']}/v1/sidecars", headers=headers)) as answer:
            document = json.load(answer)
        real = document["items"][0]
        document["items"] = [{**real, "public_url": gone}, {**real, "public_url": url}]
        return document

    fake.sidecars = sidecars
    thread = threading.Thread(target=fake.serve_forever, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        fake.shutdown()
        fake.server_close()
        silent.close()
