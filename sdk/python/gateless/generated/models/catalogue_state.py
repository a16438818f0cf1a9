from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="CatalogueState")


@_attrs_define
class CatalogueState:
    """A state of a catalogue.

    Attributes:
        catalogue_id (str): Which catalogue; versions count within it. Example: 5a1d5f0e-6d2f-4a57-9b63-0f6f3f6d2c11.
        version (int): Its version.
    """

    catalogue_id: str
    version: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        catalogue_id = self.catalogue_id

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "catalogue_id": catalogue_id,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        catalogue_id = d.pop("catalogue_id")

        version = d.pop("version")

        catalogue_state = cls(
            catalogue_id=catalogue_id,
            version=version,
        )

        catalogue_state.additional_properties = d
        return catalogue_state

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
