from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Cors")


@_attrs_define
class Cors:
    """Which pages of other sites browsers let call a function (cross-origin resource sharing, as the Fetch standard has
    it).

        Attributes:
            origins (list[str]): `https://example.com`, `https://*.example.com` or `*`; 1 to 64.
            credentials (bool | Unset): Whether cookies and credentials may come with a call; not with the origin `*`.
            exposed_headers (list[str] | Unset): Answer headers they may read, besides those they always may; at most 64.
            headers (list[str] | Unset): Request headers they may send; empty: every one. At most 64.
            max_age_seconds (int | Unset): Seconds for which a browser need not ask again; at most 86,400.
            methods (list[str] | Unset): Methods they may use; empty: every one. At most 64.
    """

    origins: list[str]
    credentials: bool | Unset = UNSET
    exposed_headers: list[str] | Unset = UNSET
    headers: list[str] | Unset = UNSET
    max_age_seconds: int | Unset = UNSET
    methods: list[str] | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        origins = self.origins

        credentials = self.credentials

        exposed_headers: list[str] | Unset = UNSET
        if not isinstance(self.exposed_headers, Unset):
            exposed_headers = self.exposed_headers

        headers: list[str] | Unset = UNSET
        if not isinstance(self.headers, Unset):
            headers = self.headers

        max_age_seconds = self.max_age_seconds

        methods: list[str] | Unset = UNSET
        if not isinstance(self.methods, Unset):
            methods = self.methods

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "origins": origins,
            }
        )
        if credentials is not UNSET:
            field_dict["credentials"] = credentials
        if exposed_headers is not UNSET:
            field_dict["exposed_headers"] = exposed_headers
        if headers is not UNSET:
            field_dict["headers"] = headers
        if max_age_seconds is not UNSET:
            field_dict["max_age_seconds"] = max_age_seconds
        if methods is not UNSET:
            field_dict["methods"] = methods

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        origins = cast(list[str], d.pop("origins"))

        credentials = d.pop("credentials", UNSET)

        exposed_headers = cast(list[str], d.pop("exposed_headers", UNSET))

        headers = cast(list[str], d.pop("headers", UNSET))

        max_age_seconds = d.pop("max_age_seconds", UNSET)

        methods = cast(list[str], d.pop("methods", UNSET))

        cors = cls(
            origins=origins,
            credentials=credentials,
            exposed_headers=exposed_headers,
            headers=headers,
            max_age_seconds=max_age_seconds,
            methods=methods,
        )

        return cors
