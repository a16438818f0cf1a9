"""An npm package that carries the program: `npx gateless`. npm refuses it on other machines by `os`, `cpu` and `libc`."""

import json

import archive
import contents as having
from archive import ROOT, File


def make(contents):
    """The package's name and bytes, as `npm pack` would have them."""
    about = {
        "name": "gateless",
        "version": contents.version,
        "description": having.SUMMARY,
        "license": "Apache-2.0",
        "bin": {"gateless": "bin/gateless"},
        "os": ["linux"],
        "cpu": [contents.architecture("npm")],
        "files": ["bin"],
    }
    if contents.glibc:
        about["libc"] = ["glibc"]
    files = [
        File("package.json", (json.dumps(about, indent=2) + "\n").encode()),
        File("README.md", (ROOT / "README.md").read_bytes()),
        File("LICENSE", having.licence()),
        File("bin/gateless", contents.program, 0o755),
    ]
    return f"gateless-{contents.version}-{contents.architecture('npm')}.tgz", archive.gz(archive.tar(files, "package/", with_folders=False))
