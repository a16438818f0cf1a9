"""What the units, the manifest and the image may do: as little as they say, and every exception with its reason.

`systemd-analyze` judges the units (`--offline`, so that none has to run), where it is installed; PyYAML reads the manifest, where it is.
"""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent
UNITS = DEPLOY / "systemd"

try:
    import yaml
except ImportError:
    yaml = None


def exposure(name, text):
    """The overall exposure level of a unit, from 0 to 10, and what the analysis complained of besides."""
    with tempfile.TemporaryDirectory() as folder:
        unit = Path(folder) / name
        unit.write_text(text)
        command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)]
        result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", result.stdout)
    return float(level[1]), result.stderr


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
class Units(unittest.TestCase):
    def check(self, name, text, below):
        level, complaints = exposure(name, text)
        self.assertLess(level, below, name)
        self.assertEqual(complaints, "", name)

    def test_server_is_exposed_below_2(self):
        name = "gateless-server.service"
        self.check(name, (UNITS / name).read_text(), 2.0)

    def test_sidecar_is_as_closed_as_its_functions_walls_allow(self):
        name = "gateless-sidecar.service"
        text = (UNITS / name).read_text()
        # Each of those that would bring it below 2 is named with what would not work then.
        self.check(name, text, 3.5)
        for setting in ["RestrictNamespaces", "PrivateUsers", "ProtectHostname", "ProtectKernelTunables", "ProtectKernelLogs",
                        "ProtectControlGroups", "MemoryDenyWriteExecute", "PrivateTmp", "RemoveIPC", "ProcSubset"]:
            self.assertRegex(text, rf"(?m)^#.*\b{setting}\b", setting)

    def test_sidecar_without_walls_to_build_is_exposed_below_2(self):
        name = "gateless-sidecar.service"
        strict = (UNITS / "strict.conf").read_text()
        self.check(name, (UNITS / name).read_text() + strict[strict.index("[Service]"):], 2.0)


@unittest.skipUnless(yaml, "PyYAML is not installed")
class Manifest(unittest.TestCase):
    """Pod Security Standards, restricted: https://kubernetes.io/docs/concepts/security/pod-security-standards/"""

    # The sidecar's data folder.
    EXCEPTIONS = {"DaemonSet/gateless-sidecar: volume data is a hostPath", "DaemonSet/gateless-sidecar: container data-folder runs as root",
                  "DaemonSet/gateless-sidecar: container data-folder adds CHOWN"}

    def test_pods_are_restricted_but_for_what_is_named(self):
        documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "gateless.yaml").read_text()))
        pods = {f"{d['kind']}/{d['metadata']['name']}": d["spec"]["template"]["spec"] for d in documents if "template" in d["spec"]}
        self.assertEqual(set(pods), {"Deployment/gateless-server", "DaemonSet/gateless-sidecar"})
        found = {f"{name}: {fault}" for name, pod in pods.items() for fault in faults(pod)}
        self.assertEqual(found, self.EXCEPTIONS)

    def test_each_exception_has_its_reason_beside_it(self):
        text = (DEPLOY / "kubernetes" / "gateless.yaml").read_text()
        self.assertEqual(text.count("# Not restricted: "), 2)


VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def faults(pod):
    """What of a pod the restricted standard does not allow."""
    for host in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(host):
            yield f"{host} is set"
    for volume in pod.get("volumes", []):
        (kind,) = set(volume) - {"name"}
        if kind not in VOLUMES:
            yield f"volume {volume['name']} is a {kind}"
    shared = pod.get("securityContext", {})
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        name, own = f"container {container['name']}", container.get("securityContext", {})
        setting = {**shared, **own}
        if setting.get("runAsNonRoot") is not True or setting.get("runAsUser") == 0:
            yield f"{name} runs as root"
        if setting.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"{name} has no seccomp profile"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{name} may escalate"
        if own.get("privileged"):
            yield f"{name} is privileged"
        capabilities = own.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"]:
            yield f"{name} keeps capabilities"
        for added in set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            yield f"{name} adds {added}"
        for port in container.get("ports", []):
            if "hostPort" in port:
                yield f"{name} takes a port of the host"


class Image(unittest.TestCase):
    def test_runs_as_a_user_by_number(self):
        text = (DEPLOY / "Dockerfile").read_text()
        last = text[text.rindex("FROM "):]
        user = re.search(r"(?m)^USER (\d+):(\d+)$", last)
        self.assertIsNotNone(user)
        self.assertNotEqual(user[1], "0")
        self.assertLess(last.index("USER "), last.index("ENTRYPOINT"))


if __name__ == "__main__":
    unittest.main()
