from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.status import Status, check_status

T = TypeVar("T", bound="Condition")


@_attrs_define
class Condition:
    """One aspect of a function's or a sidecar's state.

    Attributes:
        last_log_lines (list[str]): The last lines a failed instance wrote, oldest first.
        last_transition_at (datetime.datetime): Since when `status` and `reason` are what they are.
        message (str): For people.
        reason (str): For programs: `ready`, `draining`, `starting`, `crash_loop`, `start_timeout`, `rejected`,
            `no_sidecars`, ...;
            of `Isolated`: `sandboxed`, `parts_missing`, `switched_off`, `not_told`. Example: crash_loop.
        status (Status): Whether a condition holds.
        type_ (str): `Ready`: the newest revision was ready and nothing keeps it from running.
            `Accepted`: every connected sidecar has the function as it is now.
            `Isolated`, of a sidecar: process functions there are kept apart from their host and from each other. Example:
            Ready.
    """

    last_log_lines: list[str]
    last_transition_at: datetime.datetime
    message: str
    reason: str
    status: Status
    type_: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        last_log_lines = self.last_log_lines

        last_transition_at = self.last_transition_at.isoformat()

        message = self.message

        reason = self.reason

        status: str = self.status

        type_ = self.type_

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "last_log_lines": last_log_lines,
                "last_transition_at": last_transition_at,
                "message": message,
                "reason": reason,
                "status": status,
                "type": type_,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        last_log_lines = cast(list[str], d.pop("last_log_lines"))

        last_transition_at = datetime.datetime.fromisoformat(
            d.pop("last_transition_at")
        )

        message = d.pop("message")

        reason = d.pop("reason")

        status = check_status(d.pop("status"))

        type_ = d.pop("type")

        condition = cls(
            last_log_lines=last_log_lines,
            last_transition_at=last_transition_at,
            message=message,
            reason=reason,
            status=status,
            type_=type_,
        )

        condition.additional_properties = d
        return condition

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
