from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.trigger_spec import TriggerSpec
    from ..models.trigger_status import TriggerStatus
    from ..models.warning import Warning_


T = TypeVar("T", bound="Trigger")


@_attrs_define
class Trigger:
    """A trigger.

    Attributes:
        created_at (datetime.datetime): When it was first put.
        name (str): Its name. Example: nightly.
        namespace (str): Its namespace. Example: default.
        spec (TriggerSpec): What fires, and the call that is made then.
        status (TriggerStatus): How a trigger is. Counts are summed over sidecars.
        uid (str): Changes when it is deleted and created again.
        updated_at (datetime.datetime): When it was last changed.
        version (int): The etag's number.
        warnings (list[Warning_]): Sidecars that could not be asked what it did there; in a list they are named once,
            beside the
            items.
    """

    created_at: datetime.datetime
    name: str
    namespace: str
    spec: TriggerSpec
    status: TriggerStatus
    uid: str
    updated_at: datetime.datetime
    version: int
    warnings: list[Warning_]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        created_at = self.created_at.isoformat()

        name = self.name

        namespace = self.namespace

        spec = self.spec.to_dict()

        status = self.status.to_dict()

        uid = self.uid

        updated_at = self.updated_at.isoformat()

        version = self.version

        warnings = []
        for warnings_item_data in self.warnings:
            warnings_item = warnings_item_data.to_dict()
            warnings.append(warnings_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "created_at": created_at,
                "name": name,
                "namespace": namespace,
                "spec": spec,
                "status": status,
                "uid": uid,
                "updated_at": updated_at,
                "version": version,
                "warnings": warnings,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.trigger_spec import TriggerSpec
        from ..models.trigger_status import TriggerStatus
        from ..models.warning import Warning_

        d = dict(src_dict)
        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        name = d.pop("name")

        namespace = d.pop("namespace")

        spec = TriggerSpec.from_dict(d.pop("spec"))

        status = TriggerStatus.from_dict(d.pop("status"))

        uid = d.pop("uid")

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        version = d.pop("version")

        warnings = []
        _warnings = d.pop("warnings")
        for warnings_item_data in _warnings:
            warnings_item = Warning_.from_dict(warnings_item_data)

            warnings.append(warnings_item)

        trigger = cls(
            created_at=created_at,
            name=name,
            namespace=namespace,
            spec=spec,
            status=status,
            uid=uid,
            updated_at=updated_at,
            version=version,
            warnings=warnings,
        )

        trigger.additional_properties = d
        return trigger

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
