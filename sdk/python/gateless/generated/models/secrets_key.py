from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.wrapping_key import WrappingKey


T = TypeVar("T", bound="SecretsKey")


@_attrs_define
class SecretsKey:
    """How the catalogue's secrets are sealed.

    Attributes:
        keys (list[WrappingKey]): The keys; the first one wraps.
        rotating (bool): Whether data keys are still wrapped by a key before the current one; they are wrapped anew in
            the background.
        sealed (bool): Whether what the catalogue keeps is sealed. One that an earlier version made is plain at first,
            so that this version can
            be gone back to.
        source (str): Where the keys come from. Example: file /var/lib/gateless/secrets-key.
        seals_at (datetime.datetime | Unset): The first start of the server after this seals it; left out: it is sealed.
    """

    keys: list[WrappingKey]
    rotating: bool
    sealed: bool
    source: str
    seals_at: datetime.datetime | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        keys = []
        for keys_item_data in self.keys:
            keys_item = keys_item_data.to_dict()
            keys.append(keys_item)

        rotating = self.rotating

        sealed = self.sealed

        source = self.source

        seals_at: str | Unset = UNSET
        if not isinstance(self.seals_at, Unset):
            seals_at = self.seals_at.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "keys": keys,
                "rotating": rotating,
                "sealed": sealed,
                "source": source,
            }
        )
        if seals_at is not UNSET:
            field_dict["seals_at"] = seals_at

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.wrapping_key import WrappingKey

        d = dict(src_dict)
        keys = []
        _keys = d.pop("keys")
        for keys_item_data in _keys:
            keys_item = WrappingKey.from_dict(keys_item_data)

            keys.append(keys_item)

        rotating = d.pop("rotating")

        sealed = d.pop("sealed")

        source = d.pop("source")

        _seals_at = d.pop("seals_at", UNSET)
        seals_at: datetime.datetime | Unset
        if isinstance(_seals_at, Unset):
            seals_at = UNSET
        else:
            seals_at = datetime.datetime.fromisoformat(_seals_at)

        secrets_key = cls(
            keys=keys,
            rotating=rotating,
            sealed=sealed,
            source=source,
            seals_at=seals_at,
        )

        secrets_key.additional_properties = d
        return secrets_key

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
