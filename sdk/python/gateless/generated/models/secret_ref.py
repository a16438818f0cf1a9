from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="SecretRef")


@_attrs_define
class SecretRef:
    """An environment variable from a secret.

    Attributes:
        env (str): The variable's name.
        key (str): The key within the secret.
        secret (str): The secret's name.
    """

    env: str
    key: str
    secret: str

    def to_dict(self) -> dict[str, Any]:
        env = self.env

        key = self.key

        secret = self.secret

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "env": env,
                "key": key,
                "secret": secret,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        env = d.pop("env")

        key = d.pop("key")

        secret = d.pop("secret")

        secret_ref = cls(
            env=env,
            key=key,
            secret=secret,
        )

        return secret_ref
