from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Liveness")


@_attrs_define
class Liveness:
    """Probes of instances that say nothing: one that does not answer them is replaced.

    Attributes:
        failure_threshold (int | Unset): Probes in a row without an answer, after which an instance is replaced.
            Default: 3.
        path (None | str | Unset): What a probe gets; any status is an answer. Left out: `OPTIONS *`, and for `h2c`
            gRPC's health check. Bound: at most 2,048 characters.
        period_ms (int | Unset): Between two probes of an instance that has said nothing meanwhile; 0: none is probed.
            Default: 10000.
        timeout_ms (int | Unset): For the answer to a probe. Default: 1000.
    """

    failure_threshold: int | Unset = 3
    path: None | str | Unset = UNSET
    period_ms: int | Unset = 10000
    timeout_ms: int | Unset = 1000

    def to_dict(self) -> dict[str, Any]:
        failure_threshold = self.failure_threshold

        path: None | str | Unset
        if isinstance(self.path, Unset):
            path = UNSET
        else:
            path = self.path

        period_ms = self.period_ms

        timeout_ms = self.timeout_ms

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if failure_threshold is not UNSET:
            field_dict["failure_threshold"] = failure_threshold
        if path is not UNSET:
            field_dict["path"] = path
        if period_ms is not UNSET:
            field_dict["period_ms"] = period_ms
        if timeout_ms is not UNSET:
            field_dict["timeout_ms"] = timeout_ms

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        failure_threshold = d.pop("failure_threshold", UNSET)

        def _parse_path(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        path = _parse_path(d.pop("path", UNSET))

        period_ms = d.pop("period_ms", UNSET)

        timeout_ms = d.pop("timeout_ms", UNSET)

        liveness = cls(
            failure_threshold=failure_threshold,
            path=path,
            period_ms=period_ms,
            timeout_ms=timeout_ms,
        )

        return liveness
