from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.authority import Authority


T = TypeVar("T", bound="Identity")


@_attrs_define
class Identity:
    """Whom this cluster trusts.

    Attributes:
        authorities (list[Authority]): The authorities that are trusted; the first issues.
        gossip_key_created_at (datetime.datetime): When the newest key that gossip is sealed with was made.
        revoked (int): Sidecars that were revoked and could still have a certificate.
        trust_domain (str): In whose names certificates are: `spiffe://TRUST-DOMAIN/sidecar/NODE-ID`. Example:
            gateless-0badcafe.
        trust_version (int): Of all that is trusted; higher is newer.
    """

    authorities: list[Authority]
    gossip_key_created_at: datetime.datetime
    revoked: int
    trust_domain: str
    trust_version: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        authorities = []
        for authorities_item_data in self.authorities:
            authorities_item = authorities_item_data.to_dict()
            authorities.append(authorities_item)

        gossip_key_created_at = self.gossip_key_created_at.isoformat()

        revoked = self.revoked

        trust_domain = self.trust_domain

        trust_version = self.trust_version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "authorities": authorities,
                "gossip_key_created_at": gossip_key_created_at,
                "revoked": revoked,
                "trust_domain": trust_domain,
                "trust_version": trust_version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.authority import Authority

        d = dict(src_dict)
        authorities = []
        _authorities = d.pop("authorities")
        for authorities_item_data in _authorities:
            authorities_item = Authority.from_dict(authorities_item_data)

            authorities.append(authorities_item)

        gossip_key_created_at = datetime.datetime.fromisoformat(
            d.pop("gossip_key_created_at")
        )

        revoked = d.pop("revoked")

        trust_domain = d.pop("trust_domain")

        trust_version = d.pop("trust_version")

        identity = cls(
            authorities=authorities,
            gossip_key_created_at=gossip_key_created_at,
            revoked=revoked,
            trust_domain=trust_domain,
            trust_version=trust_version,
        )

        identity.additional_properties = d
        return identity

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
