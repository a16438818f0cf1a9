"""Tries every package in a folder as a user would: unpacks or installs it somewhere of its own, and lets the program say its version.

    python3 deploy/packages/check.py FOLDER

Needs no network: pip, npm and dpkg-deb get files. What a tool is missing for is named and left out.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import contents as having

# Debian 12's; what is built elsewhere may ask for less, never for more.
NEWEST_GLIBC = (2, 36)


def run(*command, **options):
    """What the command prints; fails with all it said."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} exits with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def only(folder, pattern):
    """The one file of that pattern."""
    found = sorted(folder.glob(pattern))
    assert len(found) == 1, f"{pattern} in {folder}: {found}"
    return found[0]


def answers(program, **options):
    """That the program runs and is of this version."""
    said = run(program, "--version", **options).split()
    assert said[-1] == having.version(), said


def sums(folder, _work):
    """SHA256SUMS names everything and is right."""
    listed = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    there = {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    assert set(listed) == there, f"listed {sorted(listed)}, there are {sorted(there)}"
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


def tarball(folder, work):
    """Unpacked, it runs; its manual has a page for each command."""
    with tarfile.open(only(folder, "gateless-*-linux.tar.gz")) as packed:
        packed.extractall(work, filter="data")
    top = only(work, "gateless-*")
    answers(top / "bin" / "gateless")
    program = (top / "bin" / "gateless").read_bytes()
    needs = having.glibc(program)
    assert needs is None or needs <= NEWEST_GLIBC, f"it needs glibc {needs}"
    pages = {page.name for page in (top / "share" / "man" / "man1").iterdir()}
    assert {"gateless.1", "gateless-deploy.1", "gateless-trigger-set.1"} <= pages, sorted(pages)
    assert "complete" in (top / "share/bash-completion/completions/gateless").read_text()


def debian(folder, work):
    """dpkg-deb reads and unpacks it; systemd finds no fault in its units."""
    package = only(folder, "*.deb")
    assert run("dpkg-deb", "--field", package, "Package").strip() == "gateless"
    run("dpkg-deb", "--raw-extract", package, work)
    answers(work / "usr/bin/gateless")
    run("md5sum", "--check", "--quiet", "DEBIAN/md5sums", cwd=work)
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", work / "DEBIAN" / script)
    for unit in ("server", "sidecar"):
        assert (work / f"lib/systemd/system/gateless-{unit}.service").is_file()


def wheel(folder, work):
    """pip installs it, and the program is a command of the environment."""
    run(sys.executable, "-m", "venv", work / "venv")
    run(work / "venv/bin/pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", only(folder, "*.whl"))
    answers(work / "venv/bin/gateless")


def npm(folder, work):
    """npm installs it, and the program is a command of the project."""
    (work / "package.json").write_text("{}")
    run("npm", "install", "--silent", "--offline", "--no-audit", "--no-fund", only(folder, "*.tgz"), cwd=work)
    answers(work / "node_modules/.bin/gateless")


def image(folder, work):
    """Every digest of the layout is that of its blob; with root's rights the program runs in the image's own files and nothing else."""
    with tarfile.open(only(folder, "*.oci.tar")) as packed:
        packed.extractall(work / "layout", filter="data")
    blobs = work / "layout/blobs/sha256"
    for blob in blobs.iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    read = lambda entry: (blobs / entry["digest"].removeprefix("sha256:")).read_bytes()
    index = json.loads((work / "layout/index.json").read_text())
    manifest = json.loads(read(index["manifests"][0]))
    config = json.loads(read(manifest["config"]))
    assert config["config"]["User"].split(":")[0] not in ("", "0", "root"), "it runs as root"
    with tarfile.open(blobs / manifest["layers"][0]["digest"].removeprefix("sha256:")) as layer:
        layer.extractall(work / "root", filter="tar")
    if os.geteuid() != 0:
        return "not run: changing the root folder needs root"
    program = config["config"]["Entrypoint"][0]
    answers(program, preexec_fn=lambda: os.chroot(work / "root"), cwd="/")
    return None


def materials(folder, _work):
    """The SBOM names what everybody knows is in it, each with a digest or as ours."""
    document = json.loads(only(folder, "*.cdx.json").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    names = {part["name"] for part in document["components"]}
    assert {"tokio", "hyper", "sled", "wasmtime", "preact"} <= names, sorted(names)
    assert not {"proptest", "libtest-mimic", "vite"} & names, "what only tests and builds is in it"
    bare = [part["bom-ref"] for part in document["components"] if "hashes" not in part and "gateless" not in part["name"]]
    assert not bare, bare


CHECKS = {sums: None, tarball: None, debian: "dpkg-deb", wheel: None, npm: "npm", image: "ldd", materials: None}


def main():
    folder = Path(sys.argv[1]).resolve()
    failed = 0
    for check, tool in CHECKS.items():
        if tool and not shutil.which(tool):
            print(f"{check.__name__}: left out, {tool} is missing")
            continue
        with tempfile.TemporaryDirectory() as work:
            try:
                remark = check(folder, Path(work))
                print(f"{check.__name__}: {remark or 'ok'}")
            except AssertionError as why:
                failed += 1
                print(f"{check.__name__}: FAILED: {why}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
