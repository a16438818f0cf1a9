"""`make packages`: every way to get Gateless without a compiler, made of one program.

    python3 deploy/packages/build.py PROGRAM FOLDER

Writes a tarball, a Debian package, a Python wheel, an npm package, an OCI image, an SBOM, and SHA256SUMS of them all. The same program and sources give
the same bytes.
"""

import hashlib
import sys
from pathlib import Path

import contents as having
import deb
import npm
import oci
import sbom
import tarball
import wheel

FORMATS = (tarball, deb, wheel, npm, oci, sbom)


def build(program, folder):
    """Makes every package of the program in the folder, which is made if need be; the paths of what was made."""
    contents = having.of(program)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for form in FORMATS:
        name, data = form.make(contents)
        (folder / name).write_bytes(data)
        made.append(folder / name)
    sums = folder / "SHA256SUMS"
    sums.write_text("".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in made))
    return contents, [*made, sums]


def main():
    program, folder = sys.argv[1:]
    try:
        contents, made = build(program, folder)
    except having.Unfit as why:
        sys.exit(f"cannot package {program}: {why}")
    needs = "glibc {}.{} or newer".format(*contents.glibc) if contents.glibc else "no libraries"
    print(f"gateless {contents.version} for {contents.machine}, needs {needs}")
    for path in made:
        print(f"{path}: {path.stat().st_size / (1 << 20):.1f} MiB")


if __name__ == "__main__":
    main()
