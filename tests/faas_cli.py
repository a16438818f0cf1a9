#!/usr/bin/env python3
"""An unmodified faas-cli, pointed at a sidecar: everything its users do with an OpenFaaS gateway.

Usage: tests/faas_cli.py GATELESS_BINARY. The faas-cli is the one FAAS_CLI names, or is built from its public Go module. Where
the module cannot be had nothing is tried, and that is said: server/tests/openfaas.rs sends the same requests without it.
"""

import base64
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sdk"), str(ROOT / "deploy" / "demo")]
import live  # noqa: E402
from cluster import Callbacks, wait_until  # noqa: E402

MODULE = "github.com/openfaas/faas-cli@0.18.12"
SECONDS = 60
CALLS_AT_ONCE = 4
STACK = """
version: 1.0
provider: {name: openfaas, gateway: GATEWAY}
functions:
  echo:
    image: acme/echo:1
    environment: {MODE: fast}
    secrets: [api-key]
    labels: {com.openfaas.scale.type: capacity, com.openfaas.scale.target: "1", com.openfaas.scale.max: "5"}
    annotations: {topic: orders}
"""


def obtain():
    """The path of a faas-cli; None where its module is not to be had."""
    if given := os.environ.get("FAAS_CLI"):
        return given
    folder = ROOT / "target" / "faas-cli"
    built = folder / "faas-cli"
    if built.exists():
        return str(built)
    result = subprocess.run(["go", "install", MODULE], env={**os.environ, "GOBIN": str(folder)}, text=True, stderr=subprocess.PIPE)
    if result.returncode == 0:
        return str(built)
    print(f"faas-cli: NOT TRIED, {MODULE} cannot be had:\n{result.stderr.strip()}")
    return None


class FaasCli:
    def __init__(self, program, folder, gateway):
        self.program, self.folder, self.gateway = program, folder, gateway
        self.env = {"HOME": str(folder), "OPENFAAS_URL": gateway, "PATH": os.environ["PATH"]}

    def start(self, *arguments, **more):
        return subprocess.Popen([self.program, *arguments], cwd=self.folder, env=self.env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)

    def run(self, *arguments, stdin=None, fails=False):
        """What it said. It must succeed, or fail when `fails`."""
        with self.start(*arguments, stdin=subprocess.PIPE) as process:
            try:
                said, _ = process.communicate(stdin or "", timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        if (process.returncode != 0) != fails:
            sys.exit(f"faas-cli {' '.join(arguments)} ended with {process.returncode}:\n{said}")
        return said


def expect(what, said):
    if what not in said:
        sys.exit(f"faas-cli said no {what!r}:\n{said}")


def deploys(cli, token):
    expect("incorrect", cli.run("login", "-u", "admin", "--password-stdin", stdin="wrong", fails=True))
    expect("credentials saved", cli.run("login", "-u", "admin", "--password-stdin", stdin=token))
    cli.run("secret", "create", "api-key", "--from-literal", "v1")
    expect("api-key", cli.run("secret", "list"))
    cli.run("secret", "update", "api-key", "--from-literal", "v2")
    stack = cli.folder / "stack.yml"
    stack.write_text(STACK.replace("GATEWAY", cli.gateway))
    expect("202 Accepted", cli.run("deploy", "-f", "stack.yml"))
    stack.write_text(stack.read_text().replace("acme/echo:1", "ACME/unknown:1"))
    expect("image", cli.run("deploy", "-f", "stack.yml", fails=True))
    cli.run("ready", "echo", "--attempts", "60", "--interval", "500ms")
    expect("echo", cli.run("list"))
    described = cli.run("describe", "echo")
    for what in ("acme/echo:1", "MODE: fast", "api-key", "topic: orders"):
        expect(what, described)


def calls(cli, callbacks):
    expect('"body": "hi"', cli.run("invoke", "echo", stdin="hi"))
    said = cli.run("invoke", "echo", "--async", "-H", f"X-Callback-Url: {callbacks.url}", stdin="later")
    expect("submitted asynchronously", said)
    _, body = wait_until(lambda: callbacks.received, "a callback", SECONDS)[0]
    expect('"body": "later"', body.decode())


def logs(cli):
    with cli.start("logs", "echo", "--tail", "--lines", "5") as follower:
        watchdog = threading.Timer(SECONDS, follower.kill)
        watchdog.start()
        try:
            cli.run("invoke", "echo", stdin="for the log")
            if not any("asked for" in line for line in follower.stdout):
                sys.exit("faas-cli logs ended without a line")
        finally:
            watchdog.cancel()
            follower.kill()


def replicas(cli):
    line = next(line for line in cli.run("list").splitlines() if line.startswith("echo"))
    return int(line.split()[-1])


def scales(cli, token):
    slow = [cli.start("invoke", "echo", stdin=subprocess.PIPE) for _ in range(CALLS_AT_ONCE)]
    for call in slow:
        call.stdin.write("slow")
        call.stdin.close()
    while replicas(cli) < 2:
        if all(call.poll() is not None for call in slow):
            sys.exit("it did not scale: one instance took all calls")
    for call in slow:
        expect('"body": "slow"', call.stdout.read())
        call.wait(SECONDS)
    # What a UI or `kubectl` would ask for: faas-cli has no command for it.
    pair = base64.b64encode(f"admin:{token}".encode()).decode()
    for wanted, status in ((3, 202), (9, 400)):
        body = f'{{"serviceName": "echo", "replicas": {wanted}}}'.encode()
        request = urllib.request.Request(f"{cli.gateway}/system/scale-function/echo", body, {"authorization": f"Basic {pair}"})
        try:
            with urllib.request.urlopen(request) as answer:
                got = answer.status
        except urllib.error.HTTPError as error:
            got = error.code
        if got != status:
            sys.exit(f"scaling to {wanted} was answered {got}, not {status}")


def removes(cli):
    expect("default", cli.run("namespaces"))
    expect("default", cli.run("namespace", "get", "default"))
    expect("a namespace is there", cli.run("namespace", "create", "mine", fails=True))
    expect("gateless", cli.run("version", "--warn-update=false"))
    cli.run("remove", "echo")
    if "echo" in cli.run("list"):
        sys.exit("it is still there")
    cli.run("secret", "remove", "api-key")


def main():
    program = obtain()
    if program is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        images = folder / "images.toml"
        images.write_text(f'[[image]]\nname = "acme/echo:1"\ncommand = ["python3", "{ROOT / "sdk" / "echo.py"}"]\n')
        callbacks = Callbacks()
        with live.gateless(sys.argv[1], "--images", str(images), "--egress-allow", callbacks.address) as ready:
            cli = FaasCli(program, folder, ready["public"])
            deploys(cli, ready["token"])
            calls(cli, callbacks)
            logs(cli)
            scales(cli, ready["token"])
            removes(cli)
    print("faas-cli: login, secrets, deploy, describe, invoke, async with callback, logs, scaling, namespaces, remove: as with a gateway")


main()
