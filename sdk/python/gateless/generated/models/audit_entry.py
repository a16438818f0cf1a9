from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.audit_actor import AuditActor
    from ..models.audit_change import AuditChange


T = TypeVar("T", bound="AuditEntry")


@_attrs_define
class AuditEntry:
    """One change, or one that was refused.

    Attributes:
        action (str): Method and route. Example: PUT /v1/namespaces/{namespace}/functions/{name}.
        actor (AuditActor): Who did something, as far as it is known.
        changes (list[AuditChange]): What was changed.
        omitted (int): Changes that were too many to be listed.
        path (str): The path. Example: /v1/namespaces/default/functions/hello.
        previous (str): The hash of the entry before in the same chain.
        sequence (int): Its place in this server's log: each has a higher number than those before, over all chains.
        suppressed (int): Requests of the same actor before this one that changed nothing and were too many to be
            recorded.
        time (datetime.datetime): When it was answered.
        code (None | str | Unset): Why it was refused, as in the problem.
        forwarded (None | str | Unset): Where a proxy says that it came from; anybody can write that.
        from_ (None | str | Unset): The address the request came from; null: from this machine, without one.
        hash_ (None | str | Unset): The hash of this one: SHA-256 of its line up to this field.
        namespace (None | str | Unset): The namespace concerned; null: none in particular.
        status (int | None | Unset): What it was answered with; null: whoever asked went away before, and changes may
            have been made.
    """

    action: str
    actor: AuditActor
    changes: list[AuditChange]
    omitted: int
    path: str
    previous: str
    sequence: int
    suppressed: int
    time: datetime.datetime
    code: None | str | Unset = UNSET
    forwarded: None | str | Unset = UNSET
    from_: None | str | Unset = UNSET
    hash_: None | str | Unset = UNSET
    namespace: None | str | Unset = UNSET
    status: int | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        action = self.action

        actor = self.actor.to_dict()

        changes = []
        for changes_item_data in self.changes:
            changes_item = changes_item_data.to_dict()
            changes.append(changes_item)

        omitted = self.omitted

        path = self.path

        previous = self.previous

        sequence = self.sequence

        suppressed = self.suppressed

        time = self.time.isoformat()

        code: None | str | Unset
        if isinstance(self.code, Unset):
            code = UNSET
        else:
            code = self.code

        forwarded: None | str | Unset
        if isinstance(self.forwarded, Unset):
            forwarded = UNSET
        else:
            forwarded = self.forwarded

        from_: None | str | Unset
        if isinstance(self.from_, Unset):
            from_ = UNSET
        else:
            from_ = self.from_

        hash_: None | str | Unset
        if isinstance(self.hash_, Unset):
            hash_ = UNSET
        else:
            hash_ = self.hash_

        namespace: None | str | Unset
        if isinstance(self.namespace, Unset):
            namespace = UNSET
        else:
            namespace = self.namespace

        status: int | None | Unset
        if isinstance(self.status, Unset):
            status = UNSET
        else:
            status = self.status

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "action": action,
                "actor": actor,
                "changes": changes,
                "omitted": omitted,
                "path": path,
                "previous": previous,
                "sequence": sequence,
                "suppressed": suppressed,
                "time": time,
            }
        )
        if code is not UNSET:
            field_dict["code"] = code
        if forwarded is not UNSET:
            field_dict["forwarded"] = forwarded
        if from_ is not UNSET:
            field_dict["from"] = from_
        if hash_ is not UNSET:
            field_dict["hash"] = hash_
        if namespace is not UNSET:
            field_dict["namespace"] = namespace
        if status is not UNSET:
            field_dict["status"] = status

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.audit_actor import AuditActor
        from ..models.audit_change import AuditChange

        d = dict(src_dict)
        action = d.pop("action")

        actor = AuditActor.from_dict(d.pop("actor"))

        changes = []
        _changes = d.pop("changes")
        for changes_item_data in _changes:
            changes_item = AuditChange.from_dict(changes_item_data)

            changes.append(changes_item)

        omitted = d.pop("omitted")

        path = d.pop("path")

        previous = d.pop("previous")

        sequence = d.pop("sequence")

        suppressed = d.pop("suppressed")

        time = datetime.datetime.fromisoformat(d.pop("time"))

        def _parse_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        code = _parse_code(d.pop("code", UNSET))

        def _parse_forwarded(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        forwarded = _parse_forwarded(d.pop("forwarded", UNSET))

        def _parse_from_(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        from_ = _parse_from_(d.pop("from", UNSET))

        def _parse_hash_(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        hash_ = _parse_hash_(d.pop("hash", UNSET))

        def _parse_namespace(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        namespace = _parse_namespace(d.pop("namespace", UNSET))

        def _parse_status(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        status = _parse_status(d.pop("status", UNSET))

        audit_entry = cls(
            action=action,
            actor=actor,
            changes=changes,
            omitted=omitted,
            path=path,
            previous=previous,
            sequence=sequence,
            suppressed=suppressed,
            time=time,
            code=code,
            forwarded=forwarded,
            from_=from_,
            hash_=hash_,
            namespace=namespace,
            status=status,
        )

        audit_entry.additional_properties = d
        return audit_entry

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
