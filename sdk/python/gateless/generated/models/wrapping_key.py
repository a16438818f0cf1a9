from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="WrappingKey")


@_attrs_define
class WrappingKey:
    """A key that data keys are wrapped by.

    Attributes:
        data_keys (int): How many data keys it wraps: of each namespace one, and one of the cluster.
        id (str): Names it, and tells nothing of it. Example: 8c1f0a5d3b7e9264.
    """

    data_keys: int
    id: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        data_keys = self.data_keys

        id = self.id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "data_keys": data_keys,
                "id": id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        data_keys = d.pop("data_keys")

        id = d.pop("id")

        wrapping_key = cls(
            data_keys=data_keys,
            id=id,
        )

        wrapping_key.additional_properties = d
        return wrapping_key

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
