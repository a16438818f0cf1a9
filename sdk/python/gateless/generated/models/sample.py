from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Sample")


@_attrs_define
class Sample:
    """How a function was during one second, over all sidecars.

    Attributes:
        dead (int): Dead letters.
        desired (int): Instances the owner wants.
        errors_per_second (float): Of those: refused, or answered with 5xx.
        held (int): Calls that wait for an instance.
        in_flight (float): Calls at instances, averaged.
        queued (int): Asynchronous calls that are not finished.
        ready (int): Instances that take calls.
        rps (float): Calls answered a second, refused ones included.
        starting (int): Instances on their way.
        p50_ms (float | None | Unset): Half of the answers took at most so long; null: there was none.
        p95_ms (float | None | Unset): 95 of 100 did.
    """

    dead: int
    desired: int
    errors_per_second: float
    held: int
    in_flight: float
    queued: int
    ready: int
    rps: float
    starting: int
    p50_ms: float | None | Unset = UNSET
    p95_ms: float | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        dead = self.dead

        desired = self.desired

        errors_per_second = self.errors_per_second

        held = self.held

        in_flight = self.in_flight

        queued = self.queued

        ready = self.ready

        rps = self.rps

        starting = self.starting

        p50_ms: float | None | Unset
        if isinstance(self.p50_ms, Unset):
            p50_ms = UNSET
        else:
            p50_ms = self.p50_ms

        p95_ms: float | None | Unset
        if isinstance(self.p95_ms, Unset):
            p95_ms = UNSET
        else:
            p95_ms = self.p95_ms

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "dead": dead,
                "desired": desired,
                "errors_per_second": errors_per_second,
                "held": held,
                "in_flight": in_flight,
                "queued": queued,
                "ready": ready,
                "rps": rps,
                "starting": starting,
            }
        )
        if p50_ms is not UNSET:
            field_dict["p50_ms"] = p50_ms
        if p95_ms is not UNSET:
            field_dict["p95_ms"] = p95_ms

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        dead = d.pop("dead")

        desired = d.pop("desired")

        errors_per_second = d.pop("errors_per_second")

        held = d.pop("held")

        in_flight = d.pop("in_flight")

        queued = d.pop("queued")

        ready = d.pop("ready")

        rps = d.pop("rps")

        starting = d.pop("starting")

        def _parse_p50_ms(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        p50_ms = _parse_p50_ms(d.pop("p50_ms", UNSET))

        def _parse_p95_ms(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        p95_ms = _parse_p95_ms(d.pop("p95_ms", UNSET))

        sample = cls(
            dead=dead,
            desired=desired,
            errors_per_second=errors_per_second,
            held=held,
            in_flight=in_flight,
            queued=queued,
            ready=ready,
            rps=rps,
            starting=starting,
            p50_ms=p50_ms,
            p95_ms=p95_ms,
        )

        sample.additional_properties = d
        return sample

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
