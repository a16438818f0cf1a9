"""Example function: fails twice for every call, then succeeds. For watching async calls retry.

Attempts are counted per `x-call-id`, in one small file each, so the count holds over restarts and
over instances that share the folder (FLAKY_DIR, else a folder in /tmp, which an isolated instance has for itself).
Always failing: /?fail=always, until a file named `healed` is put into the folder by POST /heal.
"""

import fcntl
import hashlib
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FAILURES = int(os.environ.get("FAILURES", "2"))
FOLDER = os.environ.get("FLAKY_DIR", f"/tmp/gateless-flaky-{os.getuid()}")
MAX_BODY = 1 << 20


def count(call_id):
    """Adds one to the call's attempts, in one step also among several processes."""
    path = os.path.join(FOLDER, hashlib.sha256(call_id.encode()).hexdigest()[:32])
    with open(path, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        attempt = int(file.read() or 0) + 1
        file.seek(0)
        file.truncate()
        file.write(str(attempt))
    return attempt


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_call(self):
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            return self.answer(413, {"error": "at most 1 MiB"})
        body = self.rfile.read(length)
        url = urlsplit(self.path)
        healed = os.path.join(FOLDER, "healed")
        if url.path.endswith("/heal"):
            open(healed, "w").close()
            return self.answer(200, {"healed": True})
        call_id = self.headers.get("x-call-id")
        if call_id is None:
            return self.answer(400, {"error": "call me async, or send x-call-id"})
        attempt = count(call_id)
        if parse_qs(url.query).get("fail") == ["always"]:
            if os.path.exists(healed):
                return self.answer(200, {"attempt": attempt, "healed": True})
            return self.answer(500, {"attempt": attempt, "error": "always"})
        if attempt <= FAILURES:
            # 503 asks for a pause, as a busy service does; 500 is any failure.
            busy = attempt % 2 == 1
            headers = {"retry-after": "1"} if busy else {}
            return self.answer(503 if busy else 500, {"attempt": attempt}, headers)
        self.answer(200, {"attempt": attempt, "bytes": len(body)})

    do_GET = do_POST = do_PUT = handle_call

    def answer(self, status, value, headers=()):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        for name, text in dict(headers).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *args):
        print(form % args, file=sys.stderr, flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for the calls in flight
    request_queue_size = 128

    def __init__(self, *args):
        self.lock, self.open = threading.Lock(), set()
        super().__init__(*args)

    def finish_request(self, request, address):
        with self.lock:
            self.open.add(request)
        try:
            super().finish_request(request, address)
        finally:
            with self.lock:
                self.open.discard(request)


def main():
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)
    # Isolated instances are users of their own; who may enter the folder may share what is in it.
    os.umask(0)
    server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    # The sidecar drained us before SIGTERM. No more reading: idle connections end at once, those
    # in a call after their answer.
    with server.lock:
        for connection in server.open:
            try:
                connection.shutdown(0)
            except OSError:
                pass
    server.server_close()


if __name__ == "__main__":
    main()
