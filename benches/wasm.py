"""Wasm functions against the other ways to run the same component, in one run on this machine.

Warm: the same hello component in a sidecar (fresh instance a call, and reused), in `wasmtime
serve` (likewise) and, as JavaScript, in workerd; calls a second and CPU time a call of the
serving process. Cold: functions whose component is on disk and not in memory, one by one and
all at once. Memory of registered and of loaded functions. A neighbour's p99 while a bad
component is under load. Part of `make bench`, or alone: `python3 benches/run.py wasm`.
"""

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "target" / "dist"
TOOLS = ROOT / "target" / "bench" / "tools"
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
DISTINCT = int(os.environ.get("BENCH_WASM_DISTINCT", "1000"))
REGISTERED = int(os.environ.get("BENCH_WASM_REGISTERED", "10000"))
LOADED = 100
COLD = int(os.environ.get("BENCH_WASM_COLD", "300"))
TICK = os.sysconf("SC_CLK_TCK")


def build(folder, name):
    """The component of a Rust crate that is no member of the workspace."""
    target = ROOT / "target" / "wasm"
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip2",
                    "--target-dir", target], cwd=ROOT / folder, check=True)
    return (target / "wasm32-wasip2" / "release" / name).read_bytes()


def variant(component, number):
    """The same component with a section of its own, so that it is another one to every cache."""
    text = f"variant-{number}".encode()
    name = b"variant"
    body = bytes([len(name)]) + name + text
    return component + bytes([0, len(body)]) + body


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


class Gateless:
    """A server and a sidecar as two processes, so that the sidecar's memory is its own."""

    def __init__(self, run, name="wasm"):
        home = run.folder / name
        home.mkdir()
        token = home / "join-token"
        env = {**os.environ, "XDG_CONFIG_HOME": str(home), "GATELESS_LOG": "error"}
        here = "127.0.0.1:0"
        server = run.start(BIN / "gateless", "server", "--data", home / "server", "--listen", here,
                           "--grpc-listen", here, "--write-join-token", token, stdout=subprocess.PIPE, text=True, env=env)
        ready = json.loads(server.stdout.readline())
        self.api = ready["api"].removeprefix("http://")
        self.token = Path(ready["admin_token_file"]).read_text().strip()
        sidecar = run.start(BIN / "gateless", "sidecar", "--wasi-0-3", "--isolation", "best-effort", "--data", home / "sidecar", "--server", ready["grpc"],
                            "--listen", here, "--local-listen", here, "--peer-listen", here,
                            "--gossip-listen", here, "--metrics-listen", here, "--join-token-file", token, stdout=subprocess.PIPE, text=True, env=env)
        self.pid = sidecar.pid
        ready = json.loads(sidecar.stdout.readline())
        self.public, self.metrics = (ready[name].removeprefix("http://") for name in ("public", "metrics"))
        self.local = threading.local()

    def ask(self, method, path, body=None, kind="application/json"):
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = http.client.HTTPConnection(self.api)
        connection.request(method, path, body, {"authorization": f"Bearer {self.token}", "content-type": kind})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {data.decode()}")
        return data

    def upload(self, component):
        sha256 = hashlib.sha256(component).hexdigest()
        self.ask("PUT", f"/v1/namespaces/default/artifacts/{sha256}", component, "application/octet-stream")
        return sha256

    def apply(self, name, sha256, initial=0, **wasm):
        spec = {"kind": "wasm", "wasm": {"component": {"sha256": sha256}, **wasm},
                "scaling": {"initial_scale": initial, "max_scale": 1}, "limits": {"container_concurrency": 0}}
        self.ask("PUT", f"/v1/namespaces/default/functions/{name}", json.dumps({"spec": spec}))

    def delete(self, name):
        self.ask("DELETE", f"/v1/namespaces/default/functions/{name}")

    def wait(self, name):
        self.ask("GET", f"/v1/namespaces/default/functions/{name}/wait?condition=ready&timeout_ms=300000")

    def metric(self, name):
        connection = http.client.HTTPConnection(self.metrics)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        found = re.search(rf"^gateless_{name}(?:_total)? (\d+)$", text, re.M)
        return int(found.group(1)) if found else 0

    def until(self, what):
        while not what():
            time.sleep(0.05)

    def known(self, name):
        """Whether the sidecar has heard of the function; asks in a way that starts nothing."""
        connection = http.client.HTTPConnection(self.public)
        connection.request("GET", f"/function/{name}/", headers={"x-gateless-timeout-ms": "0"})
        answer = connection.getresponse()
        answer.read()
        return answer.status != 404

    def url(self, name):
        return f"http://{self.public}/function/{name}/"


