from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.rollout_state import RolloutState, check_rollout_state

if TYPE_CHECKING:
    from ..models.revision_share import RevisionShare


T = TypeVar("T", bound="RolloutStatus")


@_attrs_define
class RolloutStatus:
    """What the last deployment of a function has come to.

    Attributes:
        message (str): For people.
        percent (int): Its share of the calls, 0 to 100.
        revision (str): The newest revision. Example: hello-00002.
        shares (list[RevisionShare]): Every revision with a share, the largest first; empty while none was ever ready.
        state (RolloutState): How far the newest revision is.
    """

    message: str
    percent: int
    revision: str
    shares: list[RevisionShare]
    state: RolloutState
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        message = self.message

        percent = self.percent

        revision = self.revision

        shares = []
        for shares_item_data in self.shares:
            shares_item = shares_item_data.to_dict()
            shares.append(shares_item)

        state: str = self.state

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "message": message,
                "percent": percent,
                "revision": revision,
                "shares": shares,
                "state": state,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.revision_share import RevisionShare

        d = dict(src_dict)
        message = d.pop("message")

        percent = d.pop("percent")

        revision = d.pop("revision")

        shares = []
        _shares = d.pop("shares")
        for shares_item_data in _shares:
            shares_item = RevisionShare.from_dict(shares_item_data)

            shares.append(shares_item)

        state = check_rollout_state(d.pop("state"))

        rollout_status = cls(
            message=message,
            percent=percent,
            revision=revision,
            shares=shares,
            state=state,
        )

        rollout_status.additional_properties = d
        return rollout_status

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
