from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Secret")


@_attrs_define
class Secret:
    """A secret, without its values.

    Attributes:
        created_at (datetime.datetime): When it was first put.
        keys (list[str]): Its keys; values are never shown. Example: ['api_key'].
        name (str): Its name.
        namespace (str): Its namespace.
        updated_at (datetime.datetime): When it was last changed.
        version (int): The etag's number.
    """

    created_at: datetime.datetime
    keys: list[str]
    name: str
    namespace: str
    updated_at: datetime.datetime
    version: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        created_at = self.created_at.isoformat()

        keys = self.keys

        name = self.name

        namespace = self.namespace

        updated_at = self.updated_at.isoformat()

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "created_at": created_at,
                "keys": keys,
                "name": name,
                "namespace": namespace,
                "updated_at": updated_at,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        keys = cast(list[str], d.pop("keys"))

        name = d.pop("name")

        namespace = d.pop("namespace")

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        version = d.pop("version")

        secret = cls(
            created_at=created_at,
            keys=keys,
            name=name,
            namespace=namespace,
            updated_at=updated_at,
            version=version,
        )

        secret.additional_properties = d
        return secret

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
