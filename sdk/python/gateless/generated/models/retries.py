from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Retries")


@_attrs_define
class Retries:
    """Retries of calls that failed before a response. Refusals by a full gate are no retries.

    Attributes:
        budget_percent (int | Unset): Retries as a share of calls, in percent. Default: 20.
        max_attempts (int | Unset): Attempts in all; 1: no retry. Default: 2.
    """

    budget_percent: int | Unset = 20
    max_attempts: int | Unset = 2

    def to_dict(self) -> dict[str, Any]:
        budget_percent = self.budget_percent

        max_attempts = self.max_attempts

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if budget_percent is not UNSET:
            field_dict["budget_percent"] = budget_percent
        if max_attempts is not UNSET:
            field_dict["max_attempts"] = max_attempts

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        budget_percent = d.pop("budget_percent", UNSET)

        max_attempts = d.pop("max_attempts", UNSET)

        retries = cls(
            budget_percent=budget_percent,
            max_attempts=max_attempts,
        )

        return retries
