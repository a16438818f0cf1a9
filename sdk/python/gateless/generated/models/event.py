from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Event")


@_attrs_define
class Event:
    """One event: the `data` of a server-sent event, whose `event` is the type. Fields that the type does not have
    are left out.

        Attributes:
            function (None | str): Null: it is of no one function.
            namespace (None | str): Null: it is of no one namespace.
            time (datetime.datetime): When.
            type_ (str): `hello`, `reset`, `function`, `sample`, `decision`, `instance`, `call`, `sidecar` or `trigger`;
                there may be
                more with time. Example: decision.
            action (None | str | Unset): function, sidecar: a MarkKind. trigger: `applied`, `deleted`, `fired`, `duplicate`
                (its call was there already), `failed`, `missed`, `skipped`.
            attempt (int | None | Unset): call: the attempt under way or the last one, from 1; 0: none yet.
            dead (int | None | Unset): sample: as in Sample.
            desired (int | None | Unset): decision, sample: instances wanted.
            errors_per_second (float | None | Unset): sample: as in Sample.
            event_id (None | str | Unset): hello: the newest event before.
            explanation (None | str | Unset): decision: for people.
            held (int | None | Unset): sample: as in Sample.
            id (None | str | Unset): call: its id.
            in_flight (float | None | Unset): sample: as in Sample.
            instance (None | str | Unset): instance: its id.
            lag (int | None | Unset): sidecar: how many catalogue versions it is behind.
            message (None | str | Unset): function, instance, reset: for people. trigger: its call's id, the error, or the
                time that was missed or skipped.
            p50_ms (float | None | Unset): sample: as in Sample.
            p95_ms (float | None | Unset): sample: as in Sample.
            previous (int | None | Unset): decision: instances wanted before.
            queued (int | None | Unset): sample: as in Sample.
            ready (int | None | Unset): sample: as in Sample.
            reason (None | str | Unset): decision: for programs.
            revision (None | str | Unset): function, decision, instance: which revision.
            rps (float | None | Unset): sample: as in Sample.
            sidecar (None | str | Unset): instance, sidecar: which sidecar.
            starting (int | None | Unset): sample: as in Sample.
            state (None | str | Unset): instance: `starting`, `ready`, `draining`, `stopped`, `failed`. call: as an
                invocation's.
            status (int | None | Unset): call: the function's status; null: it has not answered.
            trigger (None | str | Unset): trigger: its name.
    """

    function: None | str
    namespace: None | str
    time: datetime.datetime
    type_: str
    action: None | str | Unset = UNSET
    attempt: int | None | Unset = UNSET
    dead: int | None | Unset = UNSET
    desired: int | None | Unset = UNSET
    errors_per_second: float | None | Unset = UNSET
    event_id: None | str | Unset = UNSET
    explanation: None | str | Unset = UNSET
    held: int | None | Unset = UNSET
    id: None | str | Unset = UNSET
    in_flight: float | None | Unset = UNSET
    instance: None | str | Unset = UNSET
    lag: int | None | Unset = UNSET
    message: None | str | Unset = UNSET
    p50_ms: float | None | Unset = UNSET
    p95_ms: float | None | Unset = UNSET
    previous: int | None | Unset = UNSET
    queued: int | None | Unset = UNSET
    ready: int | None | Unset = UNSET
    reason: None | str | Unset = UNSET
    revision: None | str | Unset = UNSET
    rps: float | None | Unset = UNSET
    sidecar: None | str | Unset = UNSET
    starting: int | None | Unset = UNSET
    state: None | str | Unset = UNSET
    status: int | None | Unset = UNSET
    trigger: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        function: None | str
        function = self.function

        namespace: None | str
        namespace = self.namespace

        time = self.time.isoformat()

        type_ = self.type_

        action: None | str | Unset
        if isinstance(self.action, Unset):
            action = UNSET
        else:
            action = self.action

        attempt: int | None | Unset
        if isinstance(self.attempt, Unset):
            attempt = UNSET
        else:
            attempt = self.attempt

        dead: int | None | Unset
        if isinstance(self.dead, Unset):
            dead = UNSET
        else:
            dead = self.dead

        desired: int | None | Unset
        if isinstance(self.desired, Unset):
            desired = UNSET
        else:
            desired = self.desired

        errors_per_second: float | None | Unset
        if isinstance(self.errors_per_second, Unset):
            errors_per_second = UNSET
        else:
            errors_per_second = self.errors_per_second

        event_id: None | str | Unset
        if isinstance(self.event_id, Unset):
            event_id = UNSET
        else:
            event_id = self.event_id

        explanation: None | str | Unset
        if isinstance(self.explanation, Unset):
            explanation = UNSET
        else:
            explanation = self.explanation

        held: int | None | Unset
        if isinstance(self.held, Unset):
            held = UNSET
        else:
            held = self.held

        id: None | str | Unset
        if isinstance(self.id, Unset):
            id = UNSET
        else:
            id = self.id

        in_flight: float | None | Unset
        if isinstance(self.in_flight, Unset):
            in_flight = UNSET
        else:
            in_flight = self.in_flight

        instance: None | str | Unset
        if isinstance(self.instance, Unset):
            instance = UNSET
        else:
            instance = self.instance

        lag: int | None | Unset
        if isinstance(self.lag, Unset):
            lag = UNSET
        else:
            lag = self.lag

        message: None | str | Unset
        if isinstance(self.message, Unset):
            message = UNSET
        else:
            message = self.message

        p50_ms: float | None | Unset
        if isinstance(self.p50_ms, Unset):
            p50_ms = UNSET
        else:
            p50_ms = self.p50_ms

        p95_ms: float | None | Unset
        if isinstance(self.p95_ms, Unset):
            p95_ms = UNSET
        else:
            p95_ms = self.p95_ms

        previous: int | None | Unset
        if isinstance(self.previous, Unset):
            previous = UNSET
        else:
            previous = self.previous

        queued: int | None | Unset
        if isinstance(self.queued, Unset):
            queued = UNSET
        else:
            queued = self.queued

        ready: int | None | Unset
        if isinstance(self.ready, Unset):
            ready = UNSET
        else:
            ready = self.ready

        reason: None | str | Unset
        if isinstance(self.reason, Unset):
            reason = UNSET
        else:
            reason = self.reason

        revision: None | str | Unset
        if isinstance(self.revision, Unset):
            revision = UNSET
        else:
            revision = self.revision

        rps: float | None | Unset
        if isinstance(self.rps, Unset):
            rps = UNSET
        else:
            rps = self.rps

        sidecar: None | str | Unset
        if isinstance(self.sidecar, Unset):
            sidecar = UNSET
        else:
            sidecar = self.sidecar

        starting: int | None | Unset
        if isinstance(self.starting, Unset):
            starting = UNSET
        else:
            starting = self.starting

        state: None | str | Unset
        if isinstance(self.state, Unset):
            state = UNSET
        else:
            state = self.state

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

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "function": function,
                "namespace": namespace,
                "time": time,
                "type": type_,
            }
        )
        if action is not UNSET:
            field_dict["action"] = action
        if attempt is not UNSET:
            field_dict["attempt"] = attempt
        if dead is not UNSET:
            field_dict["dead"] = dead
        if desired is not UNSET:
            field_dict["desired"] = desired
        if errors_per_second is not UNSET:
            field_dict["errors_per_second"] = errors_per_second
        if event_id is not UNSET:
            field_dict["event_id"] = event_id
        if explanation is not UNSET:
            field_dict["explanation"] = explanation
        if held is not UNSET:
            field_dict["held"] = held
        if id is not UNSET:
            field_dict["id"] = id
        if in_flight is not UNSET:
            field_dict["in_flight"] = in_flight
        if instance is not UNSET:
            field_dict["instance"] = instance
        if lag is not UNSET:
            field_dict["lag"] = lag
        if message is not UNSET:
            field_dict["message"] = message
        if p50_ms is not UNSET:
            field_dict["p50_ms"] = p50_ms
        if p95_ms is not UNSET:
            field_dict["p95_ms"] = p95_ms
        if previous is not UNSET:
            field_dict["previous"] = previous
        if queued is not UNSET:
            field_dict["queued"] = queued
        if ready is not UNSET:
            field_dict["ready"] = ready
        if reason is not UNSET:
            field_dict["reason"] = reason
        if revision is not UNSET:
            field_dict["revision"] = revision
        if rps is not UNSET:
            field_dict["rps"] = rps
        if sidecar is not UNSET:
            field_dict["sidecar"] = sidecar
        if starting is not UNSET:
            field_dict["starting"] = starting
        if state is not UNSET:
            field_dict["state"] = state
        if status is not UNSET:
            field_dict["status"] = status
        if trigger is not UNSET:
            field_dict["trigger"] = trigger

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)

        def _parse_function(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        function = _parse_function(d.pop("function"))

        def _parse_namespace(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        namespace = _parse_namespace(d.pop("namespace"))

        time = datetime.datetime.fromisoformat(d.pop("time"))

        type_ = d.pop("type")

        def _parse_action(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        action = _parse_action(d.pop("action", UNSET))

        def _parse_attempt(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        attempt = _parse_attempt(d.pop("attempt", UNSET))

        def _parse_dead(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        dead = _parse_dead(d.pop("dead", UNSET))

        def _parse_desired(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        desired = _parse_desired(d.pop("desired", UNSET))

        def _parse_errors_per_second(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        errors_per_second = _parse_errors_per_second(d.pop("errors_per_second", UNSET))

        def _parse_event_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        event_id = _parse_event_id(d.pop("event_id", UNSET))

        def _parse_explanation(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        explanation = _parse_explanation(d.pop("explanation", UNSET))

        def _parse_held(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        held = _parse_held(d.pop("held", UNSET))

        def _parse_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        id = _parse_id(d.pop("id", UNSET))

        def _parse_in_flight(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        in_flight = _parse_in_flight(d.pop("in_flight", UNSET))

        def _parse_instance(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        instance = _parse_instance(d.pop("instance", UNSET))

        def _parse_lag(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        lag = _parse_lag(d.pop("lag", UNSET))

        def _parse_message(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        message = _parse_message(d.pop("message", UNSET))

        def _parse_p50_ms(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        p50_ms = _parse_p50_ms(d.pop("p50_ms", UNSET))

        def _parse_p95_ms(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        p95_ms = _parse_p95_ms(d.pop("p95_ms", UNSET))

        def _parse_previous(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        previous = _parse_previous(d.pop("previous", UNSET))

        def _parse_queued(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        queued = _parse_queued(d.pop("queued", UNSET))

        def _parse_ready(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        ready = _parse_ready(d.pop("ready", UNSET))

        def _parse_reason(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        reason = _parse_reason(d.pop("reason", UNSET))

        def _parse_revision(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        revision = _parse_revision(d.pop("revision", UNSET))

        def _parse_rps(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        rps = _parse_rps(d.pop("rps", UNSET))

        def _parse_sidecar(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        sidecar = _parse_sidecar(d.pop("sidecar", UNSET))

        def _parse_starting(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        starting = _parse_starting(d.pop("starting", UNSET))

        def _parse_state(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        state = _parse_state(d.pop("state", UNSET))

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

        event = cls(
            function=function,
            namespace=namespace,
            time=time,
            type_=type_,
            action=action,
            attempt=attempt,
            dead=dead,
            desired=desired,
            errors_per_second=errors_per_second,
            event_id=event_id,
            explanation=explanation,
            held=held,
            id=id,
            in_flight=in_flight,
            instance=instance,
            lag=lag,
            message=message,
            p50_ms=p50_ms,
            p95_ms=p95_ms,
            previous=previous,
            queued=queued,
            ready=ready,
            reason=reason,
            revision=revision,
            rps=rps,
            sidecar=sidecar,
            starting=starting,
            state=state,
            status=status,
            trigger=trigger,
        )

        event.additional_properties = d
        return event

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
