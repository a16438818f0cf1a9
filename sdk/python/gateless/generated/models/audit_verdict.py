from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.audit_chain import AuditChain


T = TypeVar("T", bound="AuditVerdict")


@_attrs_define
class AuditVerdict:
    """Whether the log is as it was written.

    Attributes:
        chains (list[AuditChain]): Each chain by itself: changes, requests that changed nothing, and those of whoever
            had no good token.
        intact (bool): Whether every entry that is kept follows the one before it unaltered, to the one that was written
            last.
        broken (None | str | Unset): Where it does not. Example: audit-00000000000000000001.jsonl:17 was altered.
    """

    chains: list[AuditChain]
    intact: bool
    broken: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        chains = []
        for chains_item_data in self.chains:
            chains_item = chains_item_data.to_dict()
            chains.append(chains_item)

        intact = self.intact

        broken: None | str | Unset
        if isinstance(self.broken, Unset):
            broken = UNSET
        else:
            broken = self.broken

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "chains": chains,
                "intact": intact,
            }
        )
        if broken is not UNSET:
            field_dict["broken"] = broken

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.audit_chain import AuditChain

        d = dict(src_dict)
        chains = []
        _chains = d.pop("chains")
        for chains_item_data in _chains:
            chains_item = AuditChain.from_dict(chains_item_data)

            chains.append(chains_item)

        intact = d.pop("intact")

        def _parse_broken(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        broken = _parse_broken(d.pop("broken", UNSET))

        audit_verdict = cls(
            chains=chains,
            intact=intact,
            broken=broken,
        )

        audit_verdict.additional_properties = d
        return audit_verdict

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
