"""A folder to unpack anywhere: bin/, share/, LICENSE, and the systemd units as they are."""

import archive
import contents as having
from archive import ROOT, File


def make(contents):
    """The archive's name and bytes."""
    name = f"gateless-{contents.version}-{contents.machine}-linux"
    files = having.unix(contents, "")
    files.append(File("LICENSE", having.licence()))
    units = sorted((ROOT / "deploy" / "systemd").iterdir())
    files += [File(f"share/gateless/systemd/{unit.name}", unit.read_bytes()) for unit in units]
    return f"{name}.tar.gz", archive.gz(archive.tar(files, f"{name}/"))
