from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.quota import Quota
    from ..models.quota_use import QuotaUse


T = TypeVar("T", bound="NamespaceQuota")


@_attrs_define
class NamespaceQuota:
    """A namespace's quota, and what it has.

    Attributes:
        namespace (str): The namespace.
        quota (Quota): A namespace's bounds; one that is left out or null is none. Example: {'cpu_millicores': 16000,
            'functions': 20, 'instances': 100, 'memory_bytes': 8589934592, 'secrets': 50, 'tokens': 50}.
        used (QuotaUse): What a namespace has. Without a bound of a function's own there is no sum.
        version (int): The etag's number; 0: none was set.
    """

    namespace: str
    quota: Quota
    used: QuotaUse
    version: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        namespace = self.namespace

        quota = self.quota.to_dict()

        used = self.used.to_dict()

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "namespace": namespace,
                "quota": quota,
                "used": used,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.quota import Quota
        from ..models.quota_use import QuotaUse

        d = dict(src_dict)
        namespace = d.pop("namespace")

        quota = Quota.from_dict(d.pop("quota"))

        used = QuotaUse.from_dict(d.pop("used"))

        version = d.pop("version")

        namespace_quota = cls(
            namespace=namespace,
            quota=quota,
            used=used,
            version=version,
        )

        namespace_quota.additional_properties = d
        return namespace_quota

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
