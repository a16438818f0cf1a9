from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..models.role import Role, check_role
from ..types import UNSET, Unset

T = TypeVar("T", bound="TokenRequest")


@_attrs_define
class TokenRequest:
    """What is asked of a new token.

    Example:
        {'description': 'ci', 'namespace': 'default', 'role': 'deployer', 'ttl_seconds': 86400}

    Attributes:
        namespace (str): The one namespace it is good for; `*`: all.
        role (Role): What a token's holder may do.
        ttl_seconds (int): How long; at most a year.
        description (str | Unset): For people.
    """

    namespace: str
    role: Role
    ttl_seconds: int
    description: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        namespace = self.namespace

        role: str = self.role

        ttl_seconds = self.ttl_seconds

        description = self.description

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "namespace": namespace,
                "role": role,
                "ttl_seconds": ttl_seconds,
            }
        )
        if description is not UNSET:
            field_dict["description"] = description

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        namespace = d.pop("namespace")

        role = check_role(d.pop("role"))

        ttl_seconds = d.pop("ttl_seconds")

        description = d.pop("description", UNSET)

        token_request = cls(
            namespace=namespace,
            role=role,
            ttl_seconds=ttl_seconds,
            description=description,
        )

        return token_request
