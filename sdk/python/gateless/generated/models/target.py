from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Target")


@_attrs_define
class Target:
    """A share of the calls, a tag, or both.

    Attributes:
        percent (int): 0 to 100; all targets together 100. Example: 100.
        latest (bool | Unset): Follow the newest revision that was ready.
        revision (None | str | Unset): A revision by name; null with `latest`. Example: hello-00001.
        tag (None | str | Unset): Reached as TAG-NAME by Host or path, whatever its share.
    """

    percent: int
    latest: bool | Unset = UNSET
    revision: None | str | Unset = UNSET
    tag: None | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        percent = self.percent

        latest = self.latest

        revision: None | str | Unset
        if isinstance(self.revision, Unset):
            revision = UNSET
        else:
            revision = self.revision

        tag: None | str | Unset
        if isinstance(self.tag, Unset):
            tag = UNSET
        else:
            tag = self.tag

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "percent": percent,
            }
        )
        if latest is not UNSET:
            field_dict["latest"] = latest
        if revision is not UNSET:
            field_dict["revision"] = revision
        if tag is not UNSET:
            field_dict["tag"] = tag

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        percent = d.pop("percent")

        latest = d.pop("latest", UNSET)

        def _parse_revision(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        revision = _parse_revision(d.pop("revision", UNSET))

        def _parse_tag(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        tag = _parse_tag(d.pop("tag", UNSET))

        target = cls(
            percent=percent,
            latest=latest,
            revision=revision,
            tag=tag,
        )

        return target