def tools():
    """`wasmtime` and `workerd`, where the registries have them; None for one that is missing."""
    wasmtime = next(iter(TOOLS.glob("venv/lib/python*/site-packages/wasmtime_cli/wasmtime")), None)
    if wasmtime:
        wasmtime.chmod(0o755)
    workerd = TOOLS / "node_modules" / "@cloudflare" / "workerd-linux-64" / "bin" / "workerd"
    return wasmtime, workerd if workerd.exists() else None


def partners(run, components, free_port, wait_port):
    wasmtime, workerd = tools()
    found = {}
    if wasmtime:
        for kind, (component, reuse) in components.items():
            file = run.folder / f"{kind}.wasm"
            file.write_bytes(component)
            port = free_port()
            wasi = ["-S", "cli,p3", "-W", "component-model-async"] if "0.3" in kind else ["-S", "cli"]
            process = run.start(wasmtime, "serve", *wasi, "--addr", f"127.0.0.1:{port}",
                                "--max-instance-reuse-count", "1000000" if reuse else "1", file,
                                stdout=subprocess.DEVNULL)
            wait_port(port, process)
            found[f"wasmtime serve, {kind}"] = (f"http://127.0.0.1:{port}/", process.pid)
    if workerd:
        port = free_port()
        (run.folder / "hello.js").write_text('export default { async fetch() { return new Response("hello\\n"); } };')
        (run.folder / "workerd.capnp").write_text(f"""
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "hello.js", esModule = embed "hello.js")],
    compatibilityDate = "2024-09-01"))],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")]);
""")
        process = run.start(workerd, "serve", run.folder / "workerd.capnp")
        wait_port(port, process)
        found["workerd (JavaScript)"] = (f"http://127.0.0.1:{port}/", process.pid)
    return found


def warm(gateless, targets, wrk, lines):
    for connections in (1, 64):
        results = {name: [] for name in targets}
        for url, _ in targets.values():
            wrk(url, connections, 1)
        for _ in range(ROUNDS):
            for name, (url, pid) in targets.items():
                before = cpu_seconds(pid)
                rps, p50, p99 = wrk(url, connections)
                results[name].append((rps, p50, p99, (cpu_seconds(pid) - before) / (rps * SECONDS) * 1e6))
        medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
        lines += ["", f"The same hello, {connections} connection(s), median of {ROUNDS} rounds of {SECONDS} s:", "",
                  "| | calls/s | p50 ms | p99 ms | CPU us/call |", "|---|---:|---:|---:|---:|"]
        for name, (rps, p50, p99, cpu) in medians.items():
            lines += [f"| {name} | {rps:,.0f} | {p50:.3f} | {p99:.3f} | {cpu:.1f} |"]
        for kind in [name.removeprefix("Gateless, ") for name in medians if name.startswith("Gateless, ")]:
            peer = medians.get(f"wasmtime serve, {kind}")
            if peer:
                ours = medians[f"Gateless, {kind}"]
                lines += ["", f"{kind}: {ours[0] / peer[0]:.2f} of `wasmtime serve`'s calls/s, "
                          f"{ours[3] / peer[3]:.2f} of its CPU a call."]


PHASE = re.compile(rb"(\w+);dur=([0-9.]+)")


