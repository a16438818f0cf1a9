from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.call_phases import CallPhases


T = TypeVar("T", bound="CallRecord")


@_attrs_define
class CallRecord:
    """A call that is over, or one attempt of an asynchronous call.

    Attributes:
        broken_off (bool): The answer did not come to its end: it broke off, or its caller left.
        caller (str): Who made it: `outside`, `key:NAME`, `function`, `function:NAME.NAMESPACE` or `trigger`. Example:
            outside.
        cause (str): What led to it: `direct`, `parent` (it came with a trace), `trigger`, `trigger:NAME` or `replay`.
            Example: direct.
        duration_ms (float): From then to the end of its answer, in milliseconds.
        function (str): The function.
        id (str): Its id; ends in its sidecar's.
        kept (str): Why it is on record: `error`, `cold`, `slow`, or as a `sample`. Example: sample.
        method (str): Of the call.
        namespace (str): The function's namespace.
        path (str): Of the call, below the function, without its query; cut at 256 bytes.
        phases (CallPhases): Where a call's time went, in milliseconds, one after the other.
        response_bytes (int): Bytes of its answer's body.
        sends (int): How often it was sent.
        sidecar (str): The sidecar that it came in at.
        state (str): `answered`, `failed` (with 5xx, or its answer broke off) or `refused` (the function never saw it).
            Example: answered.
        status (int): What its caller was answered.
        arrived_at (datetime.datetime | None | Unset): When it came.
        attempt (int | None | Unset): Which attempt, from 1.
        call_id (None | str | Unset): The asynchronous call whose attempt it is; null: its caller waited for it.
        code (None | str | Unset): The problem's code, where the sidecar answered in the function's place.
        held_for (None | str | Unset): What it was held for: an `instance` (none was ready) or `room` (all were full);
            null: it was not held.
        host (None | str | Unset): The sidecar on whose host that instance was.
        instance (None | str | Unset): The instance that had it last; null: none had.
        parent_span_id (None | str | Unset): The span of that trace that it is a child of.
        request_bytes (int | None | Unset): Bytes of its body; null: nobody said how many there were.
        revision (None | str | Unset): The revision; null: none was chosen.
        trace_id (None | str | Unset): Its trace (W3C Trace Context); null: it was refused before it had one.
    """

    broken_off: bool
    caller: str
    cause: str
    duration_ms: float
    function: str
    id: str
    kept: str
    method: str
    namespace: str
    path: str
    phases: CallPhases
    response_bytes: int
    sends: int
    sidecar: str
    state: str
    status: int
    arrived_at: datetime.datetime | None | Unset = UNSET
    attempt: int | None | Unset = UNSET
    call_id: None | str | Unset = UNSET
    code: None | str | Unset = UNSET
    held_for: None | str | Unset = UNSET
    host: None | str | Unset = UNSET
    instance: None | str | Unset = UNSET
    parent_span_id: None | str | Unset = UNSET
    request_bytes: int | None | Unset = UNSET
    revision: None | str | Unset = UNSET
    trace_id: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        broken_off = self.broken_off

        caller = self.caller

        cause = self.cause

        duration_ms = self.duration_ms

        function = self.function

        id = self.id

        kept = self.kept

        method = self.method

        namespace = self.namespace

        path = self.path

        phases = self.phases.to_dict()

        response_bytes = self.response_bytes

        sends = self.sends

        sidecar = self.sidecar

        state = self.state

        status = self.status

        arrived_at: None | str | Unset
        if isinstance(self.arrived_at, Unset):
            arrived_at = UNSET
        elif isinstance(self.arrived_at, datetime.datetime):
            arrived_at = self.arrived_at.isoformat()
        else:
            arrived_at = self.arrived_at

        attempt: int | None | Unset
        if isinstance(self.attempt, Unset):
            attempt = UNSET
        else:
            attempt = self.attempt

        call_id: None | str | Unset
        if isinstance(self.call_id, Unset):
            call_id = UNSET
        else:
            call_id = self.call_id

        code: None | str | Unset
        if isinstance(self.code, Unset):
            code = UNSET
        else:
            code = self.code

        held_for: None | str | Unset
        if isinstance(self.held_for, Unset):
            held_for = UNSET
        else:
            held_for = self.held_for

        host: None | str | Unset
        if isinstance(self.host, Unset):
            host = UNSET
        else:
            host = self.host

        instance: None | str | Unset
        if isinstance(self.instance, Unset):
            instance = UNSET
        else:
            instance = self.instance

        parent_span_id: None | str | Unset
        if isinstance(self.parent_span_id, Unset):
            parent_span_id = UNSET
        else:
            parent_span_id = self.parent_span_id

        request_bytes: int | None | Unset
        if isinstance(self.request_bytes, Unset):
            request_bytes = UNSET
        else:
            request_bytes = self.request_bytes

        revision: None | str | Unset
        if isinstance(self.revision, Unset):
            revision = UNSET
        else:
            revision = self.revision

        trace_id: None | str | Unset
        if isinstance(self.trace_id, Unset):
            trace_id = UNSET
        else:
            trace_id = self.trace_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "broken_off": broken_off,
                "caller": caller,
                "cause": cause,
                "duration_ms": duration_ms,
                "function": function,
                "id": id,
                "kept": kept,
                "method": method,
                "namespace": namespace,
                "path": path,
                "phases": phases,
                "response_bytes": response_bytes,
                "sends": sends,
                "sidecar": sidecar,
                "state": state,
                "status": status,
            }
        )
        if arrived_at is not UNSET:
            field_dict["arrived_at"] = arrived_at
        if attempt is not UNSET:
            field_dict["attempt"] = attempt
        if call_id is not UNSET:
            field_dict["call_id"] = call_id
        if code is not UNSET:
            field_dict["code"] = code
        if held_for is not UNSET:
            field_dict["held_for"] = held_for
        if host is not UNSET:
            field_dict["host"] = host
        if instance is not UNSET:
            field_dict["instance"] = instance
        if parent_span_id is not UNSET:
            field_dict["parent_span_id"] = parent_span_id
        if request_bytes is not UNSET:
            field_dict["request_bytes"] = request_bytes
        if revision is not UNSET:
            field_dict["revision"] = revision
        if trace_id is not UNSET:
            field_dict["trace_id"] = trace_id

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.call_phases import CallPhases

        d = dict(src_dict)
        broken_off = d.pop("broken_off")

        caller = d.pop("caller")

        cause = d.pop("cause")

        duration_ms = d.pop("duration_ms")

        function = d.pop("function")

        id = d.pop("id")

        kept = d.pop("kept")

        method = d.pop("method")

        namespace = d.pop("namespace")

        path = d.pop("path")

        phases = CallPhases.from_dict(d.pop("phases"))

        response_bytes = d.pop("response_bytes")

        sends = d.pop("sends")

        sidecar = d.pop("sidecar")

        state = d.pop("state")

        status = d.pop("status")

        def _parse_arrived_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                arrived_at_type_0 = datetime.datetime.fromisoformat(data)

                return arrived_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        arrived_at = _parse_arrived_at(d.pop("arrived_at", UNSET))

        def _parse_attempt(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        attempt = _parse_attempt(d.pop("attempt", UNSET))

        def _parse_call_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        call_id = _parse_call_id(d.pop("call_id", UNSET))

        def _parse_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        code = _parse_code(d.pop("code", UNSET))

        def _parse_held_for(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        held_for = _parse_held_for(d.pop("held_for", UNSET))

        def _parse_host(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        host = _parse_host(d.pop("host", UNSET))

        def _parse_instance(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        instance = _parse_instance(d.pop("instance", UNSET))

        def _parse_parent_span_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        parent_span_id = _parse_parent_span_id(d.pop("parent_span_id", UNSET))

        def _parse_request_bytes(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        request_bytes = _parse_request_bytes(d.pop("request_bytes", UNSET))

        def _parse_revision(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        revision = _parse_revision(d.pop("revision", UNSET))

        def _parse_trace_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        trace_id = _parse_trace_id(d.pop("trace_id", UNSET))

        call_record = cls(
            broken_off=broken_off,
            caller=caller,
            cause=cause,
            duration_ms=duration_ms,
            function=function,
            id=id,
            kept=kept,
            method=method,
            namespace=namespace,
            path=path,
            phases=phases,
            response_bytes=response_bytes,
            sends=sends,
            sidecar=sidecar,
            state=state,
            status=status,
            arrived_at=arrived_at,
            attempt=attempt,
            call_id=call_id,
            code=code,
            held_for=held_for,
            host=host,
            instance=instance,
            parent_span_id=parent_span_id,
            request_bytes=request_bytes,
            revision=revision,
            trace_id=trace_id,
        )

        call_record.additional_properties = d
        return call_record

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
