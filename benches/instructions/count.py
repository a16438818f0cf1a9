#!/usr/bin/env python3
"""Counts the instructions of the hot paths under callgrind, and fails when one rose by more than 3 % unexplained.

Usage: count.py BINARY [--record]. What was counted last is in instructions.json beside this file, with the compiler it is of. A rise is
explained by a line of CHANGELOG.md that names the path and both figures, as this script prints it; only then --record takes it.
Another compiler makes other code: its figures are printed and not compared.

A figure is the difference of two runs over the difference of their counts, so starting and ending are not in it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECORD = HERE / "instructions.json"
CHANGELOG = HERE.parent.parent / "CHANGELOG.md"
TOLERANCE = 0.03
# How often, in the shorter and the longer run. A journal's file is made in steps, so appends need a long run.
PATHS = {"warm-call": (200, 1200), "hold-and-release": (1000, 11000), "autoscaler-tick": (1000, 11000), "queue-append": (300, 1800)}
# The same code on every CPU: libc picks its copies of memory by what a CPU has.
PLAIN = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM"


def instructions(binary, path, count):
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", binary, path, str(count)],
            env={**os.environ, "GLIBC_TUNABLES": PLAIN}, capture_output=True, text=True)
    collected = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode or not collected:
        sys.exit(f"instructions: {path} {count} ended with {ran.returncode}:\n{ran.stderr}")
    return int(collected[1])


def main():
    binary, *options = sys.argv[1:]
    compiler = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    counted = {}
    for path, (few, many) in PATHS.items():
        counted[path] = round((instructions(binary, path, many) - instructions(binary, path, few)) / (many - few))
    recorded = json.loads(RECORD.read_text())
    comparable = recorded["compiler"] == compiler
    rises = []
    for path, now in counted.items():
        before = recorded["instructions"].get(path, now)
        print(f"{path}: {before} to {now} instructions ({now / before - 1:+.1%})" + ("" if comparable else f"; before, by {recorded['compiler']}"))
        if comparable and now > before * (1 + TOLERANCE):
            rises.append((path, before))
    if "--record" in options:
        # The last digits differ from run to run; what it was before is what a line is found by.
        rises = [(path, before) for path, before in rises if f"`{path}`: {before} to " not in CHANGELOG.read_text()]
    if rises:
        lines = "\n".join(f"- `{path}`: {before} to {counted[path]} instructions, because ..." for path, before in rises)
        sys.exit(f"instructions: more than 3 % dearer. Mend it, or say why in CHANGELOG.md and run `make instructions-record`:\n{lines}")
    if "--record" in options:
        RECORD.write_text(json.dumps({"compiler": compiler, "instructions": counted}, indent=2) + "\n")


if __name__ == "__main__":
    main()
