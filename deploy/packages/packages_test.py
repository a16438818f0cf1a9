"""The formats, with a program of a few lines: what a package holds is read by the tools it is for, so this needs no build.

That the real program works from each is tried by `make packages` (check.py).
"""

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path

import archive
import contents as having
import deb
import npm
import tarball
import wheel
from archive import File

# An ELF header of x86-64, and the names of two versions of glibc.
PROGRAM = b"\x7fELF" + bytes(14) + b"\x3e\x00" + b"GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.2.5\0"


def small():
    pages = [File("gateless.1", b".TH gateless 1\n"), File("gateless-up.1", b".TH gateless-up 1\n")]
    shells = {shell: b"complete\n" for shell in ("bash", "zsh", "fish")}
    return having.Contents(PROGRAM, having.version(), having.machine(PROGRAM), having.glibc(PROGRAM), Path("/nowhere"), pages, shells)


class Program(unittest.TestCase):
    def test_newest_glibc_is_by_number_not_by_letter(self):
        self.assertEqual(having.glibc(PROGRAM), (2, 34))

    def test_static_program_asks_for_no_glibc(self):
        self.assertIsNone(having.glibc(b"\x7fELF"))

    def test_what_is_no_program_is_refused(self):
        with self.assertRaisesRegex(having.Unfit, "no ELF"):
            having.machine(b"#!/bin/sh\n")

    def test_unknown_machine_is_refused_by_its_number(self):
        with self.assertRaisesRegex(having.Unfit, "0xf3"):
            having.machine(b"\x7fELF" + bytes(14) + b"\xf3\x00")


class Formats(unittest.TestCase):
    def test_same_contents_give_the_same_bytes(self):
        for form in (tarball, deb, wheel, npm):
            self.assertEqual(form.make(small()), form.make(small()), form.__name__)

    def test_program_can_be_run_in_each(self):
        with tarfile.open(fileobj=io.BytesIO(tarball.make(small())[1])) as packed:
            self.assertEqual(next(m for m in packed if m.name.endswith("bin/gateless")).mode, 0o755)
        with tarfile.open(fileobj=io.BytesIO(npm.make(small())[1])) as packed:
            self.assertEqual(packed.getmember("package/bin/gateless").mode, 0o755)
        with zipfile.ZipFile(io.BytesIO(wheel.make(small())[1])) as packed:
            script = packed.getinfo(f"gateless-{having.version()}.data/scripts/gateless")
            self.assertEqual(script.external_attr >> 16, 0o100755)

    def test_names_say_machine_and_glibc(self):
        version = having.version()
        self.assertEqual(wheel.make(small())[0], f"gateless-{version}-py3-none-manylinux_2_34_x86_64.whl")
        self.assertEqual(deb.make(small())[0], f"gateless_{version}_amd64.deb")
        self.assertEqual(npm.make(small())[0], f"gateless-{version}-x64.tgz")

    @unittest.skipUnless(shutil.which("dpkg-deb"), "dpkg-deb is missing")
    def test_dpkg_reads_the_package(self):
        with tempfile.TemporaryDirectory() as folder:
            name, data = deb.make(small())
            path = Path(folder) / name
            path.write_bytes(data)
            field = lambda name: subprocess.run(["dpkg-deb", "--field", path, name], check=True, capture_output=True, text=True).stdout.strip()
            self.assertEqual(field("Version"), having.version())
            self.assertEqual(field("Depends"), "libc6 (>= 2.34), libgcc-s1, passwd")
            listed = subprocess.run(["dpkg-deb", "--contents", path], check=True, capture_output=True, text=True).stdout
            self.assertIn("./usr/share/man/man1/gateless-up.1.gz", listed)

    def test_pip_takes_the_wheel(self):
        with tempfile.TemporaryDirectory() as folder:
            name, data = wheel.make(small())
            path = Path(folder) / name
            path.write_bytes(data)
            # The tag says a machine; elsewhere pip refuses it, as it should.
            if having.machine(Path(sys.executable).resolve().read_bytes()) != "x86_64":
                self.skipTest("this is another machine")
            # Debian's python3 has no pip of its own.
            venv = Path(folder) / "venv"
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            pip = [venv / "bin" / "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"]
            subprocess.run([*pip, path], check=True)
            self.assertEqual((venv / "bin" / "gateless").read_bytes(), PROGRAM)


class Archives(unittest.TestCase):
    def test_parents_come_before_children(self):
        with tarfile.open(fileobj=io.BytesIO(archive.tar([File("a/b/c", b"")]))) as packed:
            self.assertEqual(packed.getnames(), ["a", "a/b", "a/b/c"])

    def test_members_of_ar_begin_at_even_bytes(self):
        packed = deb.ar([("odd", b"1"), ("even", b"22")])
        self.assertEqual(packed.index(b"even") % 2, 0)


if __name__ == "__main__":
    unittest.main()
