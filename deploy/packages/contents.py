"""What every package carries: the program, its manual, its completions, its licence, and who it is."""

import re
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from archive import ROOT, File

# How Debian, Python, npm and OCI call what Linux calls by `uname -m`.
ARCHITECTURES = {
    "x86_64": {"deb": "amd64", "wheel": "x86_64", "npm": "x64", "oci": "amd64"},
    "aarch64": {"deb": "arm64", "wheel": "aarch64", "npm": "arm64", "oci": "arm64"},
}
# e_machine of an ELF header (System V ABI, "ELF Header").
MACHINES = {0x3E: "x86_64", 0xB7: "aarch64"}
SUMMARY = "Functions as a service with no gateway"
DESCRIPTION = "A sidecar on each host routes, holds, scales and delivers; a management server keeps the catalogue."


class Unfit(Exception):
    """The program cannot be packaged, with the reason."""


@dataclass
class Contents:
    """One program that runs on `machine`, needs glibc `glibc` (as a pair of numbers, None when static) and says it is `version`."""

    program: bytes
    version: str
    machine: str
    glibc: tuple | None
    path: Path
    manual: list = field(default_factory=list)
    completions: dict = field(default_factory=dict)

    def architecture(self, of):
        """What `of` (deb, wheel, npm, oci) calls this program's machine."""
        return ARCHITECTURES[self.machine][of]


def version():
    """The version of the workspace."""
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def machine(program):
    """What the ELF program runs on, by `uname -m`."""
    if program[:4] != b"\x7fELF" or len(program) < 20:
        raise Unfit("it is no ELF program")
    number = int.from_bytes(program[18:20], "little")
    if number not in MACHINES:
        raise Unfit(f"nobody here knows machine {number:#x} of its ELF header")
    return MACHINES[number]


def glibc(program):
    """The newest version of glibc that the program asks for, None when it asks for none."""
    asked = re.findall(rb"GLIBC_(\d+)\.(\d+)(?:\.\d+)?\0", program)
    return max(((int(a), int(b)) for a, b in asked), default=None)


def stripped(path):
    """The program without what only a debugger reads, where binutils are there."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "gateless"
        try:
            subprocess.run(["strip", "-o", copy, path], check=True, capture_output=True)
        except (FileNotFoundError, subprocess.CalledProcessError):
            return path.read_bytes()
        return copy.read_bytes()


def ask(path, *arguments):
    """What the program prints when it is asked."""
    asked = subprocess.run([path, *arguments], capture_output=True)
    if asked.returncode != 0:
        raise Unfit(f"`{path.name} {' '.join(arguments)}` failed: {asked.stderr.decode(errors='replace').strip()}")
    return asked.stdout


def of(path):
    """Everything that the program at `path` can tell of itself."""
    path = Path(path).resolve()
    said = ask(path, "--version").decode().split()
    if said[-1:] != [version()]:
        raise Unfit(f"{path} says it is {' '.join(said)}, and the workspace is {version()}")
    program = stripped(path)
    with tempfile.TemporaryDirectory() as folder:
        ask(path, "man", folder)
        manual = [File(page.name, page.read_bytes()) for page in sorted(Path(folder).iterdir())]
    completions = {shell: ask(path, "completions", shell) for shell in ("bash", "zsh", "fish")}
    return Contents(program, version(), machine(program), glibc(program), path, manual, completions)


def unix(contents, prefix):
    """The files as they lie below a Unix prefix, such as `usr/`."""
    shells = {
        "bash": "share/bash-completion/completions/gateless",
        "zsh": "share/zsh/vendor-completions/_gateless",
        "fish": "share/fish/vendor_completions.d/gateless.fish",
    }
    files = [File(f"{prefix}bin/gateless", contents.program, 0o755)]
    files += [File(f"{prefix}share/man/man1/{page.name}", page.data) for page in contents.manual]
    files += [File(prefix + shells[shell], script) for shell, script in contents.completions.items()]
    return files


def licence():
    """The licence's text."""
    return (ROOT / "LICENSE").read_bytes()
