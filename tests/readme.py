#!/usr/bin/env python3
"""Runs the shell commands of README.md and of docs/ as they stand there, in order, and fails with the first that fails.

Usage: tests/readme.py GATELESS_BINARY CHECKSUM_BINARY [DOCUMENT...]. Every document has a shell, a home folder, a copy of the repository and
a network of its own, with nothing but loopback in it: so the ports that are written there collide with nothing, and nothing is asked of
anybody outside. What is different from a person's shell:

- `make` is only asked what it would do: what it would build is given to this script, and lies where `make build` puts it.
- curl takes a status of 400 and above for a failure, which a person would see.
- Commands that run until they are stopped are stopped with Ctrl-C once they said what ENDLESS names.
- Blocks that begin with `# on ADDRESS` are for a host of that address: network, files and processes of its own, on a bridge in here.

Where no namespaces can be made nothing is tried, and that is said.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A bound, not a measure: a build of a component is in it.
SECONDS = 600
# Per document, what its reader has done before.
DOCUMENTS = {
    "README.md": [],
    "docs/calls.md": ["gateless up &", "gateless new report -t python", "gateless deploy report"],
    "docs/cli.md": [],
    "docs/function-toml.md": ["gateless up &", "mkdir site"],
    "docs/triggers.md": ["gateless up &", "gateless new report -t python", "gateless deploy report"],
    "docs/wasm.md": ["gateless up &"],
}
# What a command says once it works that ends only when it is stopped.
ENDLESS = {
    "gateless dev ": r"http://",
    "gateless logs -f ": r"\S",
    "gateless server ": r'"event":"ready"',
    "gateless sidecar ": r'"event":"ready"',
}
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "end-of-command"


def fail(text):
    sys.exit(f"readme: {text}")


def commands(block):
    """The commands of a block, each with all its lines."""
    lines, whole = [], []
    for line in block.splitlines():
        lines.append(line)
        text = "\n".join(lines)
        # An open quote or here-document is an error or a warning, a trailing backslash neither.
        checked = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True)
        if checked.returncode == 0 and not checked.stderr and not line.endswith("\\"):
            if any(part.strip() and not part.lstrip().startswith("#") for part in lines):
                whole.append(text)
            lines = []
    if lines:
        fail(f"these lines are no commands:\n{block}")
    return whole


class Shell:
    """A bash that lives as long as its document, as a reader's does."""

    def __init__(self, folder, env, enter=()):
        self.log = tempfile.NamedTemporaryFile(prefix="shell-", suffix=".log", dir=folder, delete=False)
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        self.marks = os.fdopen(reading, "r")
        self.process = subprocess.Popen(
            [*enter, "bash", "--norc"], cwd=folder / "gateless", env={**env, "MARKS": str(writing)}, stdin=subprocess.PIPE,
            stdout=self.log, stderr=self.log, pass_fds=[writing], text=True, start_new_session=True)
        os.close(writing)
        # Jobs in groups of their own, which Ctrl-C is for, as at a terminal.
        self.run("set -m")

    def said(self, since=0):
        """What was printed after that place, background jobs' output too."""
        return Path(self.log.name).read_bytes()[since:].decode(errors="replace")

    def mark(self):
        ready, _, _ = select.select([self.marks], [], [], SECONDS)
        line = self.marks.readline() if ready else ""
        return int(line.split()[1]) if line.startswith(MARK) else None

    def run(self, command):
        """Runs a command to its end; it must succeed."""
        since = len(self.said())
        # What reads its standard input must not read the next command.
        self.process.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '{MARK} %s\\n' $? >&$MARKS\n")
        self.process.stdin.flush()
        code = self.mark()
        if code != 0:
            ended = f"ended with {code}" if code is not None else f"did not end within {SECONDS} s"
            fail(f"{ended}: {command}\n{self.said(since)}")
        return self.said(since)

    def until(self, command, pattern):
        """Starts a command that ends only when it is stopped, waits for what it is to say, stops it."""
        since = len(self.said())
        self.run(f"( {command}\n) &\nendless=$!")
        self.wait_for(command, pattern, since)
        # 130: ended by Ctrl-C, as a shell says it.
        self.run(f"kill -INT -- -$endless; wait $endless || [ $? = 130 ] # {command}")

    def wait_for(self, command, pattern, since=0):
        end = time.monotonic() + SECONDS
        while not re.search(pattern, self.said(since)):
            if time.monotonic() > end or self.process.poll() is not None:
                fail(f"never said {pattern}: {command}\n{self.said(since)}")
            time.sleep(0.05)
        return re.search(pattern, self.said(since))

    def end(self):
        """Ends what runs in the background, which must end well, and the shell."""
        self.run('for job in $(jobs -rp); do kill -TERM $job && wait $job; done')
        self.process.stdin.close()
        self.process.wait()


def environment(folder):
    """A reader's home folder and environment, with the toolchains of this machine."""
    home = folder / "home"
    home.mkdir()
    (home / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GATELESS_", "CARGO_"))}
    real = Path.home()
    return {
        # `gateless sidecar` would refuse to start where this machine lacks a part of the sandbox.
        **own, "HOME": str(home), "GATELESS_ISOLATION": "best-effort", "CARGO_NET_OFFLINE": "true", "BASH_FUNC_make%%": '() { command make -n "$@" >/dev/null; }',
        "CARGO_HOME": os.environ.get("CARGO_HOME", f"{real}/.cargo"), "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", f"{real}/.rustup"),
    }


