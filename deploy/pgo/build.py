"""`make dist`: the binary that is shipped, target/dist/gateless, optimized by a profile of itself at work.

Builds it with counters, lets it serve what workload.py asks, and builds it again with what was counted
(profile-guided optimization, "rustc book", chapter of that name). Calls cost about an eighth less CPU. Needs
`llvm-profdata` of rustc's own LLVM, which rustup has as `llvm-tools`; where it cannot be had, the binary is
built without a profile, and this says so.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target" / "pgo"
SHIPPED = ROOT / "target" / "dist" / "gateless"
CARGO = os.environ.get("CARGO", "cargo")


def output(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout.strip()


def host():
    lines = output("rustc", "-vV").splitlines()
    return next(line.removeprefix("host: ") for line in lines if line.startswith("host: "))


def profdata(triple):
    """`llvm-profdata` beside rustc, asked of rustup if it is not there; None where that fails."""
    tool = Path(output("rustc", "--print", "sysroot")) / "lib" / "rustlib" / triple / "bin" / "llvm-profdata"
    if not tool.exists() and shutil.which("rustup"):
        subprocess.run(["rustup", "component", "add", "llvm-tools"], check=False)
    return tool if tool.exists() else None


def build(triple, *flags):
    """With `--target`, so that flags reach what is shipped and not what only builds it."""
    flags = " ".join(filter(None, [os.environ.get("RUSTFLAGS", ""), *flags]))
    command = [CARGO, "build", "--locked", "--profile", "dist", "-p", "gateless", "--features", "dashboard", "--target", triple, "--target-dir", TARGET]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "RUSTFLAGS": flags})
    return TARGET / triple / "dist" / "gateless"


def profile(tool, triple):
    counts = TARGET / "counts"
    shutil.rmtree(counts, ignore_errors=True)
    counting = build(triple, f"-Cprofile-generate={counts}")
    subprocess.run([CARGO, "build", "--release", "-p", "gateless-example-checksum"], cwd=ROOT, check=True)
    checksum = ROOT / "target" / "release" / "checksum"
    subprocess.run([sys.executable, Path(__file__).with_name("workload.py"), counting, checksum], check=True)
    merged = TARGET / "gateless.profdata"
    subprocess.run([tool, "merge", "-o", merged, *counts.glob("*.profraw")], check=True)
    return merged


def main():
    triple = host()
    tool = profdata(triple)
    if tool:
        binary = build(triple, f"-Cprofile-use={profile(tool, triple)}")
    else:
        print("no llvm-profdata (rustup component add llvm-tools): building without a profile", file=sys.stderr)
        binary = build(triple)
    SHIPPED.parent.mkdir(parents=True, exist_ok=True)
    # Cargo's own output there is a second name of a file it keeps.
    SHIPPED.unlink(missing_ok=True)
    shutil.copy2(binary, SHIPPED)
    print(f"{SHIPPED.relative_to(ROOT)}: {SHIPPED.stat().st_size / (1 << 20):.0f} MiB")


if __name__ == "__main__":
    main()
