from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.current_stats import CurrentStats


T = TypeVar("T", bound="StatsList")


@_attrs_define
class StatsList:
    """How the functions of a namespace are.

    Attributes:
        items (list[CurrentStats]): Functions that did something in the last ten minutes, by name.
        observed_since (datetime.datetime | None | Unset): Since when sidecars are observed; null: they were not until
            now, and the next seconds will be.
    """

    items: list[CurrentStats]
    observed_since: datetime.datetime | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        items = []
        for items_item_data in self.items:
            items_item = items_item_data.to_dict()
            items.append(items_item)

        observed_since: None | str | Unset
        if isinstance(self.observed_since, Unset):
            observed_since = UNSET
        elif isinstance(self.observed_since, datetime.datetime):
            observed_since = self.observed_since.isoformat()
        else:
            observed_since = self.observed_since

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "items": items,
            }
        )
        if observed_since is not UNSET:
            field_dict["observed_since"] = observed_since

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.current_stats import CurrentStats

        d = dict(src_dict)
        items = []
        _items = d.pop("items")
        for items_item_data in _items:
            items_item = CurrentStats.from_dict(items_item_data)

            items.append(items_item)

        def _parse_observed_since(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                observed_since_type_0 = datetime.datetime.fromisoformat(data)

                return observed_since_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        observed_since = _parse_observed_since(d.pop("observed_since", UNSET))

        stats_list = cls(
            items=items,
            observed_since=observed_since,
        )

        stats_list.additional_properties = d
        return stats_list

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
