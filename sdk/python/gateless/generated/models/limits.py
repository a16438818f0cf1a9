from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Limits")


@_attrs_define
class Limits:
    """Bounds on one call.

    Attributes:
        container_concurrency (int | Unset): Calls at once in one instance, a hard limit; 0: none, for kind `wasm` 100.
            Default: 0.
        idle_timeout_ms (int | Unset): Without a byte in either direction; 0: none. Default: 300000.
        max_request_body_bytes (int | Unset): Body of one request. Default: 104857600.
        response_start_timeout_ms (int | Unset): From forwarding to the response's headers; 0: none. Default: 300000.
        timeout_ms (int | Unset): From arrival to the last byte: hold, queue, start and run; 0: none. Default: 300000.
    """

    container_concurrency: int | Unset = 0
    idle_timeout_ms: int | Unset = 300000
    max_request_body_bytes: int | Unset = 104857600
    response_start_timeout_ms: int | Unset = 300000
    timeout_ms: int | Unset = 300000

    def to_dict(self) -> dict[str, Any]:
        container_concurrency = self.container_concurrency

        idle_timeout_ms = self.idle_timeout_ms

        max_request_body_bytes = self.max_request_body_bytes

        response_start_timeout_ms = self.response_start_timeout_ms

        timeout_ms = self.timeout_ms

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if container_concurrency is not UNSET:
            field_dict["container_concurrency"] = container_concurrency
        if idle_timeout_ms is not UNSET:
            field_dict["idle_timeout_ms"] = idle_timeout_ms
        if max_request_body_bytes is not UNSET:
            field_dict["max_request_body_bytes"] = max_request_body_bytes
        if response_start_timeout_ms is not UNSET:
            field_dict["response_start_timeout_ms"] = response_start_timeout_ms
        if timeout_ms is not UNSET:
            field_dict["timeout_ms"] = timeout_ms

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        container_concurrency = d.pop("container_concurrency", UNSET)

        idle_timeout_ms = d.pop("idle_timeout_ms", UNSET)

        max_request_body_bytes = d.pop("max_request_body_bytes", UNSET)

        response_start_timeout_ms = d.pop("response_start_timeout_ms", UNSET)

        timeout_ms = d.pop("timeout_ms", UNSET)

        limits = cls(
            container_concurrency=container_concurrency,
            idle_timeout_ms=idle_timeout_ms,
            max_request_body_bytes=max_request_body_bytes,
            response_start_timeout_ms=response_start_timeout_ms,
            timeout_ms=timeout_ms,
        )

        return limits
