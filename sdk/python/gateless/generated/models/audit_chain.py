from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="AuditChain")


@_attrs_define
class AuditChain:
    """One of the chains of the log.

    Attributes:
        head (str): The hash of the last one: keep it elsewhere to find out when the end is cut off, or all of it is
            written anew.
        name (str): `changes`, `requests` or `strangers`. Example: changes.
        first_sequence (int | None | Unset): The first entry that is kept.
        last_sequence (int | None | Unset): The last one.
    """

    head: str
    name: str
    first_sequence: int | None | Unset = UNSET
    last_sequence: int | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        head = self.head

        name = self.name

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
                "name": name,
            }
        )
        if first_sequence is not UNSET:
            field_dict["first_sequence"] = first_sequence
        if last_sequence is not UNSET:
            field_dict["last_sequence"] = last_sequence

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        head = d.pop("head")

        name = d.pop("name")

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

        audit_chain = cls(
            head=head,
            name=name,
            first_sequence=first_sequence,
            last_sequence=last_sequence,
        )

        audit_chain.additional_properties = d
        return audit_chain

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
