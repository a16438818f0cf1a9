from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Version")


@_attrs_define
class Version:
    """What runs here.

    Attributes:
        catalogue_id (str): The catalogue's identity; versions count within it.
        catalogue_version (int): The catalogue's version.
        version (str): The program's version. Example: 0.1.0.
    """

    catalogue_id: str
    catalogue_version: int
    version: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        catalogue_id = self.catalogue_id

        catalogue_version = self.catalogue_version

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "catalogue_id": catalogue_id,
                "catalogue_version": catalogue_version,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        catalogue_id = d.pop("catalogue_id")

        catalogue_version = d.pop("catalogue_version")

        version = d.pop("version")

        version = cls(
            catalogue_id=catalogue_id,
            catalogue_version=catalogue_version,
            version=version,
        )

        version.additional_properties = d
        return version

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
