from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.cloud_events_trigger_attributes import CloudEventsTriggerAttributes


T = TypeVar("T", bound="CloudEventsTrigger")


@_attrs_define
class CloudEventsTrigger:
    """Which events.

    Attributes:
        attributes (CloudEventsTriggerAttributes | Unset): Context attributes an event must have with exactly these
            values; none: every event of the
            namespace. Example: {'type': 'order.created'}.
    """

    attributes: CloudEventsTriggerAttributes | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        attributes: dict[str, Any] | Unset = UNSET
        if not isinstance(self.attributes, Unset):
            attributes = self.attributes.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if attributes is not UNSET:
            field_dict["attributes"] = attributes

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.cloud_events_trigger_attributes import (
            CloudEventsTriggerAttributes,
        )

        d = dict(src_dict)
        _attributes = d.pop("attributes", UNSET)
        attributes: CloudEventsTriggerAttributes | Unset
        if isinstance(_attributes, Unset):
            attributes = UNSET
        else:
            attributes = CloudEventsTriggerAttributes.from_dict(_attributes)

        cloud_events_trigger = cls(
            attributes=attributes,
        )

        return cloud_events_trigger
