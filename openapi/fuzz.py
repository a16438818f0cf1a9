#!/usr/bin/env python3
"""Runs schemathesis against a live `gateless up` with one function in it; see schemathesis.toml for what is asked.

Usage: openapi/fuzz.py GATELESS_BINARY, from a Python that has schemathesis (sdk/requirements.txt). Deliberately the committed
document and not the one the server gives: a test says they are the same, and clients are made from this one.
"""

import json
import os
import pathlib
import subprocess
import sys
import urllib.request

OPENAPI = pathlib.Path(__file__).resolve().parent
SDK = OPENAPI.parent / "sdk"
sys.path.insert(0, str(SDK))
import live  # noqa: E402

# Generous: how long it really takes is for max-examples to bound.
TIMEOUT_SECONDS = 900


def deploy(ready):
    """A function, one call of it, and one queued call, so that there is something to list."""
    spec = {"kind": "process", "process": {"command": ["python3", str(SDK / "echo.py")]}}
    functions = f"{ready['api']}/v1/namespaces/default/functions/fuzzed"
    send("PUT", functions, ready, {"spec": spec})
    send("GET", f"{functions}/wait?condition=ready&timeout_ms=60000", ready)
    send("POST", f"{ready['public']}/function/fuzzed/", ready, {})
    send("POST", f"{ready['public']}/async-function/fuzzed/", ready, {})


def send(method, url, ready, document=None):
    body = None if document is None else json.dumps(document).encode()
    headers = {"authorization": f"Bearer {ready['token']}", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=90) as answer:
        return answer.read()


def main():
    (binary,) = sys.argv[1:]
    with live.gateless(binary) as ready:
        deploy(ready)
        command = [
            pathlib.Path(sys.executable).with_name("schemathesis"), "--config-file", OPENAPI / "schemathesis.toml", "run",
            OPENAPI / "openapi.json", "--url", ready["api"], "--phases", "examples,coverage,fuzzing", "--no-color",
            # How hard it is to make examples says nothing about the server.
            "--suppress-health-check", "all", "--warnings", "off",
        ]
        env = {**os.environ, "GATELESS_TOKEN": ready["token"]}
        # It leaves a folder with what it found where it runs.
        tools = OPENAPI.parent / "target" / "sdk"
        result = subprocess.run(command, cwd=tools, env=env, timeout=TIMEOUT_SECONDS, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # On success the summary is enough.
    print(result.stdout[-20_000:] if result.returncode else result.stdout.partition("SUMMARY =")[2].strip("= \n"))
    sys.exit(result.returncode)


main()
