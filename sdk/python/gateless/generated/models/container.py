from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.readiness import Readiness


T = TypeVar("T", bound="Container")


@_attrs_define
class Container:
    """A container that serves HTTP, run by the host's container engine.

    Attributes:
        image (str): The image, as `docker pull` takes it: `registry.example/name:tag`, or with a digest
            (`@sha256:...`), which never changes. Bound: at most 512 characters. Example: registry.example/acme/resize:1.2.
        args (list[str] | Unset): Its arguments, in place of the image's. Bound: at most 256 parts of 32 KiB.
        command (list[str] | Unset): The program, in place of the image's entry point. Bound: at most 256 parts of 32
            KiB.
        cpu_millicores (int | None | Unset): CPU that all of the container may use together; a limit, no reservation.
        max_processes (int | Unset): Processes and threads in the container at once. Default: 1024.
        memory_bytes (int | None | Unset): Resident memory of the whole container; one that needs more is killed, and
            its exit says so.
        port (int | Unset): Where the program in the image listens; it is told by `$PORT`, too. Default: 8080.
        read_only_root (bool | Unset): Whether the image's files cannot be written; what is under `tmpfs` can. Default:
            False.
        ready (Readiness | Unset): When an instance counts as ready.
        start_timeout_ms (int | Unset): From the start of the container to ready; getting the image does not count.
            Default: 60000.
        stop_grace_ms (int | Unset): From SIGTERM to SIGKILL. Default: 30000.
        tmpfs (list[str] | Unset): Folders in memory that it may write to, as absolute paths. Bound: at most 16.
        user (str | Unset): Whom it runs as, `USER` or `USER:GROUP`, by name or number. Left out: whom the image says.
            Bound: at most 128 characters.
    """

    image: str
    args: list[str] | Unset = UNSET
    command: list[str] | Unset = UNSET
    cpu_millicores: int | None | Unset = UNSET
    max_processes: int | Unset = 1024
    memory_bytes: int | None | Unset = UNSET
    port: int | Unset = 8080
    read_only_root: bool | Unset = False
    ready: Readiness | Unset = UNSET
    start_timeout_ms: int | Unset = 60000
    stop_grace_ms: int | Unset = 30000
    tmpfs: list[str] | Unset = UNSET
    user: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        image = self.image

        args: list[str] | Unset = UNSET
        if not isinstance(self.args, Unset):
            args = self.args

        command: list[str] | Unset = UNSET
        if not isinstance(self.command, Unset):
            command = self.command

        cpu_millicores: int | None | Unset
        if isinstance(self.cpu_millicores, Unset):
            cpu_millicores = UNSET
        else:
            cpu_millicores = self.cpu_millicores

        max_processes = self.max_processes

        memory_bytes: int | None | Unset
        if isinstance(self.memory_bytes, Unset):
            memory_bytes = UNSET
        else:
            memory_bytes = self.memory_bytes

        port = self.port

        read_only_root = self.read_only_root

        ready: dict[str, Any] | Unset = UNSET
        if not isinstance(self.ready, Unset):
            ready = self.ready.to_dict()

        start_timeout_ms = self.start_timeout_ms

        stop_grace_ms = self.stop_grace_ms

        tmpfs: list[str] | Unset = UNSET
        if not isinstance(self.tmpfs, Unset):
            tmpfs = self.tmpfs

        user = self.user

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "image": image,
            }
        )
        if args is not UNSET:
            field_dict["args"] = args
        if command is not UNSET:
            field_dict["command"] = command
        if cpu_millicores is not UNSET:
            field_dict["cpu_millicores"] = cpu_millicores
        if max_processes is not UNSET:
            field_dict["max_processes"] = max_processes
        if memory_bytes is not UNSET:
            field_dict["memory_bytes"] = memory_bytes
        if port is not UNSET:
            field_dict["port"] = port
        if read_only_root is not UNSET:
            field_dict["read_only_root"] = read_only_root
        if ready is not UNSET:
            field_dict["ready"] = ready
        if start_timeout_ms is not UNSET:
            field_dict["start_timeout_ms"] = start_timeout_ms
        if stop_grace_ms is not UNSET:
            field_dict["stop_grace_ms"] = stop_grace_ms
        if tmpfs is not UNSET:
            field_dict["tmpfs"] = tmpfs
        if user is not UNSET:
            field_dict["user"] = user

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.readiness import Readiness

        d = dict(src_dict)
        image = d.pop("image")

        args = cast(list[str], d.pop("args", UNSET))

        command = cast(list[str], d.pop("command", UNSET))

        def _parse_cpu_millicores(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        cpu_millicores = _parse_cpu_millicores(d.pop("cpu_millicores", UNSET))

        max_processes = d.pop("max_processes", UNSET)

        def _parse_memory_bytes(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        memory_bytes = _parse_memory_bytes(d.pop("memory_bytes", UNSET))

        port = d.pop("port", UNSET)

        read_only_root = d.pop("read_only_root", UNSET)

        _ready = d.pop("ready", UNSET)
        ready: Readiness | Unset
        if isinstance(_ready, Unset):
            ready = UNSET
        else:
            ready = Readiness.from_dict(_ready)

        start_timeout_ms = d.pop("start_timeout_ms", UNSET)

        stop_grace_ms = d.pop("stop_grace_ms", UNSET)

        tmpfs = cast(list[str], d.pop("tmpfs", UNSET))

        user = d.pop("user", UNSET)

        container = cls(
            image=image,
            args=args,
            command=command,
            cpu_millicores=cpu_millicores,
            max_processes=max_processes,
            memory_bytes=memory_bytes,
            port=port,
            read_only_root=read_only_root,
            ready=ready,
            start_timeout_ms=start_timeout_ms,
            stop_grace_ms=stop_grace_ms,
            tmpfs=tmpfs,
            user=user,
        )

        return container
