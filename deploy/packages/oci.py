"""An image as an OCI layout in a tar archive (OCI image specification 1.1), of the program and the libraries it is linked to.

`podman load`, `skopeo copy oci-archive:FILE ...`, `docker load` (25 and newer) take it. It has no shell: components run in it, and processes that a bundle
brings whole. With interpreters it is `deploy/Dockerfile`'s image. The same image is server, sidecar and `up`, by its arguments.
"""

import hashlib
import json
import re
import subprocess
import time
from pathlib import Path

import archive
import contents as having
from archive import File, Folder

# The user the program runs as; nobody's by Debian's base-passwd.
USER = 65534
# What resolves names is loaded by name, so no program says it is linked to it.
ALSO = ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def libraries(contents):
    """Files of this machine that the program is linked to, under the names its loader looks for."""
    if not contents.glibc:
        return []
    asked = subprocess.run(["ldd", contents.path], capture_output=True, text=True, check=True).stdout
    paths = {Path(found) for found in re.findall(r"(/\S+) \(0x", asked)}
    beside = next(path.parent for path in paths if path.name.startswith("libc.so"))
    paths.update(beside / name for name in ALSO if (beside / name).exists())
    return [File(str(path).lstrip("/"), path.resolve().read_bytes(), 0o755) for path in sorted(paths)]


def filesystem(contents):
    """Everything in the image."""
    files = [
        *having.unix(contents, "usr/"),
        *libraries(contents),
        File("usr/share/doc/gateless/copyright", having.licence()),
        File("etc/passwd", f"root:x:0:0:root:/:/sbin/nologin\nnobody:x:{USER}:{USER}:nobody:/var/lib/gateless:/sbin/nologin\n".encode()),
        File("etc/group", f"root:x:0:\nnogroup:x:{USER}:\n".encode()),
        File("etc/nsswitch.conf", b"hosts: files dns\n"),
    ]
    if CERTIFICATES.exists():
        files.append(File(str(CERTIFICATES).lstrip("/"), CERTIFICATES.read_bytes()))
    return files


def layer(contents):
    """The one layer, with the folders that the program writes to."""
    writable = (Folder("tmp", 0o1777), Folder("var/lib/gateless", 0o700, USER))
    return archive.tar(filesystem(contents), more=writable)


def config(contents, unpacked):
    """The image's configuration; in a container loopback is out of reach from outside."""
    return {
        "architecture": contents.architecture("oci"),
        "os": "linux",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(archive.epoch())),
        "config": {
            "User": f"{USER}:{USER}",
            "Entrypoint": ["/usr/bin/gateless"],
            "Cmd": ["up", "--data", "/var/lib/gateless", "--listen", "0.0.0.0:7780", "--function-listen", "0.0.0.0:7700"],
            "Env": ["PATH=/usr/bin", "HOME=/var/lib/gateless"],
            "Volumes": {"/var/lib/gateless": {}},
            "ExposedPorts": {"7700/tcp": {}, "7780/tcp": {}},
            "WorkingDir": "/var/lib/gateless",
            "Labels": {"org.opencontainers.image.title": "gateless", "org.opencontainers.image.version": contents.version, "org.opencontainers.image.licenses": "Apache-2.0"},
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(unpacked).hexdigest()]},
    }


def make(contents):
    """The archive's name and bytes."""
    blobs = []

    def blob(kind, data):
        digest = hashlib.sha256(data).hexdigest()
        blobs.append(File(f"blobs/sha256/{digest}", data))
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    def document(value):
        return json.dumps(value, sort_keys=True).encode()

    unpacked = layer(contents)
    described = blob("config.v1+json", document(config(contents, unpacked)))
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": described, "layers": [blob("layer.v1.tar+gzip", archive.gz(unpacked))]}
    named = {"org.opencontainers.image.ref.name": contents.version, "io.containerd.image.name": f"gateless:{contents.version}"}
    top = {**blob("manifest.v1+json", document(manifest)), "platform": {"os": "linux", "architecture": contents.architecture("oci")}, "annotations": named}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [top]}
    files = [File("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), File("index.json", document(index)), *blobs]
    return f"gateless-{contents.version}-{contents.architecture('oci')}.oci.tar", archive.tar(files)
