from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="QuotaUse")


@_attrs_define
class QuotaUse:
    """What a namespace has. Without a bound of a function's own there is no sum.

    Attributes:
        functions (int): Functions.
        secrets (int): Secrets.
        tokens (int): Live tokens.
        cpu_millicores (int | None | Unset): Thousandths of a CPU that those instances may use; null: there is no bound.
        instances (int | None | Unset): Instances that may run at once; null: there is no bound.
        memory_bytes (int | None | Unset): Memory of those instances; null: there is no bound.
    """

    functions: int
    secrets: int
    tokens: int
    cpu_millicores: int | None | Unset = UNSET
    instances: int | None | Unset = UNSET
    memory_bytes: int | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        functions = self.functions

        secrets = self.secrets

        tokens = self.tokens

        cpu_millicores: int | None | Unset
        if isinstance(self.cpu_millicores, Unset):
            cpu_millicores = UNSET
        else:
            cpu_millicores = self.cpu_millicores

        instances: int | None | Unset
        if isinstance(self.instances, Unset):
            instances = UNSET
        else:
            instances = self.instances

        memory_bytes: int | None | Unset
        if isinstance(self.memory_bytes, Unset):
            memory_bytes = UNSET
        else:
            memory_bytes = self.memory_bytes

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "functions": functions,
                "secrets": secrets,
                "tokens": tokens,
            }
        )
        if cpu_millicores is not UNSET:
            field_dict["cpu_millicores"] = cpu_millicores
        if instances is not UNSET:
            field_dict["instances"] = instances
        if memory_bytes is not UNSET:
            field_dict["memory_bytes"] = memory_bytes

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        functions = d.pop("functions")

        secrets = d.pop("secrets")

        tokens = d.pop("tokens")

        def _parse_cpu_millicores(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        cpu_millicores = _parse_cpu_millicores(d.pop("cpu_millicores", UNSET))

        def _parse_instances(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        instances = _parse_instances(d.pop("instances", UNSET))

        def _parse_memory_bytes(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        memory_bytes = _parse_memory_bytes(d.pop("memory_bytes", UNSET))

        quota_use = cls(
            functions=functions,
            secrets=secrets,
            tokens=tokens,
            cpu_millicores=cpu_millicores,
            instances=instances,
            memory_bytes=memory_bytes,
        )

        quota_use.additional_properties = d
        return quota_use

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
