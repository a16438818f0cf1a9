from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.function_labels import FunctionLabels
    from ..models.function_status import FunctionStatus
    from ..models.spec import Spec
    from ..models.target import Target


T = TypeVar("T", bound="Function")


@_attrs_define
class Function:
    """A function.

    Attributes:
        created_at (datetime.datetime): When it was first applied.
        labels (FunctionLabels): Free text for people and filters.
        name (str): Its name. Example: hello.
        namespace (str): Its namespace. Example: default.
        spec (Spec): A function's spec. Every change of it makes a new revision.
        status (FunctionStatus): How a function is.
        traffic (list[Target]): Who gets which share of the calls, as declared.
        uid (str): Changes when it is deleted and created again.
        updated_at (datetime.datetime): When the catalogue last changed it.
        version (int): The etag's number: changes with every change of the catalogue's record.
    """

    created_at: datetime.datetime
    labels: FunctionLabels
    name: str
    namespace: str
    spec: Spec
    status: FunctionStatus
    traffic: list[Target]
    uid: str
    updated_at: datetime.datetime
    version: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        created_at = self.created_at.isoformat()

        labels = self.labels.to_dict()

        name = self.name

        namespace = self.namespace

        spec = self.spec.to_dict()

        status = self.status.to_dict()

        traffic = []
        for traffic_item_data in self.traffic:
            traffic_item = traffic_item_data.to_dict()
            traffic.append(traffic_item)

        uid = self.uid

        updated_at = self.updated_at.isoformat()

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "created_at": created_at,
                "labels": labels,
                "name": name,
                "namespace": namespace,
                "spec": spec,
                "status": status,
                "traffic": traffic,
                "uid": uid,
                "updated_at": updated_at,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.function_labels import FunctionLabels
        from ..models.function_status import FunctionStatus
        from ..models.spec import Spec
        from ..models.target import Target

        d = dict(src_dict)
        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        labels = FunctionLabels.from_dict(d.pop("labels"))

        name = d.pop("name")

        namespace = d.pop("namespace")

        spec = Spec.from_dict(d.pop("spec"))

        status = FunctionStatus.from_dict(d.pop("status"))

        traffic = []
        _traffic = d.pop("traffic")
        for traffic_item_data in _traffic:
            traffic_item = Target.from_dict(traffic_item_data)

            traffic.append(traffic_item)

        uid = d.pop("uid")

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        version = d.pop("version")

        function = cls(
            created_at=created_at,
            labels=labels,
            name=name,
            namespace=namespace,
            spec=spec,
            status=status,
            traffic=traffic,
            uid=uid,
            updated_at=updated_at,
            version=version,
        )

        function.additional_properties = d
        return function

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
