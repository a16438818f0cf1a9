"""One server, three sidecars and the command line, for demo.py.

Starts them on ports the system gives, and ends every process they started, also after a failure.
Deliberately knows nothing of what is shown.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """A step went otherwise than expected."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


def wait_until(look, what, seconds=60):
    """Looks again and again until the answer is true, and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise Failed(f"not within {seconds} s: {what}")


class Part:
    """A `gateless server` or `gateless sidecar` process."""

    def __init__(self, cluster, name, args):
        self.name, self.args, self.cluster = name, args, cluster
        self.log = cluster.folder / f"{name}.log"
        cluster.parts.append(self)  # before it starts, so that it is ended whatever happens
        self.start()

    def start(self):
        self.killed = False
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.cluster.binary, *self.args], stdout=subprocess.PIPE, stderr=log, env=self.cluster.env
            )
        # A process that ends without the line closes the pipe, so this cannot hang on it.
        watchdog = threading.Timer(30, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        expect(line, f"{self.name} did not get ready, exit code {self.process.poll()}")
        self.ready = json.loads(line)

    def kill(self):
        """SIGKILL: no goodbye to anyone."""
        self.killed = True
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """SIGTERM, and whether it ended well in time."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout=30) == 0 or self.killed
        except subprocess.TimeoutExpired:
            self.kill()
            return False


class Cluster:
    def __init__(self, binary, folder):
        self.binary, self.folder = str(binary), Path(folder)
        # The interpreter itself, not a version manager's shim that needs a home folder.
        path = f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}"
        keep = {k: v for k, v in os.environ.items() if not k.startswith("GATELESS_")}
        self.env = {**keep, "PATH": path, "GATELESS_CONFIG": str(self.folder / "login.toml")}
        self.parts, self.server, self.sidecars = [], None, []
        self.callbacks = Callbacks()
        # Each instance is a user of its own.
        self.shared = self.folder / "shared"
        self.shared.mkdir()
        self.shared.chmod(0o777)

    def start(self):
        data = self.folder / "server"
        any_port = "127.0.0.1:0"
        self.server = self.part("server", "server", "--data", data, "--listen", any_port, "--grpc-listen", any_port,
                                "--write-join-token", self.folder / "join-token")
        self.env["GATELESS_SERVER"] = self.server.ready["api"]
        self.env["GATELESS_TOKEN"] = Path(self.server.ready["admin_token_file"]).read_text().strip()
        for number in (1, 2, 3):
            args = ["sidecar", "--server", self.server.ready["grpc"], "--data", self.folder / f"sidecar-{number}"]
            args += ["--join-token-file", self.folder / "join-token", "--capacity", "20"]
            # As isolated as this machine can; flaky counts its failures in a folder of the host.
            args += ["--isolation", "best-effort", "--shared-folder", self.shared]
            # Callbacks go to the public internet, and to what an operator names.
            args += ["--egress-allow", self.callbacks.address]
            for listen in ("--listen", "--local-listen", "--peer-listen", "--gossip-listen", "--metrics-listen"):
                args += [listen, any_port]
            if self.sidecars:
                args += ["--join", ",".join(s.ready["gossip"] for s in self.sidecars)]
            self.sidecars.append(self.part(f"sidecar-{number}", *args))

    def part(self, name, *args):
        return Part(self, name, [str(arg) for arg in args])

    def gateless(self, *args):
        """Runs a command and returns its JSON document."""
        command = [self.binary, "-o", "json", *map(str, args)]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=180)
        if done.returncode:
            raise Failed(f"gateless {' '.join(map(str, args))} ended with {done.returncode}\n{done.stderr}")
        return json.loads(done.stdout)

    def instances(self, function):
        return self.gateless("instances", function)["items"]

    def end(self):
        """SIGTERM to sidecars, then the server. Returns what did not end as it should."""
        bad = [part.name for part in reversed(self.parts) if not part.terminate()]
        return bad + [f"process {pid}" for pid in self.kill_strays()]

    def kill_strays(self):
        """Functions whose sidecar was killed and never came back. Found by the folder in their environment."""
        strays, mark = [], str(self.folder).encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if mark in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
                    strays.append(entry.name)
            except (OSError, PermissionError):
                pass
        return strays


class Answer:
    """An answer and how long it took, connection included."""

    def __init__(self, status, headers, body, millis):
        self.status, self.headers, self.body, self.millis = status, headers, body, millis

    def json(self):
        return json.loads(self.body)

    @property
    def cold(self):
        return self.headers.get("x-gateless-cold-start") == "true"

    @property
    def timing(self):
        return self.headers.get("server-timing", "(no server-timing)")


def call(sidecar, path, body=None, headers=None, connection=None):
    """One call through a sidecar's public listener."""
    start = time.perf_counter()
    own = connection or connect(sidecar)
    own.request("GET" if body is None else "POST", path, body, headers or {})
    answer = own.getresponse()
    data = answer.read()
    millis = (time.perf_counter() - start) * 1000
    if connection is None:
        own.close()
    return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, data, millis)


def connect(sidecar):
    connection = http.client.HTTPConnection(urlsplit(sidecar.ready["public"]).netloc, timeout=60)
    connection.connect()
    return connection


class Callbacks:
    """Receives what `x-callback-url` names."""

    def __init__(self):
        self.received = received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                received.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.address}/done"

    def of(self, call_id):
        return next((c for c in self.received if c[0].get("x-call-id") == call_id), None)


def run(steps, binary, **env):
    """Runs the steps in a cluster of its own, with more in its environment; returns the exit code."""
    # SIGTERM must clean up just as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="gateless-demo-") as folder:
        cluster, failure = Cluster(binary, folder), None
        cluster.env.update(env)
        try:
            cluster.start()
            steps(cluster)
        except (Failed, OSError, ValueError, KeyError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
            failure = f"{type(error).__name__}: {error}"
        finally:
            bad = cluster.end()
        if failure is None and not bad:
            return 0
        print(f"\nFAILED: {failure or 'did not end as it should: ' + ', '.join(bad)}")
        for log in sorted(Path(folder).glob("*.log")):
            print(f"\n--- last lines of {log.name}")
            print("\n".join(log.read_text(errors="replace").splitlines()[-15:]))
        return 1
