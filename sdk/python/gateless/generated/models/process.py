from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.bundle import Bundle
    from ..models.readiness import Readiness


T = TypeVar("T", bound="Process")


@_attrs_define
class Process:
    """A process that serves HTTP on `$PORT`.

    Attributes:
        command (list[str]): Program and arguments; in `function.toml` also one text for `/bin/sh -c`. Bound: 1 to 256
            parts of 32 KiB. Example: ['python3', 'main.py'].
        bundle (Bundle | Unset): An uploaded artifact and how it is packed.
        cpu_millicores (int | None | Unset): CPU that all processes of an instance may use together, in every tenth of a
            second anew; a limit, no reservation.
        memory_bytes (int | None | Unset): Address space of an instance.
        ready (Readiness | Unset): When an instance counts as ready.
        socket_activation (bool | Unset): Pass a listening socket (`LISTEN_FDS=1`) besides `$PORT`. Default: False.
        start_timeout_ms (int | Unset): From spawn to ready. Default: 60000.
        stop_grace_ms (int | Unset): From SIGTERM to SIGKILL. Default: 30000.
        working_dir (None | str | Unset): Relative to the bundle, or absolute without one. Bound: at most 4,096 bytes.
    """

    command: list[str]
    bundle: Bundle | Unset = UNSET
    cpu_millicores: int | None | Unset = UNSET
    memory_bytes: int | None | Unset = UNSET
    ready: Readiness | Unset = UNSET
    socket_activation: bool | Unset = False
    start_timeout_ms: int | Unset = 60000
    stop_grace_ms: int | Unset = 30000
    working_dir: None | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        command = self.command

        bundle: dict[str, Any] | Unset = UNSET
        if not isinstance(self.bundle, Unset):
            bundle = self.bundle.to_dict()

        cpu_millicores: int | None | Unset
        if isinstance(self.cpu_millicores, Unset):
            cpu_millicores = UNSET
        else:
            cpu_millicores = self.cpu_millicores

        memory_bytes: int | None | Unset
        if isinstance(self.memory_bytes, Unset):
            memory_bytes = UNSET
        else:
            memory_bytes = self.memory_bytes

        ready: dict[str, Any] | Unset = UNSET
        if not isinstance(self.ready, Unset):
            ready = self.ready.to_dict()

        socket_activation = self.socket_activation

        start_timeout_ms = self.start_timeout_ms

        stop_grace_ms = self.stop_grace_ms

        working_dir: None | str | Unset
        if isinstance(self.working_dir, Unset):
            working_dir = UNSET
        else:
            working_dir = self.working_dir

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "command": command,
            }
        )
        if bundle is not UNSET:
            field_dict["bundle"] = bundle
        if cpu_millicores is not UNSET:
            field_dict["cpu_millicores"] = cpu_millicores
        if memory_bytes is not UNSET:
            field_dict["memory_bytes"] = memory_bytes
        if ready is not UNSET:
            field_dict["ready"] = ready
        if socket_activation is not UNSET:
            field_dict["socket_activation"] = socket_activation
        if start_timeout_ms is not UNSET:
            field_dict["start_timeout_ms"] = start_timeout_ms
        if stop_grace_ms is not UNSET:
            field_dict["stop_grace_ms"] = stop_grace_ms
        if working_dir is not UNSET:
            field_dict["working_dir"] = working_dir

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.bundle import Bundle
        from ..models.readiness import Readiness

        d = dict(src_dict)
        command = cast(list[str], d.pop("command"))

        _bundle = d.pop("bundle", UNSET)
        bundle: Bundle | Unset
        if isinstance(_bundle, Unset):
            bundle = UNSET
        else:
            bundle = Bundle.from_dict(_bundle)

        def _parse_cpu_millicores(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        cpu_millicores = _parse_cpu_millicores(d.pop("cpu_millicores", UNSET))

        def _parse_memory_bytes(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        memory_bytes = _parse_memory_bytes(d.pop("memory_bytes", UNSET))

        _ready = d.pop("ready", UNSET)
        ready: Readiness | Unset
        if isinstance(_ready, Unset):
            ready = UNSET
        else:
            ready = Readiness.from_dict(_ready)

        socket_activation = d.pop("socket_activation", UNSET)

        start_timeout_ms = d.pop("start_timeout_ms", UNSET)

        stop_grace_ms = d.pop("stop_grace_ms", UNSET)

        def _parse_working_dir(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        working_dir = _parse_working_dir(d.pop("working_dir", UNSET))

        process = cls(
            command=command,
            bundle=bundle,
            cpu_millicores=cpu_millicores,
            memory_bytes=memory_bytes,
            ready=ready,
            socket_activation=socket_activation,
            start_timeout_ms=start_timeout_ms,
            stop_grace_ms=stop_grace_ms,
            working_dir=working_dir,
        )

        return process
