from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="AuditChange")


@_attrs_define
class AuditChange:
    """A field that was changed.

    Attributes:
        after (Any): What it is; null: it is gone. A secret value that differs is `(redacted, new)`.
        before (Any): What it was; null: it was not there. Secret values are `(redacted)`, long ones cut.
        pointer (str): Where in it (RFC 6901); empty: all of it. Example: /spec/scaling/max_scale.
        resource (str): What it belongs to: `functions/NAMESPACE/NAME`, `secrets/...`, `triggers/...`, `auth/tokens/ID`
            and the like. Example: functions/default/hello.
    """

    after: Any
    before: Any
    pointer: str
    resource: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        after = self.after

        before = self.before

        pointer = self.pointer

        resource = self.resource

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "after": after,
                "before": before,
                "pointer": pointer,
                "resource": resource,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        after = d.pop("after")

        before = d.pop("before")

        pointer = d.pop("pointer")

        resource = d.pop("resource")

        audit_change = cls(
            after=after,
            before=before,
            pointer=pointer,
            resource=resource,
        )

        audit_change.additional_properties = d
        return audit_change

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
