from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Component")


@_attrs_define
class Component:
    """An uploaded component.

    Attributes:
        sha256 (str): 64 lowercase hex digits; the artifact must have been uploaded to the same namespace.
        size (int | Unset): Bytes; filled in from the artifact when left out.
    """

    sha256: str
    size: int | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        sha256 = self.sha256

        size = self.size

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "sha256": sha256,
            }
        )
        if size is not UNSET:
            field_dict["size"] = size

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        sha256 = d.pop("sha256")

        size = d.pop("size", UNSET)

        component = cls(
            sha256=sha256,
            size=size,
        )

        return component
