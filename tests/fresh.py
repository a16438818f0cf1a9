#!/usr/bin/env python3
"""`make test-fresh`: what README promises, on a Debian 12 that has nothing but git, make, curl and rustup.

Usage: tests/fresh.py [TARGET...], the Makefile's targets to run there, one after the other; `demo` and `test` by default. Each
says how many CPU minutes it took. Needs root, and is no part of `make test`: it takes longer than all of that.

The machine is a folder that debootstrap fills once (target/fresh/debian). Every run lays a new, empty one over it, with a clone of
what is committed here, and moves into it with a root, mounts and process ids of its own; not by chroot, in which no user namespace
can be made. Of this machine it takes the kernel, how registries are reached, rustup's toolchains and the crates that cargo
downloaded before; nothing that was built. Everything that was started ends with the run; what was made goes at the next.
"""

import glob
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "fresh"
DEBIAN = FOLDER / "debian"
# All that README asks for, but for rustup.
PACKAGES = "git,make,curl,ca-certificates"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RUSTUP_NAMES = ("rustup", "cargo", "rustc", "rustdoc", "cargo-clippy", "cargo-fmt", "rustfmt", "clippy-driver")
# How this machine reaches registries, where it has such files; with `~` for the home folder.
NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/apt/apt.conf.d/*proxy*",
           "~/.npmrc", "~/.config/pip/pip.conf", "~/.cargo/config.toml", "~/.config/go/env")
NETWORK_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "PIP_CERT",
                     "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "GOPROXY")

# Runs as the first process of its own namespaces, with the folder of the run as its argument and the command after it.
MOVE_IN = r"""
set -e
run=$1; shift
overlay() { mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$3"; }
overlay "$DEBIAN" "$run/root" "$run/machine"
mkdir -p "$run/machine$HOME/.rustup"
overlay "$RUSTUP_HOME" "$run/rustup" "$run/machine$HOME/.rustup"
if [ -d "$CARGO_HOME/registry" ]; then
    mkdir -p "$run/machine$HOME/.cargo/registry"
    overlay "$CARGO_HOME/registry" "$run/registry" "$run/machine$HOME/.cargo/registry"
fi
cd "$run/machine"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p .before
pivot_root . .before
umount -l .before
rmdir .before
cd /src/gateless
# Not by exec: whoever is process 1 must take in what its children leave behind.
"$@" || exit $?
"""


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def debian():
    """The folder of a Debian 12 as it is when new."""
    if not (DEBIAN / "usr" / "bin" / "git").exists():
        shutil.rmtree(DEBIAN, ignore_errors=True)
        DEBIAN.mkdir(parents=True)
        log = FOLDER / "debootstrap.log"
        with open(log, "wb") as said:
            made = subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", DEBIAN], stdout=said, stderr=said)
        if made.returncode:
            sys.exit(f"debootstrap failed:\n{log.read_text()[-2000:]}")


def machine():
    """A new one, with the checkout and rustup in it; returns the folder of the run."""
    place = FOLDER / "run"
    shutil.rmtree(place, ignore_errors=True)
    for overlay in ("root", "rustup", "registry"):
        for part in ("upper", "work"):
            (place / overlay / part).mkdir(parents=True)
    (place / "machine").mkdir()
    top = place / "root" / "upper"
    home = Path.home()
    for pattern in NETWORK:
        for file in glob.glob(pattern.replace("~", str(home))):
            copy = top / file.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    programs = top / str(home).lstrip("/") / ".cargo" / "bin"
    programs.mkdir(parents=True)
    rustup = shutil.which("rustup")
    if not rustup:
        sys.exit("no rustup here to take along: install Rust with it, https://rustup.rs")
    for name in RUSTUP_NAMES:
        shutil.copy(rustup, programs / name)
    run("git", "clone", "--quiet", ROOT, top / "src" / "gateless")
    if subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT).returncode:
        print("what is not committed is not in it", flush=True)
    return place


def inside(place, command):
    """Runs a command on the machine; returns its exit code and the seconds of CPU that it took."""
    home = str(Path.home())
    outer = {**os.environ, "DEBIAN": str(DEBIAN), "HOME": home,
             "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", f"{home}/.rustup"), "CARGO_HOME": os.environ.get("CARGO_HOME", f"{home}/.cargo")}
    own = {"HOME": home, "PATH": f"{home}/.cargo/bin:{PATH}", "LANG": "C.UTF-8", "USER": "root"}
    own |= {name: os.environ[name] for name in NETWORK_VARIABLES if name in os.environ}
    own |= {name.lower(): os.environ[name.lower()] for name in NETWORK_VARIABLES if name.lower() in os.environ}
    enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", MOVE_IN, "fresh", str(place)]
    enter += ["env", "-i", *(f"{name}={value}" for name, value in own.items()), "bash", "-c", command]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = subprocess.run(enter, env=outer).returncode
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return code, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    if os.geteuid() != 0:
        sys.exit("a machine is made by root: sudo make test-fresh")
    debian()
    place = machine()
    # Of this machine's toolchain that no new one has: the Makefile must see to it.
    code, _ = inside(place, "rustup --quiet target remove wasm32-wasip2 2>/dev/null; rustc --version && git log -1 --oneline")
    if code:
        sys.exit("the new machine does not work")
    for target in sys.argv[1:] or ("demo", "test"):
        print(f"--- make {target}", flush=True)
        began = time.monotonic()
        code, seconds = inside(place, f"make {shlex.quote(target)}")
        print(f"--- make {target}: exit code {code}, {seconds / 60:.1f} CPU minutes, {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
        if code:
            sys.exit(code)


main()
