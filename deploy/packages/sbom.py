"""What the program is made of: a CycloneDX 1.5 document of the crates it is built from and the npm packages in its dashboard, from the lock files."""

import base64
import json
import subprocess
import tomllib
import uuid

import contents as having
from archive import ROOT


def crates(triple):
    """Crates that end up in the program with the dashboard, without those that only build or test it; with their licences and digests."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--features", "gateless/dashboard", "--filter-platform", triple]
    told = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    waiting = [id_ for id_, package in packages.items() if package["name"] == "gateless" and package["source"] is None]
    seen = set()
    while waiting:
        id_ = waiting.pop()
        if id_ in seen:
            continue
        seen.add(id_)
        for dependency in nodes[id_]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    sums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    for package in sorted((packages[id_] for id_ in seen), key=lambda p: (p["name"], p["version"])):
        yield package["name"], package["version"], package["license"], sums.get((package["name"], package["version"]))


def component(ecosystem, name, version, licence, algorithm=None, digest=None):
    """One entry, named by its package URL."""
    purl = f"pkg:{ecosystem}/{name.replace('@', '%40')}@{version.replace('+', '%2B')}"
    entry = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence:
        entry["licenses"] = [{"expression": licence.replace("/", " OR ")}]
    if digest:
        entry["hashes"] = [{"alg": algorithm, "content": digest}]
    return entry


def modules():
    """npm packages that the dashboard's bundle may hold, from its lock file."""
    locked = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    for path, package in sorted(locked.items()):
        if path and not package.get("dev") and not package.get("link"):
            algorithm, _, digest = package.get("integrity", "").partition("-")
            hexadecimal = base64.b64decode(digest).hex() if algorithm == "sha512" else None
            yield component("npm", path.rpartition("node_modules/")[2], package["version"], package.get("license"), "SHA-512", hexadecimal)


def make(contents):
    """The document's name and bytes; its serial number is that of its content."""
    triple = f"{contents.machine}-unknown-linux-gnu"
    parts = [component("cargo", name, version, licence, "SHA-256", digest) for name, version, licence, digest in crates(triple)]
    unique = {part["bom-ref"]: part for part in [*parts, *modules()]}
    itself = {"type": "application", "bom-ref": "gateless", "name": "gateless", "version": contents.version, "description": having.SUMMARY}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(sorted(unique)))}",
        "version": 1,
        "metadata": {"component": itself},
        "components": list(unique.values()),
    }
    return f"gateless-{contents.version}-{contents.machine}.cdx.json", (json.dumps(document, indent=1) + "\n").encode()
