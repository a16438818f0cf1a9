from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.condition import Condition
    from ..models.rollout_status import RolloutStatus


T = TypeVar("T", bound="FunctionStatus")


@_attrs_define
class FunctionStatus:
    """How a function is.

    Attributes:
        conditions (list[Condition]): One of each type.
        latest_revision (str): The newest revision. Example: hello-00002.
        ready (bool): Whether the condition `Ready` is true.
        rollout (RolloutStatus): What the last deployment of a function has come to.
        url_path (str): The path of a call at any sidecar. Example: /function/hello.default.
        latest_ready_revision (None | str | Unset): The newest revision that was ever ready; `latest` traffic goes
            there. Example: hello-00001.
    """

    conditions: list[Condition]
    latest_revision: str
    ready: bool
    rollout: RolloutStatus
    url_path: str
    latest_ready_revision: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        conditions = []
        for conditions_item_data in self.conditions:
            conditions_item = conditions_item_data.to_dict()
            conditions.append(conditions_item)

        latest_revision = self.latest_revision

        ready = self.ready

        rollout = self.rollout.to_dict()

        url_path = self.url_path

        latest_ready_revision: None | str | Unset
        if isinstance(self.latest_ready_revision, Unset):
            latest_ready_revision = UNSET
        else:
            latest_ready_revision = self.latest_ready_revision

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "conditions": conditions,
                "latest_revision": latest_revision,
                "ready": ready,
                "rollout": rollout,
                "url_path": url_path,
            }
        )
        if latest_ready_revision is not UNSET:
            field_dict["latest_ready_revision"] = latest_ready_revision

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.condition import Condition
        from ..models.rollout_status import RolloutStatus

        d = dict(src_dict)
        conditions = []
        _conditions = d.pop("conditions")
        for conditions_item_data in _conditions:
            conditions_item = Condition.from_dict(conditions_item_data)

            conditions.append(conditions_item)

        latest_revision = d.pop("latest_revision")

        ready = d.pop("ready")

        rollout = RolloutStatus.from_dict(d.pop("rollout"))

        url_path = d.pop("url_path")

        def _parse_latest_ready_revision(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        latest_ready_revision = _parse_latest_ready_revision(
            d.pop("latest_ready_revision", UNSET)
        )

        function_status = cls(
            conditions=conditions,
            latest_revision=latest_revision,
            ready=ready,
            rollout=rollout,
            url_path=url_path,
            latest_ready_revision=latest_ready_revision,
        )

        function_status.additional_properties = d
        return function_status

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
