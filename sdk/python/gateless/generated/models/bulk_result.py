from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.bulk_failure import BulkFailure


T = TypeVar("T", bound="BulkResult")


@_attrs_define
class BulkResult:
    """What became of many calls.

    Attributes:
        count (int): How many it was done to.
        failed (list[BulkFailure]): Those it was not done to.
        more (bool): Whether more calls are in this state than one request handles: send it again.
    """

    count: int
    failed: list[BulkFailure]
    more: bool
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        count = self.count

        failed = []
        for failed_item_data in self.failed:
            failed_item = failed_item_data.to_dict()
            failed.append(failed_item)

        more = self.more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "count": count,
                "failed": failed,
                "more": more,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.bulk_failure import BulkFailure

        d = dict(src_dict)
        count = d.pop("count")

        failed = []
        _failed = d.pop("failed")
        for failed_item_data in _failed:
            failed_item = BulkFailure.from_dict(failed_item_data)

            failed.append(failed_item)

        more = d.pop("more")

        bulk_result = cls(
            count=count,
            failed=failed,
            more=more,
        )

        bulk_result.additional_properties = d
        return bulk_result

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
