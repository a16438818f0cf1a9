#!/usr/bin/env python3
"""Smoke-tests every client library, and the example in its README, against one live `gateless up`.

Usage: sdk/test.py GATELESS_BINARY [LANGUAGE...]. Each language's runner makes a function of its own, so a failure of one says
nothing of another. Deliberately knows nothing of the languages but how to start their runners.
"""

import json
import os
import pathlib
import subprocess
import sys

import fake
import live

SDK = pathlib.Path(__file__).resolve().parent
ROOT = SDK.parent
TARGET = ROOT / "target"
# Generous: a first build of a runner is in it.
TIMEOUT = 900

# Per language: what builds it, its smoke test, its README's example. Each runs in its own folder.
RUNNERS = {
    "typescript": {
        "build": [["npm", "run", "--silent", "build"]],
        "smoke": ["node", "test/smoke.mjs"],
        "example": ["node", "examples/quickstart.mjs"],
    },
    "rust": {
        "build": [["cargo", "build", "--quiet", "-p", "gateless-sdk", "--examples"]],
        "smoke": ["{target}/debug/examples/smoke"],
        "example": ["{target}/debug/examples/quickstart"],
    },
    "python": {
        # The venv has httpx and attrs already: the generator needs them, too.
        "build": [[sys.executable, "../generate.py", "venv"]],
        "smoke": ["{target}/sdk/venv/bin/python", "tests/smoke.py"],
        "example": ["{target}/sdk/venv/bin/python", "examples/quickstart.py"],
    },
    "go": {
        "build": [
            ["go", "vet", ".", "./examples/...", "./smoke"],
            ["go", "build", "-o", "{target}/sdk/go/", "./smoke", "./examples/quickstart"],
        ],
        "smoke": ["{target}/sdk/go/smoke"],
        "example": ["{target}/sdk/go/quickstart"],
    },
}


def run(language, ready, faulty):
    runner = RUNNERS[language]
    env = {
        **os.environ,
        "GATELESS_SERVER": ready["api"],
        "GATELESS_TOKEN": ready["token"],
        "SDK_FAKE": faulty,
        "SDK_ECHO": str(SDK / "echo.py"),
        "SDK_FUNCTION": f"echo-{language}",
        "CARGO_TARGET_DIR": str(TARGET),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Nothing to download: it must build from what is here.
        "GOPROXY": "off",
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
        "PYTHONPATH": str(SDK / "python"),
    }
    document = json.loads((ROOT / "openapi/openapi.json").read_text())
    if "/v1/events" in document["paths"]:
        env["SDK_EVENTS"] = "1"
    said = []
    for step in [*runner["build"], runner["smoke"], runner["example"]]:
        step = [part.format(target=TARGET) for part in step]
        result = subprocess.run(step, cwd=SDK / language, env=env, timeout=TIMEOUT, text=True, stdout=subprocess.PIPE)
        if result.returncode != 0:
            print(result.stdout)
            print(f"sdk/{language}: {' '.join(step)} failed with {result.returncode}", file=sys.stderr)
            return False
        said.append(result.stdout.strip())
    print(f"sdk/{language}: {said[-2]}; example: {', '.join(said[-1].splitlines())}")
    return True


def main():
    binary, *languages = sys.argv[1:]
    with live.gateless(binary) as ready, fake.server(ready) as faulty:
        passed = [run(language, ready, faulty) for language in languages or RUNNERS]
    sys.exit(0 if all(passed) else 1)


main()
