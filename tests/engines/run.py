"""Runs the container driver's tests, and a whole sidecar, against a real engine in a network of its own.

    run.py GATELESS TESTS

GATELESS is the binary, TESTS that of the sidecar's unit tests. Nothing is fetched: the one image is a static program, made here by rustc.
Where no engine can be started it says SKIPPED and why, and how many tests that are; that is no failure.
"""

import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
IMAGE = "gateless.test/program:1"
# For anything at all; only what is broken waits for it.
PATIENCE = 60


class Skipped(Exception):
    """No engine can be started here."""


def until(what, check):
    """Waits until check() gives something, and gives that."""
    end = time.monotonic() + PATIENCE
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.05)


def docker(engine, method, path, body=None, kind="application/json"):
    """Asks the engine; its status and answer."""
    connection = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.connect(engine)
        body = body or b""
        head = f"{method} {path} HTTP/1.0\r\nhost: engine\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
    head, _, answer = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), answer


def image(folder):
    """The image as a tar of its files: one static program."""
    program = folder / "program"
    made = ["rustc", "--edition", "2024", "-C", "target-feature=+crt-static", "-o", program, HERE / "program.rs"]
    subprocess.run(made, check=True)
    files = io.BytesIO()
    with tarfile.open(fileobj=files, mode="w") as tar:
        tar.add(program, "program")
    return files.getvalue()


@contextlib.contextmanager
def ended(process):
    """Ends a process that was started here, and waits for it."""
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def engine(folder):
    """An engine in a network namespace of its own; how to enter that, and the engine's socket."""
    if os.geteuid() != 0:
        raise Skipped("an engine needs root")
    missing = [tool for tool in ("dockerd", "containerd", "runc", "iptables", "ip", "nsenter") if not shutil.which(tool)]
    if missing:
        raise Skipped(f"there is no {', '.join(missing)}")
    name = f"gateless-engine-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        raise Skipped(f"no network namespace: {made.stderr.strip()}")
    enter = ["nsenter", f"--net=/run/netns/{name}"]
    try:
        subprocess.run([*enter, "ip", "link", "set", "lo", "up"], check=True)
        path = folder / "engine.sock"
        command = ["dockerd", "--data-root", folder / "root", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
        log = open(folder / "dockerd.log", "w")
        started = subprocess.Popen([*enter, *command, "--host", f"unix://{path}"], stdout=log, stderr=log)
        with ended(started):
            wait_for(started, path, folder / "dockerd.log")
            yield enter, str(path)
    finally:
        subprocess.run(["ip", "netns", "del", name])


def wait_for(started, path, log):
    """Waits until the engine answers, or says why it does not start."""

    def answers():
        if started.poll() is not None:
            raise Skipped(f"dockerd ends: {log.read_text().strip().splitlines()[-1:]}")
        try:
            return docker(str(path), "GET", "/_ping")[0] == 200
        except OSError:
            return False

    try:
        until("the engine answers", answers)
    except AssertionError as error:
        raise Skipped(str(error)) from None


def get(url, data=None, method=None, token=None):
    """Status and body, whatever the status."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if data is not None:
        headers["content-type"] = "application/json"
        data = json.dumps(data).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def whole(gateless, enter, path, folder):
    """A deployment from the command line, a call, the sidecar's death, and its successor's adoption of the same container."""
    # urllib is of this process, which is elsewhere: so this goes on in a process that is in the network.
    script = [sys.executable, __file__, "--inside", gateless, path, str(folder / "data")]
    subprocess.run([*enter, *script], check=True, timeout=10 * PATIENCE)


def inside(gateless, path, data):
    command = [gateless, "up", "--data", data, "--container-engine", f"unix://{path}", "--isolation", "none", "--keep-instances"]
    log = open(f"{data}.log", "w")
    # Where the login is kept that `up` saves.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "GATELESS_"))}
    environment |= {"HOME": os.path.dirname(data), "RUST_LOG": "warn,gateless_sidecar=info"}

    def start():
        started = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until("the sidecar answers", is_up)
        return started

    def is_up():
        with contextlib.suppress(OSError):
            return get("http://127.0.0.1:7700/healthz")[0] == 200

    def call(url):
        status, body = get(f"http://127.0.0.1:7700/function/{url}")
        assert status == 200, (status, body)
        return body

    def cli(*words):
        done = subprocess.run([gateless, *words], env=environment, capture_output=True, text=True, timeout=2 * PATIENCE)
        assert done.returncode == 0, f"gateless {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    first = start()
    try:
        cli("deploy", "--name", "one", "--image", IMAGE, "--set", "scaling.min_scale=1")
        cli("deploy", "--name", "two", "--image", IMAGE, "--set", "visibility=cluster_only")
        own = call("one/env/GATELESS_INSTANCE")
        # A container calls another function through the door of its host, which an outsider cannot.
        assert "200 OK" in call("one/call/function/two/hello")
        assert get("http://127.0.0.1:7700/function/two/hello")[0] in (403, 404)
        assert "/say/hello" in call("one/say/hello")
        until("the log", lambda: "hello" in cli("logs", "one"))
        print("a function that is an image is deployed, called, calls another, and is logged", flush=True)
        first.kill()
        first.wait()
        first = start()
        assert call("one/env/GATELESS_INSTANCE") == own, "the same container goes on"
        print("the next sidecar goes on with the container of the one that was killed", flush=True)
        cli("delete", "one")
        cli("delete", "two")
        labelled = "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22gateless.node%22%5D%7D"
        until("every container is removed", lambda: docker(path, "GET", labelled)[1].strip() == b"[]")
        print("with its function the container goes", flush=True)
    except BaseException:
        print(pathlib.Path(f"{data}.log").read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        with ended(first):
            pass


def count(tests):
    listed = subprocess.run([tests, "--list", "--ignored", "instance::container"], capture_output=True, text=True, check=True)
    return listed.stdout.count(": test")


def main(gateless, tests):
    gateless, tests = os.path.abspath(gateless), os.path.abspath(tests)
    with tempfile.TemporaryDirectory(prefix="gateless-engine-") as folder:
        folder = pathlib.Path(folder)
        try:
            with engine(folder) as (enter, path):
                status, answer = docker(path, "GET", "/version")
                print(f"engine: Docker {json.loads(answer)['Version']}", flush=True)
                imported = "/images/create?fromSrc=-&repo=gateless.test/program&tag=1&changes=ENTRYPOINT%20%5B%22/program%22%5D"
                status, answer = docker(path, "POST", imported, image(folder), "application/x-tar")
                assert status == 200, answer
                environment = {**os.environ, "GATELESS_TEST_ENGINE": f"unix://{path}"}
                run = [*enter, tests, "--ignored", "--test-threads", "2", "instance::container"]
                subprocess.run(run, env=environment, check=True)
                whole(gateless, enter, path, folder)
        except Skipped as why:
            print(f"SKIPPED: {count(tests) + 1} tests against a container engine: {why}", file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        inside(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
