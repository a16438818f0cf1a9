"""What the binary is optimized for: a server and three sidecars at everyday work.

Processes and components of either WASI, fresh and reused; at the sidecar that runs them and at the two that forward;
one caller and many, over HTTP/1.1 and HTTP/2; with and without bodies; cold and warm, sync and async; a few refusals,
and whatever command line, server and controllers do for that. Nothing is measured: only the share of each kind matters,
and what never runs here is taken for cold code.

    python3 deploy/pgo/workload.py GATELESS CHECKSUM [CALLS OF EACH KIND]
"""

import socket
import struct
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "demo"))

from cluster import Failed, expect, run, wait_until  # noqa: E402

CHECKSUM = Path(sys.argv[2]).resolve()
CALLS = int(sys.argv[3]) if len(sys.argv) > 3 else 4_000
ASYNC_CALLS = CALLS * 3 // 10
COLD = max(2, CALLS // 200)
# A caller that says little, one like a browser, and one behind another proxy with a trace of its own.
HEADS = (
    "",
    "user-agent: Mozilla/5.0 (X11; Linux x86_64)\r\naccept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
    "accept-language: en\r\naccept-encoding: gzip, deflate\r\nconnection: keep-alive\r\ncookie: session=0123456789abcdef\r\n",
    "user-agent: client/1\r\nx-forwarded-for: 203.0.113.7\r\nx-forwarded-proto: https\r\n"
    f"traceparent: 00-{'ab' * 16}-{'cd' * 8}-01\r\nx-request-id: 42\r\n",
)


def answer(reader):
    """Reads one whole answer; returns its status."""
    status, length, chunked = int(reader.readline().split()[1]), 0, False
    while (line := reader.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        chunked |= name.lower() == b"transfer-encoding"
    while chunked and (size := int(reader.readline(), 16)):
        reader.read(size + 2)
    reader.read(2 if chunked else length)
    return status


def caller(address, path, head, body, calls, expected, wrong):
    method = "POST" if body else "GET"
    length = f"content-length: {len(body)}\r\n" if body else ""
    request = f"{method} {path} HTTP/1.1\r\nhost: {address[0]}\r\n{head}{length}\r\n".encode() + body
    try:
        with socket.create_connection(address, 60) as connection, connection.makefile("rb") as reader:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(calls):
                connection.sendall(request)
                status = answer(reader)
                expect(status == expected, f"{path}: {status}")
    except (Failed, OSError, ValueError, IndexError) as error:
        wrong.append(str(error))


def calls(sidecar, path, body=b"", count=CALLS, callers=12, expected=200):
    url, wrong = urlsplit(sidecar.ready["public"]), []
    each = [
        threading.Thread(target=caller, args=((url.hostname, url.port), path, HEADS[at % len(HEADS)], body, count // callers, expected, wrong))
        for at in range(callers)
    ]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    expect(not wrong, f"unexpected answers: {wrong}")


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def calls_over_h2(sidecar, path, count, at_once=16):
    """Calls on one HTTP/2 connection. By hand (RFC 9113): no client of HTTP/2 is sure to be here."""
    data, headers, reset, settings, goaway, window = 0, 1, 3, 4, 7, 8
    ack = end_stream = 1
    url = urlsplit(sidecar.ready["public"])
    # HPACK without a table: method GET and scheme http by index, then path and authority as they are.
    fields = [b"\x82\x86"]
    for index, text in ((4, path), (1, url.netloc)):
        fields.append(bytes([index, len(text)]) + text.encode())
    request, most = b"".join(fields), struct.pack(">I", (1 << 31) - 1 - 65_535)
    streams = iter(range(1, 2 * count, 2))
    with socket.create_connection((url.hostname, url.port), 60) as connection, connection.makefile("rb") as reader:
        def begin(streams):
            connection.sendall(b"".join(frame(headers, 4 | end_stream, stream, request) for stream in streams))

        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0) + frame(window, 0, 0, most))
        begin(stream for _, stream in zip(range(at_once), streams))
        while count:
            head = reader.read(9)
            reader.read(int.from_bytes(head[:3], "big"))
            kind, flags = head[3], head[4]
            expect(kind not in (reset, goaway), f"{path} failed over HTTP/2")
            if kind == settings and not flags & ack:
                connection.sendall(frame(settings, ack, 0))
            if kind in (data, headers) and flags & end_stream:
                count -= 1
                begin(stream for _, stream in zip(range(1), streams))


def steps(cluster):
    examples, one = ROOT / "examples", ("--set", "scaling.max_scale=1")
    cluster.gateless("deploy", examples / "checksum-rust", "--bundle", CHECKSUM)
    paths = ["/function/checksum/"]
    for example, wasi in (("hello-wasm-rust", ""), ("hello-wasi03-rust", "-0-3")):
        for kind, reuse in (("fresh", "false"), ("reused", "true")):
            name = f"{kind}{wasi}"
            cluster.gateless("deploy", examples / example, "--name", name, "--set", f"wasm.reuse={reuse}", *one)
            paths.append(f"/function/{name}")
    for sidecar in cluster.sidecars:
        for path in paths:
            calls(sidecar, path)
            calls(sidecar, path, count=CALLS // 4, callers=1)
            calls_over_h2(sidecar, path, CALLS // 8)
        calls(sidecar, "/function/reused?name=Ada", body=b"x" * 2_000, count=CALLS // 4)
        calls(sidecar, "/function/checksum/", body=b"x" * 20_000, count=CALLS // 4)
        calls(sidecar, "/function/nobody", count=CALLS // 20, expected=404)
    sidecar = cluster.sidecars[0]
    for number in range(COLD):
        name = f"cold-{number}"
        cluster.gateless("deploy", examples / "hello-wasm-rust", "--name", name, "--set", "scaling.initial_scale=0")
        calls(sidecar, f"/function/{name}", count=3, callers=3)
    calls(sidecar, "/async-function/checksum/", body=b"x" * 500, count=ASYNC_CALLS, expected=202)

    def delivered():
        queues = cluster.gateless("queue")["items"]
        return not any(queue[state] for queue in queues for state in ("queued", "running", "retrying"))

    wait_until(delivered, "the queued calls are delivered")
    for command in (("ls",), ("status", "checksum"), ("instances", "checksum"), ("sidecars",)):
        cluster.gateless(*command)


if __name__ == "__main__":
    sys.exit(run(steps, sys.argv[1], GATELESS_WASI_0_3="true"))
