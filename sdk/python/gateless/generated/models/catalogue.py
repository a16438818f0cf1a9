from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.catalogue_holder import CatalogueHolder
    from ..models.catalogue_state import CatalogueState


T = TypeVar("T", bound="Catalogue")


@_attrs_define
class Catalogue:
    """This server's catalogue, and what sidecars have.

    Attributes:
        catalogue_id (str): Which catalogue; another after a restore.
        lineage (str): The same over all restores. Example: 0d7c3c1e-1b8e-4b0a-8f0d-2f1f5f6d9a77.
        past (list[CatalogueState]): What it was before, and what an operator said it replaces; a sidecar that has a
            later version of one of these keeps it.
        sidecars (list[CatalogueHolder]): Connected sidecars by id, and what each has.
        version (int): Its version; it only grows.
    """

    catalogue_id: str
    lineage: str
    past: list[CatalogueState]
    sidecars: list[CatalogueHolder]
    version: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        catalogue_id = self.catalogue_id

        lineage = self.lineage

        past = []
        for past_item_data in self.past:
            past_item = past_item_data.to_dict()
            past.append(past_item)

        sidecars = []
        for sidecars_item_data in self.sidecars:
            sidecars_item = sidecars_item_data.to_dict()
            sidecars.append(sidecars_item)

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "catalogue_id": catalogue_id,
                "lineage": lineage,
                "past": past,
                "sidecars": sidecars,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.catalogue_holder import CatalogueHolder
        from ..models.catalogue_state import CatalogueState

        d = dict(src_dict)
        catalogue_id = d.pop("catalogue_id")

        lineage = d.pop("lineage")

        past = []
        _past = d.pop("past")
        for past_item_data in _past:
            past_item = CatalogueState.from_dict(past_item_data)

            past.append(past_item)

        sidecars = []
        _sidecars = d.pop("sidecars")
        for sidecars_item_data in _sidecars:
            sidecars_item = CatalogueHolder.from_dict(sidecars_item_data)

            sidecars.append(sidecars_item)

        version = d.pop("version")

        catalogue = cls(
            catalogue_id=catalogue_id,
            lineage=lineage,
            past=past,
            sidecars=sidecars,
            version=version,
        )

        catalogue.additional_properties = d
        return catalogue

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
