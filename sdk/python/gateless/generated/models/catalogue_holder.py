from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="CatalogueHolder")


@_attrs_define
class CatalogueHolder:
    """What a sidecar has of a catalogue.

    Attributes:
        node_id (str): The sidecar's id.
        version (int): The version it has.
        catalogue_id (None | str | Unset): Which catalogue it has; left out likewise.
        lineage (None | str | Unset): The lineage of what it has; left out: it has nothing, or does not say.
        refused (None | str | Unset): Why it keeps that instead of this server's: `foreign_catalogue` or
            `older_catalogue`; left out: it takes this server's.
    """

    node_id: str
    version: int
    catalogue_id: None | str | Unset = UNSET
    lineage: None | str | Unset = UNSET
    refused: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        node_id = self.node_id

        version = self.version

        catalogue_id: None | str | Unset
        if isinstance(self.catalogue_id, Unset):
            catalogue_id = UNSET
        else:
            catalogue_id = self.catalogue_id

        lineage: None | str | Unset
        if isinstance(self.lineage, Unset):
            lineage = UNSET
        else:
            lineage = self.lineage

        refused: None | str | Unset
        if isinstance(self.refused, Unset):
            refused = UNSET
        else:
            refused = self.refused

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "node_id": node_id,
                "version": version,
            }
        )
        if catalogue_id is not UNSET:
            field_dict["catalogue_id"] = catalogue_id
        if lineage is not UNSET:
            field_dict["lineage"] = lineage
        if refused is not UNSET:
            field_dict["refused"] = refused

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        node_id = d.pop("node_id")

        version = d.pop("version")

        def _parse_catalogue_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        catalogue_id = _parse_catalogue_id(d.pop("catalogue_id", UNSET))

        def _parse_lineage(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        lineage = _parse_lineage(d.pop("lineage", UNSET))

        def _parse_refused(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        refused = _parse_refused(d.pop("refused", UNSET))

        catalogue_holder = cls(
            node_id=node_id,
            version=version,
            catalogue_id=catalogue_id,
            lineage=lineage,
            refused=refused,
        )

        catalogue_holder.additional_properties = d
        return catalogue_holder

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
