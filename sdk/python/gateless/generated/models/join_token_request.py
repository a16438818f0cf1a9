from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="JoinTokenRequest")


@_attrs_define
class JoinTokenRequest:
    """What is asked of a new join token.

    Example:
        {'description': 'rack 4', 'ttl_seconds': 3600, 'uses': 3}

    Attributes:
        ttl_seconds (int): How long it is good; at most a year.
        description (str | Unset): For people.
        uses (int | Unset): How many sidecars may join with it. Default: 1.
    """

    ttl_seconds: int
    description: str | Unset = UNSET
    uses: int | Unset = 1

    def to_dict(self) -> dict[str, Any]:
        ttl_seconds = self.ttl_seconds

        description = self.description

        uses = self.uses

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "ttl_seconds": ttl_seconds,
            }
        )
        if description is not UNSET:
            field_dict["description"] = description
        if uses is not UNSET:
            field_dict["uses"] = uses

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        ttl_seconds = d.pop("ttl_seconds")

        description = d.pop("description", UNSET)

        uses = d.pop("uses", UNSET)

        join_token_request = cls(
            ttl_seconds=ttl_seconds,
            description=description,
            uses=uses,
        )

        return join_token_request
