from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Hold")


@_attrs_define
class Hold:
    """Bounds on calls held per revision and sidecar.

    Attributes:
        max_bytes (int | Unset): What is buffered of them together. Default: 16777216.
        max_requests (int | Unset): Calls that wait at once. Default: 1000.
        max_wait_ms (int | Unset): How long one waits. Default: 60000.
    """

    max_bytes: int | Unset = 16777216
    max_requests: int | Unset = 1000
    max_wait_ms: int | Unset = 60000

    def to_dict(self) -> dict[str, Any]:
        max_bytes = self.max_bytes

        max_requests = self.max_requests

        max_wait_ms = self.max_wait_ms

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if max_bytes is not UNSET:
            field_dict["max_bytes"] = max_bytes
        if max_requests is not UNSET:
            field_dict["max_requests"] = max_requests
        if max_wait_ms is not UNSET:
            field_dict["max_wait_ms"] = max_wait_ms

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        max_bytes = d.pop("max_bytes", UNSET)

        max_requests = d.pop("max_requests", UNSET)

        max_wait_ms = d.pop("max_wait_ms", UNSET)

        hold = cls(
            max_bytes=max_bytes,
            max_requests=max_requests,
            max_wait_ms=max_wait_ms,
        )

        return hold
