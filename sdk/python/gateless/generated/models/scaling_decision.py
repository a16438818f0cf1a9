from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="ScalingDecision")


@_attrs_define
class ScalingDecision:
    """A scaling decision.

    Attributes:
        desired (int): Instances wanted from now on.
        explanation (str): For people. Example: panic: 12.0 in flight per instance, target 7.0.
        previous (int): And before.
        reason (str): For programs: `load`, `panic`, `idle`, `activation_scale`, ... Example: panic.
        revision (str): Of which revision.
    """

    desired: int
    explanation: str
    previous: int
    reason: str
    revision: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        desired = self.desired

        explanation = self.explanation

        previous = self.previous

        reason = self.reason

        revision = self.revision

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "desired": desired,
                "explanation": explanation,
                "previous": previous,
                "reason": reason,
                "revision": revision,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        desired = d.pop("desired")

        explanation = d.pop("explanation")

        previous = d.pop("previous")

        reason = d.pop("reason")

        revision = d.pop("revision")

        scaling_decision = cls(
            desired=desired,
            explanation=explanation,
            previous=previous,
            reason=reason,
            revision=revision,
        )

        scaling_decision.additional_properties = d
        return scaling_decision

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
