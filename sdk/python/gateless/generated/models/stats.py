from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.mark import Mark
    from ..models.timed_decision import TimedDecision
    from ..models.timed_sample import TimedSample


T = TypeVar("T", bound="Stats")


@_attrs_define
class Stats:
    """One function's past.

    Attributes:
        decisions (list[TimedDecision]): Scaling decisions, oldest first.
        marks (list[Mark]): What else may be why numbers changed, oldest first: deploys, changes of the traffic, drains.
        samples (list[TimedSample]): One a second at most, oldest first; where there is none nothing happened.
        observed_since (datetime.datetime | None | Unset): Since when sidecars are observed; null: they were not until
            now, and the next seconds will be.
    """

    decisions: list[TimedDecision]
    marks: list[Mark]
    samples: list[TimedSample]
    observed_since: datetime.datetime | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        decisions = []
        for decisions_item_data in self.decisions:
            decisions_item = decisions_item_data.to_dict()
            decisions.append(decisions_item)

        marks = []
        for marks_item_data in self.marks:
            marks_item = marks_item_data.to_dict()
            marks.append(marks_item)

        samples = []
        for samples_item_data in self.samples:
            samples_item = samples_item_data.to_dict()
            samples.append(samples_item)

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
                "decisions": decisions,
                "marks": marks,
                "samples": samples,
            }
        )
        if observed_since is not UNSET:
            field_dict["observed_since"] = observed_since

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.mark import Mark
        from ..models.timed_decision import TimedDecision
        from ..models.timed_sample import TimedSample

        d = dict(src_dict)
        decisions = []
        _decisions = d.pop("decisions")
        for decisions_item_data in _decisions:
            decisions_item = TimedDecision.from_dict(decisions_item_data)

            decisions.append(decisions_item)

        marks = []
        _marks = d.pop("marks")
        for marks_item_data in _marks:
            marks_item = Mark.from_dict(marks_item_data)

            marks.append(marks_item)

        samples = []
        _samples = d.pop("samples")
        for samples_item_data in _samples:
            samples_item = TimedSample.from_dict(samples_item_data)

            samples.append(samples_item)

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

        stats = cls(
            decisions=decisions,
            marks=marks,
            samples=samples,
            observed_since=observed_since,
        )

        stats.additional_properties = d
        return stats

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
