from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.instance_counts import InstanceCounts
    from ..models.spec import Spec


T = TypeVar("T", bound="Revision")


@_attrs_define
class Revision:
    """An immutable revision of a function.

    Attributes:
        created_at (datetime.datetime): When it was made.
        instances (InstanceCounts): Instances by state.
        name (str): For example `hello-00001`. Example: hello-00001.
        number (int): Counts up from 1 per function.
        percent (int): Its share of the function's calls.
        spec (Spec): A function's spec. Every change of it makes a new revision.
        tags (list[str]): The tags it is reached by.
        uid (str): Unique over all time.
        ready_at (datetime.datetime | None | Unset): When an instance was first ready (or none had to be started); null:
            not yet.
    """

    created_at: datetime.datetime
    instances: InstanceCounts
    name: str
    number: int
    percent: int
    spec: Spec
    tags: list[str]
    uid: str
    ready_at: datetime.datetime | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        created_at = self.created_at.isoformat()

        instances = self.instances.to_dict()

        name = self.name

        number = self.number

        percent = self.percent

        spec = self.spec.to_dict()

        tags = self.tags

        uid = self.uid

        ready_at: None | str | Unset
        if isinstance(self.ready_at, Unset):
            ready_at = UNSET
        elif isinstance(self.ready_at, datetime.datetime):
            ready_at = self.ready_at.isoformat()
        else:
            ready_at = self.ready_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "created_at": created_at,
                "instances": instances,
                "name": name,
                "number": number,
                "percent": percent,
                "spec": spec,
                "tags": tags,
                "uid": uid,
            }
        )
        if ready_at is not UNSET:
            field_dict["ready_at"] = ready_at

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.instance_counts import InstanceCounts
        from ..models.spec import Spec

        d = dict(src_dict)
        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        instances = InstanceCounts.from_dict(d.pop("instances"))

        name = d.pop("name")

        number = d.pop("number")

        percent = d.pop("percent")

        spec = Spec.from_dict(d.pop("spec"))

        tags = cast(list[str], d.pop("tags"))

        uid = d.pop("uid")

        def _parse_ready_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                ready_at_type_0 = datetime.datetime.fromisoformat(data)

                return ready_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        ready_at = _parse_ready_at(d.pop("ready_at", UNSET))

        revision = cls(
            created_at=created_at,
            instances=instances,
            name=name,
            number=number,
            percent=percent,
            spec=spec,
            tags=tags,
            uid=uid,
            ready_at=ready_at,
        )

        revision.additional_properties = d
        return revision

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
