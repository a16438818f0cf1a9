from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="SessionRequest")


@_attrs_define
class SessionRequest:
    """Whom a browser is to act for.

    Attributes:
        token (str): A token as `POST /v1/tokens` gives it. Example: eyJhbGciOiJFZERTQSJ9....
    """

    token: str

    def to_dict(self) -> dict[str, Any]:
        token = self.token

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "token": token,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        token = d.pop("token")

        session_request = cls(
            token=token,
        )

        return session_request