def checkout(folder, binaries):
    """A copy of the repository as it is, with what was built where `make build` puts it."""
    copy = folder / "gateless"
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    built = copy / "target" / "demo"
    built.mkdir(parents=True)
    for name, binary in zip(("gateless", "checksum"), binaries):
        os.link(binary, built / name) if os.stat(binary).st_dev == os.stat(built).st_dev else shutil.copy(binary, built / name)
    return built


def hosts(folder, env, blocks):
    """Runs each block on the host that its first line names, and sees that the hosts find each other."""
    network = Network()
    shells, join_token = {}, None
    for address, block in blocks:
        (command,) = commands(block)
        shell = shells[address] = Shell(folder, env, network.host(address))
        # A host's own disk, but for what an operator brings.
        shell.run("mount -t tmpfs tmpfs /var/lib")
        if join_token:
            file = re.search(r"--join-token-file (\S+)", command)[1]
            shell.run(f"mkdir -p {Path(file).parent} && printf %s '{join_token}' >{file} && chmod 600 {file}")
        since = len(shell.said())
        shell.run(f"{command} &")
        ready = shell.wait_for(command, r'\{.*"event":"ready".*\}', since)[0]
        if not join_token:
            file = re.search(r'"admin_token_file":"([^"]+)"', ready)[1]
            token = shell.run(f"cat {file}").strip()
            make = "gateless sidecar join-token create --uses 2 --quiet"
            join_token = shell.run(f"{make} --server http://{address}:7780 --token {token}").split()[-1]
            server = address
    ask = f"gateless sidecars --server http://{server}:7780 --token {token} -o json"
    end = time.monotonic() + SECONDS
    while len(re.findall(r'"connected": *true', shells[server].run(ask))) < len(shells) - 1:
        if time.monotonic() > end:
            fail(f"the sidecars never found the server:\n{shells[server].said()}")
        time.sleep(0.1)
    for shell in reversed(shells.values()):
        shell.end()


class Network:
    """Hosts on a bridge, in the network namespace of this process."""

    def __init__(self):
        for command in ("link add hosts type bridge", "link set hosts up"):
            subprocess.run(["ip", *command.split()], check=True)
        self.count = 0

    def host(self, address):
        """How to start a program on a new host."""
        self.count += 1
        here, there = f"host{self.count}", f"in{self.count}"
        holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdout=subprocess.DEVNULL)
        own, ns = os.readlink("/proc/self/ns/net"), f"/proc/{holder.pid}/ns/net"
        while os.readlink(ns) == own:
            time.sleep(0.01)
        for command in (f"link add {here} type veth peer name {there} netns {holder.pid}", f"link set {here} master hosts up"):
            subprocess.run(["ip", *command.split()], check=True)
        inside = ["nsenter", f"--net={ns}"]
        for command in ("link set lo up", f"addr add {address}/24 dev {there}", f"link set {there} up"):
            subprocess.run([*inside, "ip", *command.split()], check=True)
        return [*inside, "unshare", "--mount"]


def document(name, binaries):
    """One document, in namespaces of its own."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="gateless-readme-") as folder:
        folder = Path(folder)
        built, env = checkout(folder, binaries), environment(folder)
        shell, elsewhere = Shell(folder, env), []
        if name != "README.md":  # which says itself how to get it
            shell.run(f"export PATH={built}:$PATH")
        for command in DOCUMENTS[name]:
            shell.run(command)
        text, count = (ROOT / name).read_text(), 0
        for block in BLOCK.findall(text):
            if on := re.match(r"# on ([\d.]+)", block):
                elsewhere.append((on[1], block))
                continue
            for command in commands(block):
                endless = next((said for begin, said in ENDLESS.items() if command.startswith(begin)), None)
                shell.until(command, endless) if endless else shell.run(command)
                count += 1
        shell.end()
        if elsewhere:
            hosts(folder, {**env, "PATH": f"{built}:{env['PATH']}"}, elsewhere)
        print(f"{name}: {count + len(elsewhere)} commands, {len(elsewhere)} of them on hosts of their own: all do what they say", flush=True)


def fetch(gateless):
    """What the commands' own builds need of registries: in there is no way to them."""
    with tempfile.TemporaryDirectory() as folder:
        made = f"{folder}/hi"
        subprocess.run([gateless, "--quiet", "new", "hi", "-t", "wasm-rust", "--path", made], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["cargo", "fetch", "--quiet", "--manifest-path", f"{made}/Cargo.toml"], check=True)


def main():
    inside = sys.argv[1] == "--inside"
    gateless, checksum, *names = sys.argv[1 + inside:]
    binaries = [Path(gateless).resolve(), Path(checksum).resolve()]
    # Who was started in the background ignores Ctrl-C, and so would all that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if inside:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return document(names[0], binaries)
    enter = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        enter.append("--map-root-user")
    if subprocess.run([*enter, "true"], capture_output=True).returncode:
        print("readme: NOT TRIED, no namespaces can be made here")
        return
    fetch(binaries[0])
    for name in names or DOCUMENTS:
        if subprocess.run([*enter, sys.executable, __file__, "--inside", *binaries, name]).returncode:
            sys.exit(1)


main()
