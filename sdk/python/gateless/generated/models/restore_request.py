from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="RestoreRequest")


@_attrs_define
class RestoreRequest:
    """Whose catalogue is to count.

    Example:
        {'sidecar': '0badcafe'}

    Attributes:
        sidecar (None | str | Unset): The sidecar's id; left out: the one with the newest version, if all have the same
            catalogue.
    """

    sidecar: None | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        sidecar: None | str | Unset
        if isinstance(self.sidecar, Unset):
            sidecar = UNSET
        else:
            sidecar = self.sidecar

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if sidecar is not UNSET:
            field_dict["sidecar"] = sidecar

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)

        def _parse_sidecar(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        sidecar = _parse_sidecar(d.pop("sidecar", UNSET))

        restore_request = cls(
            sidecar=sidecar,
        )

        return restore_request
