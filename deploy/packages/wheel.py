"""A Python wheel (PyPA binary distribution format) that carries the program as a script: `uvx gateless`, `pipx run gateless`.

The client library for Python is another distribution, `gateless-sdk`.
"""

import base64
import hashlib
import io
import time
import zipfile

import archive
import contents as having
from archive import ROOT, File


def make(contents):
    """The wheel's name and bytes."""
    named = f"gateless-{contents.version}"
    libc = "manylinux_{}_{}".format(*contents.glibc) if contents.glibc else "manylinux_2_17"
    tag = f"py3-none-{libc}_{contents.architecture('wheel')}"
    info = f"{named}.dist-info"
    about = f"Metadata-Version: 2.1\nName: gateless\nVersion: {contents.version}\nSummary: {having.SUMMARY}\nLicense: Apache-2.0\nRequires-Python: >=3.8\nDescription-Content-Type: text/markdown\n\n"
    files = [
        File(f"{named}.data/scripts/gateless", contents.program, 0o755),
        File(f"{info}/METADATA", about.encode() + (ROOT / "README.md").read_bytes()),
        File(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: gateless\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()),
        File(f"{info}/licenses/LICENSE", having.licence()),
    ]
    digest = lambda data: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    rows = [f"{f.name},sha256={digest(f.data)},{len(f.data)}\n" for f in files]
    record = f"{info}/RECORD"
    files.append(File(record, "".join([*rows, f"{record},,\n"]).encode()))
    # Times of zip begin in 1980.
    when = time.gmtime(max(archive.epoch(), 315_532_800))[:6]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for file in files:
            entry = zipfile.ZipInfo(file.name, when)
            entry.external_attr = (0o100000 | file.mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, file.data)
    return f"{named}-{tag}.whl", out.getvalue()
