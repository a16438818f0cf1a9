from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="InstanceCounts")


@_attrs_define
class InstanceCounts:
    """Instances by state.

    Attributes:
        ready (int): That take calls.
        starting (int): On the way.
        desired (int | None | Unset): The owner's decision; null: nobody acts as owner.
    """

    ready: int
    starting: int
    desired: int | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        ready = self.ready

        starting = self.starting

        desired: int | None | Unset
        if isinstance(self.desired, Unset):
            desired = UNSET
        else:
            desired = self.desired

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "ready": ready,
                "starting": starting,
            }
        )
        if desired is not UNSET:
            field_dict["desired"] = desired

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        ready = d.pop("ready")

        starting = d.pop("starting")

        def _parse_desired(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        desired = _parse_desired(d.pop("desired", UNSET))

        instance_counts = cls(
            ready=ready,
            starting=starting,
            desired=desired,
        )

        instance_counts.additional_properties = d
        return instance_counts

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
