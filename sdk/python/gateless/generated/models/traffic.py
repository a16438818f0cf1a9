from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.resolved_target import ResolvedTarget
    from ..models.target import Target


T = TypeVar("T", bound="Traffic")


@_attrs_define
class Traffic:
    """Who gets which share of the calls.

    Attributes:
        resolved (list[ResolvedTarget]): As sidecars have it, `latest` resolved; empty while no revision was ever ready.
        targets (list[Target]): As declared.
    """

    resolved: list[ResolvedTarget]
    targets: list[Target]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        resolved = []
        for resolved_item_data in self.resolved:
            resolved_item = resolved_item_data.to_dict()
            resolved.append(resolved_item)

        targets = []
        for targets_item_data in self.targets:
            targets_item = targets_item_data.to_dict()
            targets.append(targets_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "resolved": resolved,
                "targets": targets,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.resolved_target import ResolvedTarget
        from ..models.target import Target

        d = dict(src_dict)
        resolved = []
        _resolved = d.pop("resolved")
        for resolved_item_data in _resolved:
            resolved_item = ResolvedTarget.from_dict(resolved_item_data)

            resolved.append(resolved_item)

        targets = []
        _targets = d.pop("targets")
        for targets_item_data in _targets:
            targets_item = Target.from_dict(targets_item_data)

            targets.append(targets_item)

        traffic = cls(
            resolved=resolved,
            targets=targets,
        )

        traffic.additional_properties = d
        return traffic

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