def phases(head):
    """What the sidecar says of a call, milliseconds by phase."""
    return {name.decode(): float(took) for name, took in PHASE.findall(head)}


def added(head):
    """Milliseconds of a call that are neither the component's own nor its load."""
    took = phases(head)
    return took["route"] + took["hold"] + took["queue"] - took["start"]


def call(s, name):
    s.sendall(f"GET /function/{name}/ HTTP/1.1\r\nhost: x\r\nx-gateless-trace: 1\r\n\r\n".encode())
    return s.recv(8192)


def cold_call(address, name):
    """Milliseconds until the head came, over a connection of its own, made before; and what of it was added by the sidecar's own
    work, for this call and for the same one again."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port))) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        head = call(s, name)
        took = (time.perf_counter() - began) * 1e3
        again = call(s, name)
    if b" 200 " not in head or b"x-gateless-cold-start: true" not in head:
        sys.exit(f"not a cold answer: {head!r}")
    return took, added(head), added(again)


def distinct(gateless, component, first, count):
    """So many functions, each with a component nobody else has, compiled and not loaded."""
    def one(number):
        gateless.apply(f"cold-{number}", gateless.upload(variant(component, number)))

    compiled = gateless.metric("wasm_compilations")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(first, first + count)))
    gateless.until(lambda: gateless.metric("wasm_compilations") >= compiled + count)
    return [f"cold-{number}" for number in range(first, first + count)]


def cold(gateless, component, lines):
    names = distinct(gateless, component, 0, COLD)
    times, cold_added, warm_added = zip(*(cold_call(gateless.public, name) for name in names))
    lines += ["", f"Cold call end to end (component on disk, not in memory), {COLD} distinct functions one by one: "
              f"p50 {quantile(times, .5):.2f} ms, p99 {quantile(times, .99):.2f} ms.", "",
              "Added by routing, holding and gating (server-timing: route, hold and queue, less start): "
              f"p50 {quantile(cold_added, .5) * 1e3:.0f} us, p99 {quantile(cold_added, .99) * 1e3:.0f} us of a cold call; "
              f"p50 {quantile(warm_added, .5) * 1e3:.0f} us, p99 {quantile(warm_added, .99) * 1e3:.0f} us of a warm one."]
    for name in names:
        gateless.delete(name)


def storm(gateless, component, lines):
    names = distinct(gateless, component, COLD, DISTINCT)
    before = cpu_seconds(gateless.pid)
    host, port = gateless.public.split(":")
    sockets = [socket.create_connection((host, int(port))) for _ in names]
    began = time.perf_counter()
    for s, name in zip(sockets, names):
        s.sendall(f"GET /function/{name}/ HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    good = sum(b" 200 " in s.recv(8192) for s in sockets)
    took = time.perf_counter() - began
    cpu = cpu_seconds(gateless.pid) - before
    for s in sockets:
        s.close()
    lines += ["", f"{DISTINCT} distinct cold functions called at once: {good} answered 200, {took * 1e3:,.0f} ms for all, "
              f"{DISTINCT / took:,.0f} a second; {DISTINCT / max(cpu, .01):,.0f} a second of CPU time of the sidecar."]
    for name in names:
        gateless.delete(name)


def engine(run, component, lines):
    """What the engine costs alone, in a process with one thread and no network."""
    file = run.folder / "alone.wasm"
    file.write_bytes(component)
    out = subprocess.run([BIN / "examples" / "measure", file], capture_output=True, text=True, check=True).stdout
    found = json.loads(out)
    lines += ["", "The engine alone, without a network:", "", "| | calls/s | CPU us/call | p50 us | p99 us |", "|---|---:|---:|---:|---:|"]
    for kind in ("fresh", "reused"):
        row = found[kind]
        lines += [f"| {kind} | {row['rps']:,.0f} | {row['cpu_us']:.1f} | {row['p50_us']:.1f} | {row['p99_us']:.1f} |"]
    lines += ["", f"Making an instance and ending it (the difference of the medians): {found['instance_p50_us']:.1f} us. "
              f"From disk to the answer: p50 {found['cold']['p50_us'] / 1e3:.2f} ms, p99 {found['cold']['p99_us'] / 1e3:.2f} ms."]


def memory(run, component, lines):
    # Of its own: what others did before would be part of the numbers.
    gateless = Gateless(run, "memory")
    sha256 = gateless.upload(component)
    # The compiler's memory is nobody's.
    gateless.apply("first", sha256)
    gateless.until(lambda: gateless.metric("wasm_compilations"))
    time.sleep(1)
    before, cpu = rss(gateless.pid), cpu_seconds(gateless.pid)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: gateless.apply(f"many-{number}", sha256), range(REGISTERED)))
    gateless.until(lambda: gateless.known(f"many-{REGISTERED - 1}"))
    time.sleep(2)
    registered = (rss(gateless.pid) - before) / REGISTERED
    cpu = (cpu_seconds(gateless.pid) - cpu) / REGISTERED
    names = distinct(gateless, component, 10**6, LOADED)
    before = rss(gateless.pid)
    for name in names:
        cold_call(gateless.public, name)
    loaded = (rss(gateless.pid) - before) / LOADED
    lines += ["", f"Memory of the sidecar: {registered:,.0f} bytes for each of {REGISTERED:,} registered functions, "
              f"{loaded / 1024:,.0f} KiB for each of {LOADED} loaded ones. Registering one took {cpu * 1e6:,.0f} us of its CPU."]


BAD = {"spin": "an endless loop", "grow": "takes memory for ever", "trap": "traps",
       "header-flood": "a flood of headers", "endless": "an answer without an end", "bomb": "outgoing calls without an end"}


def neighbours(gateless, wrk, lines):
    sha256 = gateless.upload(build("sidecar/wasm/tests/guest", "gateless_wasm_guest.wasm"))
    gateless.apply("bad", sha256, 1, cpu_time_ms=500)
    gateless.wait("bad")
    url = gateless.url("fresh")
    lines += ["", "A neighbour at 8 connections while 16 call a bad component:", "",
              "| the bad one | calls/s | p50 ms | p99 ms |", "|---|---:|---:|---:|"]
    for path, what in {"": "none", **BAD}.items():
        load = None
        if path:
            call = gateless.url("bad") + path
            if path == "bomb":
                call += "?" + gateless.url("bad").removeprefix("http://") + "silent"
            load = subprocess.Popen(["wrk", "-t", "1", "-c", "16", "-d", f"{SECONDS + 2}s", "--timeout", "5s", call],
                                    stdout=subprocess.DEVNULL)
            time.sleep(1)
        rps, p50, p99 = wrk(url, 8)
        lines += [f"| {what} | {rps:,.0f} | {p50:.3f} | {p99:.3f} |"]
        if load:
            load.wait()


def wasm(run, wrk, free_port, wait_port, lines):
    lines += ["", "## Wasm functions"]
    component = build("examples/hello-wasm-rust", "hello_wasm_rust.wasm")
    newer = build("examples/hello-wasi03-rust", "hello_wasi03_rust.wasm")
    gateless = Gateless(run)
    targets = {}
    components = {"fresh": (component, False), "reused": (component, True),
                  "WASI 0.3, fresh": (newer, False), "WASI 0.3, reused": (newer, True)}
    for kind, (made, reuse) in components.items():
        name = re.sub(r"[^a-z0-9]+", "-", kind.lower())
        gateless.apply(name, gateless.upload(made), 1, reuse=reuse)
        gateless.wait(name)
        targets[f"Gateless, {kind}"] = (gateless.url(name), gateless.pid)
    targets.update(partners(run, components, free_port, wait_port))
    warm(gateless, targets, wrk, lines)
    engine(run, component, lines)
    neighbours(gateless, wrk, lines)
    cold(gateless, component, lines)
    storm(gateless, component, lines)
    memory(run, component, lines)
