from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.right import Right, check_right
from ..models.role import Role, check_role

T = TypeVar("T", bound="Session")


@_attrs_define
class Session:
    """Who asks.

    Attributes:
        expires_at (datetime.datetime): When the token stops being valid, or the session ends at the latest; one that is
            not used for two hours ends then.
        namespace (str): The one namespace the token is good for; `*`: all. Example: default.
        rights (list[Right]): What its holder may do, in the namespaces it is good for.
        role (Role): What a token's holder may do.
        token_id (str): The token's id.
    """

    expires_at: datetime.datetime
    namespace: str
    rights: list[Right]
    role: Role
    token_id: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        expires_at = self.expires_at.isoformat()

        namespace = self.namespace

        rights = []
        for rights_item_data in self.rights:
            rights_item: str = rights_item_data
            rights.append(rights_item)

        role: str = self.role

        token_id = self.token_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "expires_at": expires_at,
                "namespace": namespace,
                "rights": rights,
                "role": role,
                "token_id": token_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        expires_at = datetime.datetime.fromisoformat(d.pop("expires_at"))

        namespace = d.pop("namespace")

        rights = []
        _rights = d.pop("rights")
        for rights_item_data in _rights:
            rights_item = check_right(rights_item_data)

            rights.append(rights_item)

        role = check_role(d.pop("role"))

        token_id = d.pop("token_id")

        session = cls(
            expires_at=expires_at,
            namespace=namespace,
            rights=rights,
            role=role,
            token_id=token_id,
        )

        session.additional_properties = d
        return session

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
