from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.component import Component


T = TypeVar("T", bound="Wasm")


@_attrs_define
class Wasm:
    """A `wasi:http` component, run inside the sidecar.

    Attributes:
        component (Component): An uploaded component.
        allowed_hosts (list[str] | Unset): Outside hosts it may call: `HOST`, `HOST:PORT`, `*.DOMAIN`. Other functions
            need no entry. Bound: at most 64.
        cpu_time_ms (int | Unset): Time on a CPU for one request. Default: 10000.
        max_outgoing_requests (int | Unset): Outgoing requests of one request at a time. Default: 32.
        max_response_body_bytes (int | Unset): Body of one response. Default: 104857600.
        max_table_elements (int | Unset): Elements of all its tables together. Default: 100000.
        memory_bytes (int | Unset): Linear memory of one instance, all its memories together. Default: 134217728.
        reuse (bool | Unset): Requests follow one another in one instance, which is faster; otherwise each has a fresh
            one. Default: False.
    """

    component: Component
    allowed_hosts: list[str] | Unset = UNSET
    cpu_time_ms: int | Unset = 10000
    max_outgoing_requests: int | Unset = 32
    max_response_body_bytes: int | Unset = 104857600
    max_table_elements: int | Unset = 100000
    memory_bytes: int | Unset = 134217728
    reuse: bool | Unset = False

    def to_dict(self) -> dict[str, Any]:
        component = self.component.to_dict()

        allowed_hosts: list[str] | Unset = UNSET
        if not isinstance(self.allowed_hosts, Unset):
            allowed_hosts = self.allowed_hosts

        cpu_time_ms = self.cpu_time_ms

        max_outgoing_requests = self.max_outgoing_requests

        max_response_body_bytes = self.max_response_body_bytes

        max_table_elements = self.max_table_elements

        memory_bytes = self.memory_bytes

        reuse = self.reuse

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "component": component,
            }
        )
        if allowed_hosts is not UNSET:
            field_dict["allowed_hosts"] = allowed_hosts
        if cpu_time_ms is not UNSET:
            field_dict["cpu_time_ms"] = cpu_time_ms
        if max_outgoing_requests is not UNSET:
            field_dict["max_outgoing_requests"] = max_outgoing_requests
        if max_response_body_bytes is not UNSET:
            field_dict["max_response_body_bytes"] = max_response_body_bytes
        if max_table_elements is not UNSET:
            field_dict["max_table_elements"] = max_table_elements
        if memory_bytes is not UNSET:
            field_dict["memory_bytes"] = memory_bytes
        if reuse is not UNSET:
            field_dict["reuse"] = reuse

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.component import Component

        d = dict(src_dict)
        component = Component.from_dict(d.pop("component"))

        allowed_hosts = cast(list[str], d.pop("allowed_hosts", UNSET))

        cpu_time_ms = d.pop("cpu_time_ms", UNSET)

        max_outgoing_requests = d.pop("max_outgoing_requests", UNSET)

        max_response_body_bytes = d.pop("max_response_body_bytes", UNSET)

        max_table_elements = d.pop("max_table_elements", UNSET)

        memory_bytes = d.pop("memory_bytes", UNSET)

        reuse = d.pop("reuse", UNSET)

        wasm = cls(
            component=component,
            allowed_hosts=allowed_hosts,
            cpu_time_ms=cpu_time_ms,
            max_outgoing_requests=max_outgoing_requests,
            max_response_body_bytes=max_response_body_bytes,
            max_table_elements=max_table_elements,
            memory_bytes=memory_bytes,
            reuse=reuse,
        )

        return wasm
