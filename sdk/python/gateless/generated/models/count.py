from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.bulk_failure import BulkFailure
    from ..models.warning import Warning_


T = TypeVar("T", bound="Count")


@_attrs_define
class Count:
    """How many calls something was done to.

    Example:
        {'count': 2, 'warnings': []}

    Attributes:
        count (int): How many; of a dry run: how many it would be.
        failed (list[BulkFailure]): Calls asked for by id that it was not done to.
        warnings (list[Warning_]): Sidecars where it was not done.
    """

    count: int
    failed: list[BulkFailure]
    warnings: list[Warning_]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        count = self.count

        failed = []
        for failed_item_data in self.failed:
            failed_item = failed_item_data.to_dict()
            failed.append(failed_item)

        warnings = []
        for warnings_item_data in self.warnings:
            warnings_item = warnings_item_data.to_dict()
            warnings.append(warnings_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "count": count,
                "failed": failed,
                "warnings": warnings,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.bulk_failure import BulkFailure
        from ..models.warning import Warning_

        d = dict(src_dict)
        count = d.pop("count")

        failed = []
        _failed = d.pop("failed")
        for failed_item_data in _failed:
            failed_item = BulkFailure.from_dict(failed_item_data)

            failed.append(failed_item)

        warnings = []
        _warnings = d.pop("warnings")
        for warnings_item_data in _warnings:
            warnings_item = Warning_.from_dict(warnings_item_data)

            warnings.append(warnings_item)

        count = cls(
            count=count,
            failed=failed,
            warnings=warnings,
        )

        count.additional_properties = d
        return count

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
