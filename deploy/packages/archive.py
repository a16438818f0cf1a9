"""Files for archives: names, contents and modes, written the same way whenever and by whomever.

Times are SOURCE_DATE_EPOCH (reproducible-builds.org/specs/source-date-epoch), or that of the last commit; owners are root; the order is that of names.
"""

import gzip
import io
import os
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class File:
    """A file of an archive: `name` without a leading slash, `data` in bytes, `mode` as of chmod."""

    name: str
    data: bytes
    mode: int = 0o644


def epoch():
    """When the sources are from, in seconds of Unix time."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    if said:
        return int(said)
    asked = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    return int(asked.stdout) if asked.returncode == 0 and asked.stdout.strip() else int(time.time())


@dataclass(frozen=True)
class Folder:
    """A folder that is not only on the way to a file: its mode, and the number of who owns it."""

    name: str
    mode: int
    owner: int = 0


def folders(files):
    """Every folder that the files are in, parents first."""
    found = set()
    for file in files:
        found.update(str(parent) for parent in Path(file.name).parents if str(parent) != ".")
    return sorted(found)


def tar(files, prefix="", with_folders=True, more=()):
    """An uncompressed tar archive (ustar, GNU long names) of the files, and `more` folders than lead to them, each below `prefix`."""
    out, when = io.BytesIO(), epoch()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:

        def add(name, kind, mode, data=b"", owner=0):
            info = tarfile.TarInfo(prefix + name)
            info.type, info.mode, info.size, info.mtime = kind, mode, len(data), when
            info.uid = info.gid = owner
            info.uname = info.gname = "" if owner else "root"
            archive.addfile(info, io.BytesIO(data))

        for name in folders(files) if with_folders else []:
            add(name, tarfile.DIRTYPE, 0o755)
        for file in sorted(files, key=lambda file: file.name):
            add(file.name, tarfile.REGTYPE, file.mode, file.data)
        for folder in more:
            add(folder.name, tarfile.DIRTYPE, folder.mode, owner=folder.owner)
    return out.getvalue()


def gz(data):
    """The data as gzip has it, without a name and a time of its own."""
    return gzip.compress(data, compresslevel=9, mtime=0)
