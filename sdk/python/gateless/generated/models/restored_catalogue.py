from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="RestoredCatalogue")


@_attrs_define
class RestoredCatalogue:
    """What came back.

    Attributes:
        artifacts (int): How many artifacts were fetched from sidecars.
        functions (int): How many functions came back.
        missing_artifacts (list[str]): Digests of artifacts that no sidecar has any more; upload them again.
        secrets (int): How many secrets.
        sidecar (str): The sidecar whose catalogue it is. Example: 0badcafe.
        triggers (int): How many triggers.
        version (int): Which version of it.
    """

    artifacts: int
    functions: int
    missing_artifacts: list[str]
    secrets: int
    sidecar: str
    triggers: int
    version: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        artifacts = self.artifacts

        functions = self.functions

        missing_artifacts = self.missing_artifacts

        secrets = self.secrets

        sidecar = self.sidecar

        triggers = self.triggers

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "artifacts": artifacts,
                "functions": functions,
                "missing_artifacts": missing_artifacts,
                "secrets": secrets,
                "sidecar": sidecar,
                "triggers": triggers,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        artifacts = d.pop("artifacts")

        functions = d.pop("functions")

        missing_artifacts = cast(list[str], d.pop("missing_artifacts"))

        secrets = d.pop("secrets")

        sidecar = d.pop("sidecar")

        triggers = d.pop("triggers")

        version = d.pop("version")

        restored_catalogue = cls(
            artifacts=artifacts,
            functions=functions,
            missing_artifacts=missing_artifacts,
            secrets=secrets,
            sidecar=sidecar,
            triggers=triggers,
            version=version,
        )

        restored_catalogue.additional_properties = d
        return restored_catalogue

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
