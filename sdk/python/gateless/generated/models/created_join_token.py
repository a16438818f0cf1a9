from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="CreatedJoinToken")


@_attrs_define
class CreatedJoinToken:
    """A new join token.

    Attributes:
        created_at (datetime.datetime): When it was made.
        description (str): For people.
        expires_at (datetime.datetime): When it stops being valid.
        id (str): Names it for revocation. Example: 9f3c1a5b7d2e4f60.
        token (str): The token; it is shown this once and kept nowhere.
        uses (int): How many sidecars may join with it.
    """

    created_at: datetime.datetime
    description: str
    expires_at: datetime.datetime
    id: str
    token: str
    uses: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        created_at = self.created_at.isoformat()

        description = self.description

        expires_at = self.expires_at.isoformat()

        id = self.id

        token = self.token

        uses = self.uses

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "created_at": created_at,
                "description": description,
                "expires_at": expires_at,
                "id": id,
                "token": token,
                "uses": uses,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        description = d.pop("description")

        expires_at = datetime.datetime.fromisoformat(d.pop("expires_at"))

        id = d.pop("id")

        token = d.pop("token")

        uses = d.pop("uses")

        created_join_token = cls(
            created_at=created_at,
            description=description,
            expires_at=expires_at,
            id=id,
            token=token,
            uses=uses,
        )

        created_join_token.additional_properties = d
        return created_join_token

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
