"""`make bench`: everything in one run on this machine, so that only ratios are compared.

Warm path: the same backend direct, behind a bare hyper proxy, behind a sidecar, and where they
are installed behind nginx and haproxy (wrk; 1 and 64 connections; 3 rounds in turn; medians).
Cold start: a process function from zero against bare fork, exec, connect and request of the
same program. Async: accepted calls a second with every one on disk. Writes target/bench/latest.md.
"""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import wasm as wasm_bench

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "target" / "dist"
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
COLD = int(os.environ.get("BENCH_COLD", "100"))
PATH = os.environ["PATH"] + ":/usr/sbin"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, process):
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.01)
    sys.exit(f"{process.args} ended before it listened")


class Run:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.processes = []

    def start(self, *args, **kwargs):
        log = open(self.folder / "log.txt", "ab")
        process = subprocess.Popen([str(a) for a in args], stderr=log, **kwargs)
        self.processes.append(process)
        return process

    def end(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()

    def backend(self):
        port = free_port()
        wait_port(port, self.start(BIN / "hello", env={**os.environ, "PORT": str(port)}))
        return port

    def bare(self, upstream, pool):
        port = free_port()
        wait_port(port, self.start(BIN / "bare_proxy", f"127.0.0.1:{port}", f"127.0.0.1:{upstream}", pool))
        return port

    def nginx(self, upstream):
        if not shutil.which("nginx", path=PATH):
            return None
        port, home = free_port(), self.folder / "nginx"
        home.mkdir()
        (home / "nginx.conf").write_text(f"""
worker_processes auto; pid {home}/pid; error_log {home}/error.log; daemon off;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s; keepalive_requests 1000000000;
  upstream u {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}
""")
        wait_port(port, self.start(shutil.which("nginx", path=PATH), "-c", home / "nginx.conf"))
        return port

    def haproxy(self, upstream):
        if not shutil.which("haproxy", path=PATH):
            return None
        port, conf = free_port(), self.folder / "haproxy.cfg"
        conf.write_text(f"""
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  http-reuse always
listen l
  bind 127.0.0.1:{port}
  server s 127.0.0.1:{upstream}
""")
        wait_port(port, self.start(shutil.which("haproxy", path=PATH), "-f", conf))
        return port

    def gateless(self, isolation=None):
        """The sidecar's public port; deployments go to the one started last."""
        any_port = "127.0.0.1:0"
        listen = ["--listen", "--grpc-listen", "--function-listen", "--local-listen", "--peer-listen", "--gossip-listen", "--metrics-listen"]
        args = [BIN / "gateless", "up", "--data", self.folder / f"data-{isolation}", "--capacity", "1000"]
        args += ["--isolation", isolation] if isolation else []
        for name in listen:
            args += [name, any_port]
        env = {**os.environ, "XDG_CONFIG_HOME": str(self.folder), "GATELESS_LOG": "warn"}
        process = self.start(*args, stdout=subprocess.PIPE, text=True, env=env)
        ready = json.loads(process.stdout.readline())
        token = Path(ready["admin_token_file"]).read_text().strip()
        self.client = {**env, "GATELESS_SERVER": ready["api"], "GATELESS_TOKEN": token}
        return ready["public"].rsplit(":", 1)[1]

    def deploy(self, name, *sets):
        args = [BIN / "gateless", "deploy", "--name", name]
        for pair in sets:
            args += ["--set", pair]
        done = subprocess.run([*args, "--", BIN / "hello"], env=self.client, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"deploy of {name} failed: {done.stderr}")


def wrk(url, connections, seconds=SECONDS):
    args = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency", url]
    out = subprocess.run(args, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out:
        sys.exit(f"{url} answered with errors:\n{out}")
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    latency = dict(re.findall(r"(50|99)%\s+([\d.]+[mu]?s)", out))
    ms = {k: float(re.match(r"[\d.]+", v).group()) * unit[v.lstrip("0123456789.")] for k, v in latency.items()}
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), ms["50"], ms["99"]


def warm(run, public, lines):
    upstream = run.backend()
    targets = {"backend, direct": f"http://127.0.0.1:{upstream}/"}
    targets["bare hyper proxy"] = f"http://127.0.0.1:{run.bare(upstream, 'own')}/"
    targets["the same over hyper-util's client"] = f"http://127.0.0.1:{run.bare(upstream, 'legacy')}/"
    run.deploy("hello", "scaling.min_scale=1", "scaling.max_scale=1")
    targets["Gateless sidecar"] = f"http://127.0.0.1:{public}/function/hello/"
    for name in ("nginx", "haproxy"):
        port = getattr(run, name)(upstream)
        if port:
            targets[name] = f"http://127.0.0.1:{port}/"
    for connections in (1, 64):
        results = {name: [] for name in targets}
        for name, url in targets.items():
            wrk(url, connections, 1)
        for _ in range(ROUNDS):
            for name, url in targets.items():
                results[name].append(wrk(url, connections))
        medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
        base = medians["bare hyper proxy"][0]
        lines += ["", f"Warm path, {connections} connection(s), median of {ROUNDS} rounds of {SECONDS} s:", "",
                  "| | calls/s | of bare proxy | p50 ms | p99 ms |", "|---|---:|---:|---:|---:|"]
        for name, (rps, p50, p99) in medians.items():
            lines += [f"| {name} | {rps:,.0f} | {rps / base:.2f} | {p50:.3f} | {p99:.3f} |"]


def bare_start():
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen([BIN / "hello"], env={"PORT": str(port)})
    while True:
        try:
            s = socket.create_connection(("127.0.0.1", port))
            break
        except ConnectionRefusedError:
            pass
    s.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    s.recv(4096)
    took = (time.perf_counter() - began) * 1e3
    s.close()
    process.kill()
    process.wait()
    return took


def cold_call(public, name):
    s = socket.create_connection(("127.0.0.1", int(public)))
    began = time.perf_counter()
    s.sendall(f"GET /function/{name}/ HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    head = s.recv(8192)
    took = (time.perf_counter() - began) * 1e3
    s.close()
    if b" 200 " not in head or b"x-gateless-cold-start: true" not in head:
        sys.exit(f"not a cold answer: {head!r}")
    return took


def cold(run, public, lines):
    def deploy():
        for at in range(COLD):
            run.deploy(f"cold-{at}", "scaling.initial_scale=0")

    deploy()
    before = run.client
    unwalled = run.gateless("none")
    deploy()
    run.client = before
    ours, bare, plain = [], [], []
    for at in range(COLD):
        bare.append(bare_start())
        ours.append(cold_call(public, f"cold-{at}"))
        plain.append(cold_call(unwalled, f"cold-{at}"))
    p = lambda values, q: sorted(values)[min(len(values) - 1, int(len(values) * q))]
    lines += ["", f"Cold start of a process function, {COLD} functions, each from zero, in turn with a bare start:", "",
              "| | p50 ms | p99 ms |", "|---|---:|---:|",
              f"| bare fork, exec, connect, request | {p(bare, .5):.2f} | {p(bare, .99):.2f} |",
              f"| cold call through Gateless | {p(ours, .5):.2f} | {p(ours, .99):.2f} |",
              f"| the same with `--isolation none` | {p(plain, .5):.2f} | {p(plain, .99):.2f} |",
              f"| difference | {p(ours, .5) - p(bare, .5):.2f} | {p(ours, .99) - p(bare, .99):.2f} |",
              f"| isolated, of not isolated | {p(ours, .5) / p(plain, .5):.2f} | {p(ours, .99) / p(plain, .99):.2f} |"]


def accepts(run, public, lines):
    run.deploy("later", "scaling.initial_scale=0", "scaling.max_scale=1", "async.max_in_flight=1",
               "async.max_queued=900000")
    script = run.folder / "post.lua"
    script.write_text('wrk.method = "POST"\nwrk.body = string.rep("x", 1024)\n')
    url = f"http://127.0.0.1:{public}/async-function/later/"
    args = ["wrk", "-t", "1", "-c", "64", "-d", f"{SECONDS}s", "-s", str(script), url]
    rates = []
    for _ in range(ROUNDS):
        out = subprocess.run(args, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in out:
            sys.exit(f"async calls were refused:\n{out}")
        rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)))
    (run.folder / "accept").mkdir()
    engine = subprocess.run([BIN / "queue_accept", "--writers", "64", "--seconds", str(SECONDS), "--bytes", "1024",
                             "--folder", run.folder / "accept"], capture_output=True, text=True)
    lines += ["", f"Async calls accepted (202 after fsync), 1 KiB, 64 connections, through HTTP: "
              f"{statistics.median(rates):,.0f} a second (rounds: {', '.join(f'{rate:,.0f}' for rate in rates)}).",
              "", "The queue alone, 64 writers:", "", "```text", engine.stdout.strip() or engine.stderr.strip(), "```"]


def wasm(run, _public, lines):
    wasm_bench.wasm(run, wrk, free_port, wait_port, lines)


class Report(list):
    """Lines that are shown as soon as they are known: a run takes many minutes."""

    def __iadd__(self, lines):
        print("\n".join(lines), flush=True)
        return super().__iadd__(lines)


def main():
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: `make bench` installs it with apt")
    lines = Report()
    lines += [f"Run of {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, shared machine: compare ratios only."]
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    parts = sys.argv[1:] or ["warm", "cold", "accepts", "wasm"]
    with tempfile.TemporaryDirectory(prefix="gateless-bench-", dir=out) as folder:
        run = Run(folder)
        try:
            public = run.gateless()
            for part in parts:
                globals()[part](run, public, lines)
            (out / "latest.md").write_text("\n".join(lines) + "\n")
        finally:
            run.end()


main()
