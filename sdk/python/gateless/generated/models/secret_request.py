from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.secret_request_data import SecretRequestData


T = TypeVar("T", bound="SecretRequest")


@_attrs_define
class SecretRequest:
    """A secret's values.

    Example:
        {'data': {'api_key': 's3cr3t'}}

    Attributes:
        data (SecretRequestData): All of them; at most 64 keys and 128 KiB of values.
    """

    data: SecretRequestData

    def to_dict(self) -> dict[str, Any]:
        data = self.data.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "data": data,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.secret_request_data import SecretRequestData

        d = dict(src_dict)
        data = SecretRequestData.from_dict(d.pop("data"))

        secret_request = cls(
            data=data,
        )

        return secret_request
