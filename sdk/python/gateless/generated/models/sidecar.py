from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.condition import Condition
    from ..models.rejection import Rejection


T = TypeVar("T", bound="Sidecar")


@_attrs_define
class Sidecar:
    """A sidecar.

    Attributes:
        async_queued (int): Calls in its queue.
        catalogue_version (int): The catalogue version it applied.
        conditions (list[Condition]): How it is: `Isolated`, `CatalogueTaken`.
        config_version (int): The same as `catalogue_version`.
        connected (bool): Whether its config stream is up.
        connected_at (datetime.datetime): When it last connected.
        domain (str): Functions are called by the host name `NAME.NAMESPACE.DOMAIN` there, too; empty: it did not say.
            Example: localhost.
        draining (bool): It starts no instances and gives up those it has as soon as others have as many ready; calls
            through it go on.
        gossip_address (str): Its gossip address.
        held (int): Calls it holds.
        id (str): Its id, for as long as its data folder lives.
        instances (int): Instances it runs.
        lag (int): How many versions that is behind the newest it must have; 0: it is up to date.
        last_seen_at (datetime.datetime): When it last said anything.
        node_id (str): The same as `id`.
        owns (list[str]): The functions it owns (whose scaling it decides), as `NAMESPACE/NAME`.
        peer_address (str): Where peers and the server reach it.
        public_url (str): Where people call functions. Example: http://10.0.0.1:8080.
        rejections (list[Rejection]): Resources it refused; the last good ones stay in force.
        version (str): The program's version.
        certificate_expires_at (datetime.datetime | None | Unset): When its certificate ends, unless it is renewed
            before, as it is at half of its life.
    """

    async_queued: int
    catalogue_version: int
    conditions: list[Condition]
    config_version: int
    connected: bool
    connected_at: datetime.datetime
    domain: str
    draining: bool
    gossip_address: str
    held: int
    id: str
    instances: int
    lag: int
    last_seen_at: datetime.datetime
    node_id: str
    owns: list[str]
    peer_address: str
    public_url: str
    rejections: list[Rejection]
    version: str
    certificate_expires_at: datetime.datetime | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        async_queued = self.async_queued

        catalogue_version = self.catalogue_version

        conditions = []
        for conditions_item_data in self.conditions:
            conditions_item = conditions_item_data.to_dict()
            conditions.append(conditions_item)

        config_version = self.config_version

        connected = self.connected

        connected_at = self.connected_at.isoformat()

        domain = self.domain

        draining = self.draining

        gossip_address = self.gossip_address

        held = self.held

        id = self.id

        instances = self.instances

        lag = self.lag

        last_seen_at = self.last_seen_at.isoformat()

        node_id = self.node_id

        owns = self.owns

        peer_address = self.peer_address

        public_url = self.public_url

        rejections = []
        for rejections_item_data in self.rejections:
            rejections_item = rejections_item_data.to_dict()
            rejections.append(rejections_item)

        version = self.version

        certificate_expires_at: None | str | Unset
        if isinstance(self.certificate_expires_at, Unset):
            certificate_expires_at = UNSET
        elif isinstance(self.certificate_expires_at, datetime.datetime):
            certificate_expires_at = self.certificate_expires_at.isoformat()
        else:
            certificate_expires_at = self.certificate_expires_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "async_queued": async_queued,
                "catalogue_version": catalogue_version,
                "conditions": conditions,
                "config_version": config_version,
                "connected": connected,
                "connected_at": connected_at,
                "domain": domain,
                "draining": draining,
                "gossip_address": gossip_address,
                "held": held,
                "id": id,
                "instances": instances,
                "lag": lag,
                "last_seen_at": last_seen_at,
                "node_id": node_id,
                "owns": owns,
                "peer_address": peer_address,
                "public_url": public_url,
                "rejections": rejections,
                "version": version,
            }
        )
        if certificate_expires_at is not UNSET:
            field_dict["certificate_expires_at"] = certificate_expires_at

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.condition import Condition
        from ..models.rejection import Rejection

        d = dict(src_dict)
        async_queued = d.pop("async_queued")

        catalogue_version = d.pop("catalogue_version")

        conditions = []
        _conditions = d.pop("conditions")
        for conditions_item_data in _conditions:
            conditions_item = Condition.from_dict(conditions_item_data)

            conditions.append(conditions_item)

        config_version = d.pop("config_version")

        connected = d.pop("connected")

        connected_at = datetime.datetime.fromisoformat(d.pop("connected_at"))

        domain = d.pop("domain")

        draining = d.pop("draining")

        gossip_address = d.pop("gossip_address")

        held = d.pop("held")

        id = d.pop("id")

        instances = d.pop("instances")

        lag = d.pop("lag")

        last_seen_at = datetime.datetime.fromisoformat(d.pop("last_seen_at"))

        node_id = d.pop("node_id")

        owns = cast(list[str], d.pop("owns"))

        peer_address = d.pop("peer_address")

        public_url = d.pop("public_url")

        rejections = []
        _rejections = d.pop("rejections")
        for rejections_item_data in _rejections:
            rejections_item = Rejection.from_dict(rejections_item_data)

            rejections.append(rejections_item)

        version = d.pop("version")

        def _parse_certificate_expires_at(
            data: object,
        ) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                certificate_expires_at_type_0 = datetime.datetime.fromisoformat(data)

                return certificate_expires_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        certificate_expires_at = _parse_certificate_expires_at(
            d.pop("certificate_expires_at", UNSET)
        )

        sidecar = cls(
            async_queued=async_queued,
            catalogue_version=catalogue_version,
            conditions=conditions,
            config_version=config_version,
            connected=connected,
            connected_at=connected_at,
            domain=domain,
            draining=draining,
            gossip_address=gossip_address,
            held=held,
            id=id,
            instances=instances,
            lag=lag,
            last_seen_at=last_seen_at,
            node_id=node_id,
            owns=owns,
            peer_address=peer_address,
            public_url=public_url,
            rejections=rejections,
            version=version,
            certificate_expires_at=certificate_expires_at,
        )

        sidecar.additional_properties = d
        return sidecar

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
