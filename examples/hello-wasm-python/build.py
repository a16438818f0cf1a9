"""Makes build/hello.wasm of app.py: the program, and the Python it needs, in one component.

componentize-py goes into a virtual environment beside it. It carries no WIT files; the Rust crate wasip2, which the
Rust example next door is built with, does, so cargo is asked where it keeps them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
REQUIREMENTS = HERE / "requirements.txt"
WORLD = "wasi:http/proxy"


def tool():
    """componentize-py, installed when it is missing or requirements.txt has changed."""
    venv = BUILD / "venv"
    stamp = venv / "installed.txt"
    wanted = REQUIREMENTS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS], check=True)
        stamp.write_text(wanted)
    return venv / "bin" / "componentize-py"


def wit():
    """The folder of WASI's WIT files."""
    manifest = HERE.parent / "hello-wasm-rust" / "Cargo.toml"
    cargo = os.environ.get("CARGO", "cargo")
    command = [cargo, "metadata", "--locked", "--format-version", "1", "--manifest-path", manifest]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    (crate,) = (Path(p["manifest_path"]).parent for p in found["packages"] if p["name"] == "wasip2")
    return crate / "wit"


def main():
    BUILD.mkdir(exist_ok=True)
    component = BUILD / "hello.wasm"
    command = [tool(), "-q", "-d", wit(), "-w", WORLD, "componentize", "app", "-o", component]
    subprocess.run(command, check=True, cwd=HERE)


main()
