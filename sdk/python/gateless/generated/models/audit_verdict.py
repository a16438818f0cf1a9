from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="AuditVerdict")


@_attrs_define
class AuditVerdict:
    """Whether the log is as it was written.

    Attributes:
        head (str): The hash of the last one: keep it elsewhere to find out when the end is cut off, or all of it is
            written anew.
        intact (bool): Whether every entry that is kept follows the one before it unaltered.
        broken (None | str | Unset): Where it does not. Example: audit-00000000000000000001.jsonl:17 was altered.
        first_sequence (int | None | Unset): The first entry that is kept.
        last_sequence (int | None | Unset): The last one.
    """

    head: str
    intact: bool
    broken: None | str | Unset = UNSET
    first_sequence: int | None | Unset = UNSET
    last_sequence: int | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        head = self.head

        intact = self.intact

        broken: None | str | Unset
        if isinstance(self.broken, Unset):
            broken = UNSET
        else:
            broken = self.broken

        first_sequence: int | None | Unset
        if isinstance(self.first_sequence, Unset):
            first_sequence = UNSET
        else:
            first_sequence = self.first_sequence

        last_sequence: int | None | Unset
        if isinstance(self.last_sequence, Unset):
            last_sequence = UNSET
        else:
            last_sequence = self.last_sequence

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "head": head,
                "intact": intact,
            }
        )
        if broken is not UNSET:
            field_dict["broken"] = broken
        if first_sequence is not UNSET:
            field_dict["first_sequence"] = first_sequence
        if last_sequence is not UNSET:
            field_dict["last_sequence"] = last_sequence

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        head = d.pop("head")

        intact = d.pop("intact")

        def _parse_broken(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        broken = _parse_broken(d.pop("broken", UNSET))

        def _parse_first_sequence(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        first_sequence = _parse_first_sequence(d.pop("first_sequence", UNSET))

        def _parse_last_sequence(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        last_sequence = _parse_last_sequence(d.pop("last_sequence", UNSET))

        audit_verdict = cls(
            head=head,
            intact=intact,
            broken=broken,
            first_sequence=first_sequence,
            last_sequence=last_sequence,
        )

        audit_verdict.additional_properties = d
        return audit_verdict

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
