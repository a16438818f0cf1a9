#!/usr/bin/env python3
"""Starts every example as a sidecar would (PORT, SIGTERM), calls it, and checks its answers.

For `make test`. The process examples need no Gateless: `pipeline` is given a stand-in for its sidecar.
Two of them also run in one that isolates them, as do the components, each built and deployed by `gateless deploy` alone. Needs
python3, node, npm, cargo, and as arguments the built checksum program and the gateless binary.
"""

import hashlib
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def function(name, command, **env):
    port = free_port()
    env = {**os.environ, "PORT": str(port), "K_REVISION": f"{name}-00001", **env}
    process = subprocess.Popen(command, cwd=HERE / name, env=env, stderr=subprocess.PIPE)
    try:
        wait_for_port(process, port)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        yield connection
        # With this idle connection open it must still end on SIGTERM, in time.
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=10)
        assert code in (0, -signal.SIGTERM), f"{name} ended with {code}"
    except BaseException:
        process.kill()
        sys.stderr.write(process.stderr.read().decode(errors="replace"))
        raise
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_for_port(process, port):
    while process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            threading.Event().wait(0.01)
    raise AssertionError(f"ended with {process.returncode} before it listened")


def call(connection, method, path, body=None, headers=None):
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def checksum(program):
    with function("checksum-rust", [program]) as c:
        for body in (b"", b"abc", os.urandom(3 << 20)):
            status, _, answer = call(c, "POST", "/", body)
            expected = {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
            assert (status, json.loads(answer)) == (200, expected), answer


def png(width, height, pixel):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    # The filters "none", "sub" and "up" in turn, as encoders mix them.
    lines, above = b"", bytes(width * 3)
    for y in range(height):
        line = b"".join(bytes(pixel(x, y)) for x in range(width))
        kind = y % 3
        left = (bytes(3) + line)[: len(line)] if kind == 1 else above if kind == 2 else bytes(len(line))
        lines += bytes([kind]) + bytes((a - b) & 255 for a, b in zip(line, left))
        above = line
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def thumbnail():
    def pixel(x, y):
        return (200, 0, 100) if x < 20 else (0, 50, 250)

    with function("thumbnail-python", ["python3", "main.py"]) as c:
        status, headers, small = call(c, "POST", "/?width=10", png(40, 20, pixel))
        assert (status, headers["x-image-size"]) == (200, "10x5"), small
        at = small.index(b"IDAT")
        length = struct.unpack(">I", small[at - 4 : at])[0]
        rows = zlib.decompress(small[at + 4 : at + 4 + length])
        assert rows[1:4] == bytes((200, 0, 100)) and rows[28:31] == bytes((0, 50, 250)), rows
        status, _, small = call(c, "POST", "/?width=2", b"P6 4 2 255\n" + bytes((9, 8, 7)) * 8)
        assert status == 200 and small.startswith(b"\x89PNG"), small
        for bad in (b"hello", b"\x89PNG\r\n\x1a\nxx", png(4, 4, pixel)[:50]):
            assert call(c, "POST", "/", bad)[0] == 422, bad


def pipeline():
    seen = []

    class Sidecar(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.read_chunked() if "chunked" in (self.headers["transfer-encoding"] or "") else b""
            seen.append((self.path, dict(self.headers), body))
            answer = json.dumps({"bytes": len(body)}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def read_chunked(self):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *args):
            pass

    sidecar = ThreadingHTTPServer(("127.0.0.1", 0), Sidecar)
    threading.Thread(target=sidecar.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{sidecar.server_address[1]}"
    with function("pipeline-node", ["node", "main.js"], GATELESS_URL=url) as c:
        sent = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01", "x-gateless-timeout-ms": "5000"}
        status, _, answer = call(c, "POST", "/", b"x" * 100_000, sent)
        answer = json.loads(answer)
        assert (status, answer["bytes"], answer["via"]) == (200, 100_000, "pipeline-node-00001"), answer
        path, headers, _ = seen[0]
        assert path == "/function/checksum/" and sent.items() <= headers.items(), (path, headers)
    sidecar.shutdown()
    sidecar.server_close()


def slow():
    with function("slow-node", ["node", "main.js"]) as c:
        status, _, answer = call(c, "GET", "/?ms=20")
        assert (status, json.loads(answer)["waited_ms"]) == (200, 20), answer
        status, headers, answer = call(c, "GET", "/events?count=3&ms=5")
        assert headers["content-type"] == "text/event-stream" and answer.count(b"event: tick") == 3, answer


def flaky():
    with tempfile.TemporaryDirectory() as folder:
        attempts = []
        for _ in range(2):  # the count holds over a restart
            with function("flaky-python", ["python3", "main.py"], FLAKY_DIR=folder) as c:
                for _ in range(2):
                    attempts.append(call(c, "POST", "/", b"x", {"x-call-id": "1"})[0])
                assert call(c, "POST", "/?fail=always", b"x", {"x-call-id": "2"})[0] == 500
        assert attempts == [503, 500, 200, 200], attempts


def shell():
    with function("shell-anything", ["/bin/sh", "-c", "exec ./start.sh"]) as c:
        status, _, answer = call(c, "GET", "/facts.json")
        assert (status, json.loads(answer)["revision"]) == (200, "shell-anything-00001"), answer


@contextmanager
def cluster(program):
    """Server and sidecar in one process; yields the environment of its clients and its public address."""
    listeners = ["", "grpc-", "function-", "local-", "peer-", "gossip-"]
    listen = [word for name in listeners for word in (f"--{name}listen", "127.0.0.1:0")]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "XDG_CONFIG_HOME": folder, "GATELESS_LOG": "warn"}
        command = [program, "up", "--wasi-0-3", "--data", folder + "/data", *listen]
        up = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        try:
            ready = json.loads(up.stdout.readline())
            token = Path(ready["admin_token_file"]).read_text().strip()
            env |= {"GATELESS_SERVER": ready["api"], "GATELESS_TOKEN": token}
            yield env, ready["public"].removeprefix("http://")
        finally:
            up.terminate()
            try:
                up.wait(timeout=60)
            except subprocess.TimeoutExpired:
                up.kill()
                up.wait()
            up.stdout.close()


def component(gateless, running, name, language):
    env, public = running
    deploy = [gateless, "deploy", "--quiet", "--timeout", "10m", str(HERE / name)]
    subprocess.run(deploy, env=env, check=True, stdout=subprocess.DEVNULL)
    c = http.client.HTTPConnection(public, timeout=60)
    path = f"/function/{name}/"
    status, headers, answer = call(c, "GET", path + "?name=Ada")
    assert (status, answer) == (200, f"Hello, Ada, from {language}!\n".encode()), (status, answer)
    assert headers["content-type"] == "text/plain", headers
    for body in (b"", b"abc", os.urandom(1 << 20)):
        status, _, answer = call(c, "POST", path, body)
        assert (status, answer) == (200, body), (status, len(answer), answer[:200])
    assert call(c, "PUT", path)[0] == 405
    # Several at once: one instance, a guest for each call.
    with ThreadPoolExecutor(4) as pool:
        clients = [http.client.HTTPConnection(public, timeout=60) for _ in range(8)]
        answers = pool.map(lambda client: call(client, "GET", path), clients)
        assert all(answer[0] == 200 for answer in answers)
        for client in clients:
            client.close()
    c.close()


def deployed(gateless, running):
    """Processes in a sidecar, isolated as `up` does it by itself: what they need they find in there, too."""
    env, public = running
    for name in ("shell-anything", "thumbnail-python"):
        subprocess.run([gateless, "deploy", "--quiet", str(HERE / name)], env=env, check=True, stdout=subprocess.DEVNULL)
    c = http.client.HTTPConnection(public, timeout=60)
    status, _, answer = call(c, "GET", "/function/shell-anything/facts.json")
    assert (status, json.loads(answer)["revision"]) == (200, "shell-anything-00001"), answer
    status, headers, small = call(c, "POST", "/function/thumbnail/?width=2", b"P6 4 2 255\n" + bytes((9, 8, 7)) * 8)
    assert (status, headers["x-image-size"]) == (200, "2x1"), small
    c.close()
    print("example processes in a sidecar: ok", flush=True)


def components(gateless):
    with cluster(gateless) as running:
        deployed(gateless, running)
        for name, language in (
            ("hello-wasm-rust", "Rust"),
            ("hello-wasm-js", "JavaScript"),
            ("hello-wasm-python", "Python"),
            ("hello-wasi03-rust", "Rust and WASI 0.3"),
        ):
            component(gateless, running, name, language)
            print(f"example {name}: ok", flush=True)


if __name__ == "__main__":
    checks = {"checksum": lambda: checksum(os.path.abspath(sys.argv[1]))}
    checks.update(thumbnail=thumbnail, pipeline=pipeline, slow=slow, flaky=flaky, shell=shell)
    checks["components"] = lambda: components(os.path.abspath(sys.argv[2]))
    for label, check in checks.items():
        check()
        print(f"example {label}: ok", flush=True)
