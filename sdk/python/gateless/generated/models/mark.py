from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.mark_kind import MarkKind, check_mark_kind

T = TypeVar("T", bound="Mark")


@_attrs_define
class Mark:
    """Something that happened to the function or to a sidecar.

    Attributes:
        kind (MarkKind): What became of a function or a sidecar: what a chart marks, and what an event says.
        message (str): For people; may be empty.
        subject (str): Which revision or sidecar. Example: hello-00002.
        time (datetime.datetime): When.
    """

    kind: MarkKind
    message: str
    subject: str
    time: datetime.datetime
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind: str = self.kind

        message = self.message

        subject = self.subject

        time = self.time.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "message": message,
                "subject": subject,
                "time": time,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        kind = check_mark_kind(d.pop("kind"))

        message = d.pop("message")

        subject = d.pop("subject")

        time = datetime.datetime.fromisoformat(d.pop("time"))

        mark = cls(
            kind=kind,
            message=message,
            subject=subject,
            time=time,
        )

        mark.additional_properties = d
        return mark

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
