from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="CallPhases")


@_attrs_define
class CallPhases:
    """Where a call's time went, in milliseconds, one after the other.

    Attributes:
        answer_ms (float): Until its answer was through.
        connect_ms (float): The first part of `run_ms`: a connection was made.
        hold_ms (float): It waited while no instance was ready.
        queue_ms (float): It waited while every instance was full.
        route_ms (float): Until its sidecar asked for a place in an instance.
        run_ms (float): Until the head of its answer came.
        start_ms (float): The last part of that: an instance started.
    """

    answer_ms: float
    connect_ms: float
    hold_ms: float
    queue_ms: float
    route_ms: float
    run_ms: float
    start_ms: float
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        answer_ms = self.answer_ms

        connect_ms = self.connect_ms

        hold_ms = self.hold_ms

        queue_ms = self.queue_ms

        route_ms = self.route_ms

        run_ms = self.run_ms

        start_ms = self.start_ms

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "answer_ms": answer_ms,
                "connect_ms": connect_ms,
                "hold_ms": hold_ms,
                "queue_ms": queue_ms,
                "route_ms": route_ms,
                "run_ms": run_ms,
                "start_ms": start_ms,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        answer_ms = d.pop("answer_ms")

        connect_ms = d.pop("connect_ms")

        hold_ms = d.pop("hold_ms")

        queue_ms = d.pop("queue_ms")

        route_ms = d.pop("route_ms")

        run_ms = d.pop("run_ms")

        start_ms = d.pop("start_ms")

        call_phases = cls(
            answer_ms=answer_ms,
            connect_ms=connect_ms,
            hold_ms=hold_ms,
            queue_ms=queue_ms,
            route_ms=route_ms,
            run_ms=run_ms,
            start_ms=start_ms,
        )

        call_phases.additional_properties = d
        return call_phases

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
