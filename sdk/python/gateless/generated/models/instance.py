from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Instance")


@_attrs_define
class Instance:
    """One running instance.

    Attributes:
        address (str): Where it listens, on its host.
        id (str): Its id; never used twice.
        in_flight (int): Calls in it.
        revision (str): Its revision.
        sidecar (str): The sidecar it runs beside.
        state (str): `starting`, `ready`, `draining`, `stopping` or `failed`. Example: ready.
        started_at (datetime.datetime | None | Unset): When it was started.
    """

    address: str
    id: str
    in_flight: int
    revision: str
    sidecar: str
    state: str
    started_at: datetime.datetime | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        address = self.address

        id = self.id

        in_flight = self.in_flight

        revision = self.revision

        sidecar = self.sidecar

        state = self.state

        started_at: None | str | Unset
        if isinstance(self.started_at, Unset):
            started_at = UNSET
        elif isinstance(self.started_at, datetime.datetime):
            started_at = self.started_at.isoformat()
        else:
            started_at = self.started_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "address": address,
                "id": id,
                "in_flight": in_flight,
                "revision": revision,
                "sidecar": sidecar,
                "state": state,
            }
        )
        if started_at is not UNSET:
            field_dict["started_at"] = started_at

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        address = d.pop("address")

        id = d.pop("id")

        in_flight = d.pop("in_flight")

        revision = d.pop("revision")

        sidecar = d.pop("sidecar")

        state = d.pop("state")

        def _parse_started_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                started_at_type_0 = datetime.datetime.fromisoformat(data)

                return started_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        started_at = _parse_started_at(d.pop("started_at", UNSET))

        instance = cls(
            address=address,
            id=id,
            in_flight=in_flight,
            revision=revision,
            sidecar=sidecar,
            state=state,
            started_at=started_at,
        )

        instance.additional_properties = d
        return instance

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
