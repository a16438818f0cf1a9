"""A Debian package (deb(5), Debian Policy): the program, its units, a system user, a place for its configuration.

Nothing is started by installing it: a sidecar has to be told of its server first. `dpkg --purge` leaves /var/lib/gateless, where accepted calls are.
"""

import hashlib

import archive
import contents as having
from archive import ROOT, File

ENVIRONMENT = b"""# Read by gateless-sidecar.service. See `man gateless-sidecar`.
#GATELESS_CONFIG_SERVER=https://SERVER:7781
#GATELESS_JOIN=HOST-A:7703,HOST-B:7703
#GATELESS_ADVERTISE_HOST=THIS-HOST
"""

POSTINST = b"""#!/bin/sh
set -e
if [ "$1" = configure ]; then
    if ! getent passwd gateless >/dev/null; then
        useradd --system --user-group --home-dir /var/lib/gateless --no-create-home --shell /usr/sbin/nologin gateless
    fi
    install -d -m 0700 -o gateless -g gateless /var/lib/gateless
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
    fi
fi
"""

# An upgrade leaves the services running on the old program; who upgrades restarts them, one host after the other.
PRERM = b"""#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --quiet disable --now gateless-sidecar.service gateless-server.service || true
fi
"""

POSTRM = b"""#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
"""


def ar(members):
    """An ar archive as deb(5) asks for: common format, names of at most 15 bytes, no symbol table."""
    out = [b"!<arch>\n"]
    for name, data in members:
        out.append(f"{name:<16}{archive.epoch():<12}{0:<6}{0:<6}{0o100644:<8o}{len(data):<10}`\n".encode())
        out.append(data + b"\n" * (len(data) % 2))
    return b"".join(out)


def data_files(contents):
    """What is installed."""
    files = having.unix(contents, "usr/")
    files = [File(f.name + ".gz", archive.gz(f.data)) if "/man/" in f.name else f for f in files]
    for unit in sorted((ROOT / "deploy" / "systemd").glob("*.service")):
        files.append(File(f"lib/systemd/system/{unit.name}", unit.read_bytes()))
    files.append(File("usr/share/doc/gateless/examples/strict.conf", (ROOT / "deploy" / "systemd" / "strict.conf").read_bytes()))
    copyright_ = b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: the authors of Gateless\nLicense: Apache-2.0\n The text is in /usr/share/common-licenses/Apache-2.0.\n"
    files.append(File("usr/share/doc/gateless/copyright", copyright_))
    files.append(File("usr/share/doc/gateless/changelog.gz", archive.gz((ROOT / "CHANGELOG.md").read_bytes())))
    files.append(File("etc/gateless/sidecar.env", ENVIRONMENT))
    return files


def control(contents, files):
    """The fields of Debian Policy 5.3; sizes in KiB."""
    needs = [f"libc6 (>= {contents.glibc[0]}.{contents.glibc[1]})", "libgcc-s1"] if contents.glibc else []
    fields = {
        "Package": "gateless",
        "Version": contents.version,
        "Section": "net",
        "Priority": "optional",
        "Architecture": contents.architecture("deb"),
        "Depends": ", ".join([*needs, "passwd"]),
        "Installed-Size": -(-sum(len(f.data) for f in files) // 1024),
        "Maintainer": "The authors of Gateless <gateless@localhost>",
        "Description": f"{having.SUMMARY}\n {having.DESCRIPTION}",
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items()).encode()


def make(contents):
    """The package's name and bytes."""
    files = data_files(contents)
    sums = "".join(f"{hashlib.md5(f.data).hexdigest()}  {f.name}\n" for f in sorted(files, key=lambda f: f.name))
    about = [
        File("control", control(contents, files)),
        File("md5sums", sums.encode()),
        File("conffiles", b"/etc/gateless/sidecar.env\n"),
        File("postinst", POSTINST, 0o755),
        File("prerm", PRERM, 0o755),
        File("postrm", POSTRM, 0o755),
    ]
    members = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", archive.gz(archive.tar(about, "./"))),
        ("data.tar.gz", archive.gz(archive.tar(files, "./"))),
    ]
    return f"gateless_{contents.version}_{contents.architecture('deb')}.deb", ar(members)
