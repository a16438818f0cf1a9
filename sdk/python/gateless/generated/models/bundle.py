from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..models.bundle_format import BundleFormat, check_bundle_format
from ..types import UNSET, Unset

T = TypeVar("T", bound="Bundle")


@_attrs_define
class Bundle:
    """An uploaded artifact and how it is packed.

    Attributes:
        format_ (BundleFormat): How a bundle is packed.
        sha256 (str): 64 lowercase hex digits; the artifact must have been uploaded to the same namespace.
        size (int | Unset): Bytes; filled in from the artifact when left out.
    """

    format_: BundleFormat
    sha256: str
    size: int | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        format_: str = self.format_

        sha256 = self.sha256

        size = self.size

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "format": format_,
                "sha256": sha256,
            }
        )
        if size is not UNSET:
            field_dict["size"] = size

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        format_ = check_bundle_format(d.pop("format"))

        sha256 = d.pop("sha256")

        size = d.pop("size", UNSET)

        bundle = cls(
            format_=format_,
            sha256=sha256,
            size=size,
        )

        return bundle
