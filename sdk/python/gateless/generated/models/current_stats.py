from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.sample import Sample


T = TypeVar("T", bound="CurrentStats")


@_attrs_define
class CurrentStats:
    """How a function is.

    Attributes:
        function (str): Its name. Example: hello.
        sample (Sample): How a function was during one second, over all sidecars.
        sparkline (list[float]): Calls a second in each of the last 60 seconds, oldest first.
    """

    function: str
    sample: Sample
    sparkline: list[float]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        function = self.function

        sample = self.sample.to_dict()

        sparkline = self.sparkline

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "function": function,
                "sample": sample,
                "sparkline": sparkline,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.sample import Sample

        d = dict(src_dict)
        function = d.pop("function")

        sample = Sample.from_dict(d.pop("sample"))

        sparkline = cast(list[float], d.pop("sparkline"))

        current_stats = cls(
            function=function,
            sample=sample,
            sparkline=sparkline,
        )

        current_stats.additional_properties = d
        return current_stats

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
