from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.attempt import Attempt


T = TypeVar("T", bound="Invocation")


@_attrs_define
class Invocation:
    """An asynchronous call.

    Attributes:
        attempts (list[Attempt]): Oldest first.
        body_bytes (int): Bytes of its body.
        function (str): The function.
        id (str): Its id; ends in its sidecar's.
        method (str): Of the call.
        namespace (str): The function's namespace.
        path (str): Of the call, below the function.
        result_bytes (int): Bytes of its result.
        sidecar (str): The sidecar that has it.
        state (str): `queued`, `running`, `retrying`, `succeeded`, `dead` or `cancelled`. Example: succeeded.
        accepted_at (datetime.datetime | None | Unset): When it was accepted.
        callback_error (None | str | Unset): Why the callback's last attempt failed; null: none was made, or it did not.
        callback_state (None | str | Unset): `pending`, `delivered` or `failed`; null: nothing is sent.
        callback_url (None | str | Unset): Where its result is sent.
        finished_at (datetime.datetime | None | Unset): Null: it is not finished.
        idempotency_key (None | str | Unset): The caller's key.
        next_attempt_at (datetime.datetime | None | Unset): Null: there will be none.
        reason (None | str | Unset): Why it is dead or cancelled.
        status (int | None | Unset): The function's own status; null: it has not answered.
        trigger (None | str | Unset): The trigger that made it; null: a caller did.
        waits_for (None | str | Unset): What it waits for: `function` (the catalogue that its sidecar has in force does
            not have it, though nobody deleted it),
            `retry` (the time of its next attempt) or `turn` (calls before it, or room in an instance); null: nothing.
    """

    attempts: list[Attempt]
    body_bytes: int
    function: str
    id: str
    method: str
    namespace: str
    path: str
    result_bytes: int
    sidecar: str
    state: str
    accepted_at: datetime.datetime | None | Unset = UNSET
    callback_error: None | str | Unset = UNSET
    callback_state: None | str | Unset = UNSET
    callback_url: None | str | Unset = UNSET
    finished_at: datetime.datetime | None | Unset = UNSET
    idempotency_key: None | str | Unset = UNSET
    next_attempt_at: datetime.datetime | None | Unset = UNSET
    reason: None | str | Unset = UNSET
    status: int | None | Unset = UNSET
    trigger: None | str | Unset = UNSET
    waits_for: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        attempts = []
        for attempts_item_data in self.attempts:
            attempts_item = attempts_item_data.to_dict()
            attempts.append(attempts_item)

        body_bytes = self.body_bytes

        function = self.function

        id = self.id

        method = self.method

        namespace = self.namespace

        path = self.path

        result_bytes = self.result_bytes

        sidecar = self.sidecar

        state = self.state

        accepted_at: None | str | Unset
        if isinstance(self.accepted_at, Unset):
            accepted_at = UNSET
        elif isinstance(self.accepted_at, datetime.datetime):
            accepted_at = self.accepted_at.isoformat()
        else:
            accepted_at = self.accepted_at

        callback_error: None | str | Unset
        if isinstance(self.callback_error, Unset):
            callback_error = UNSET
        else:
            callback_error = self.callback_error

        callback_state: None | str | Unset
        if isinstance(self.callback_state, Unset):
            callback_state = UNSET
        else:
            callback_state = self.callback_state

        callback_url: None | str | Unset
        if isinstance(self.callback_url, Unset):
            callback_url = UNSET
        else:
            callback_url = self.callback_url

        finished_at: None | str | Unset
        if isinstance(self.finished_at, Unset):
            finished_at = UNSET
        elif isinstance(self.finished_at, datetime.datetime):
            finished_at = self.finished_at.isoformat()
        else:
            finished_at = self.finished_at

        idempotency_key: None | str | Unset
        if isinstance(self.idempotency_key, Unset):
            idempotency_key = UNSET
        else:
            idempotency_key = self.idempotency_key

        next_attempt_at: None | str | Unset
        if isinstance(self.next_attempt_at, Unset):
            next_attempt_at = UNSET
        elif isinstance(self.next_attempt_at, datetime.datetime):
            next_attempt_at = self.next_attempt_at.isoformat()
        else:
            next_attempt_at = self.next_attempt_at

        reason: None | str | Unset
        if isinstance(self.reason, Unset):
            reason = UNSET
        else:
            reason = self.reason

        status: int | None | Unset
        if isinstance(self.status, Unset):
            status = UNSET
        else:
            status = self.status

        trigger: None | str | Unset
        if isinstance(self.trigger, Unset):
            trigger = UNSET
        else:
            trigger = self.trigger

        waits_for: None | str | Unset
        if isinstance(self.waits_for, Unset):
            waits_for = UNSET
        else:
            waits_for = self.waits_for

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "attempts": attempts,
                "body_bytes": body_bytes,
                "function": function,
                "id": id,
                "method": method,
                "namespace": namespace,
                "path": path,
                "result_bytes": result_bytes,
                "sidecar": sidecar,
                "state": state,
            }
        )
        if accepted_at is not UNSET:
            field_dict["accepted_at"] = accepted_at
        if callback_error is not UNSET:
            field_dict["callback_error"] = callback_error
        if callback_state is not UNSET:
            field_dict["callback_state"] = callback_state
        if callback_url is not UNSET:
            field_dict["callback_url"] = callback_url
        if finished_at is not UNSET:
            field_dict["finished_at"] = finished_at
        if idempotency_key is not UNSET:
            field_dict["idempotency_key"] = idempotency_key
        if next_attempt_at is not UNSET:
            field_dict["next_attempt_at"] = next_attempt_at
        if reason is not UNSET:
            field_dict["reason"] = reason
        if status is not UNSET:
            field_dict["status"] = status
        if trigger is not UNSET:
            field_dict["trigger"] = trigger
        if waits_for is not UNSET:
            field_dict["waits_for"] = waits_for

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.attempt import Attempt

        d = dict(src_dict)
        attempts = []
        _attempts = d.pop("attempts")
        for attempts_item_data in _attempts:
            attempts_item = Attempt.from_dict(attempts_item_data)

            attempts.append(attempts_item)

        body_bytes = d.pop("body_bytes")

        function = d.pop("function")

        id = d.pop("id")

        method = d.pop("method")

        namespace = d.pop("namespace")

        path = d.pop("path")

        result_bytes = d.pop("result_bytes")

        sidecar = d.pop("sidecar")

        state = d.pop("state")

        def _parse_accepted_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                accepted_at_type_0 = datetime.datetime.fromisoformat(data)

                return accepted_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        accepted_at = _parse_accepted_at(d.pop("accepted_at", UNSET))

        def _parse_callback_error(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        callback_error = _parse_callback_error(d.pop("callback_error", UNSET))

        def _parse_callback_state(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        callback_state = _parse_callback_state(d.pop("callback_state", UNSET))

        def _parse_callback_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        callback_url = _parse_callback_url(d.pop("callback_url", UNSET))

        def _parse_finished_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                finished_at_type_0 = datetime.datetime.fromisoformat(data)

                return finished_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        finished_at = _parse_finished_at(d.pop("finished_at", UNSET))

        def _parse_idempotency_key(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        idempotency_key = _parse_idempotency_key(d.pop("idempotency_key", UNSET))

        def _parse_next_attempt_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                next_attempt_at_type_0 = datetime.datetime.fromisoformat(data)

                return next_attempt_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        next_attempt_at = _parse_next_attempt_at(d.pop("next_attempt_at", UNSET))

        def _parse_reason(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        reason = _parse_reason(d.pop("reason", UNSET))

        def _parse_status(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        status = _parse_status(d.pop("status", UNSET))

        def _parse_trigger(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        trigger = _parse_trigger(d.pop("trigger", UNSET))

        def _parse_waits_for(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        waits_for = _parse_waits_for(d.pop("waits_for", UNSET))

        invocation = cls(
            attempts=attempts,
            body_bytes=body_bytes,
            function=function,
            id=id,
            method=method,
            namespace=namespace,
            path=path,
            result_bytes=result_bytes,
            sidecar=sidecar,
            state=state,
            accepted_at=accepted_at,
            callback_error=callback_error,
            callback_state=callback_state,
            callback_url=callback_url,
            finished_at=finished_at,
            idempotency_key=idempotency_key,
            next_attempt_at=next_attempt_at,
            reason=reason,
            status=status,
            trigger=trigger,
            waits_for=waits_for,
        )

        invocation.additional_properties = d
        return invocation

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
