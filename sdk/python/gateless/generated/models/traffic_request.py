from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.target import Target


T = TypeVar("T", bound="TrafficRequest")


@_attrs_define
class TrafficRequest:
    """Who is to get which share of the calls.

    Example:
        {'targets': [{'percent': 90, 'revision': 'hello-00001'}, {'latest': True, 'percent': 10, 'tag': 'next'}]}

    Attributes:
        targets (list[Target]): Percentages sum to 100; those without a share need a tag.
    """

    targets: list[Target]

    def to_dict(self) -> dict[str, Any]:
        targets = []
        for targets_item_data in self.targets:
            targets_item = targets_item_data.to_dict()
            targets.append(targets_item)

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "targets": targets,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.target import Target

        d = dict(src_dict)
        targets = []
        _targets = d.pop("targets")
        for targets_item_data in _targets:
            targets_item = Target.from_dict(targets_item_data)

            targets.append(targets_item)

        traffic_request = cls(
            targets=targets,
        )

        return traffic_request
