from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

from ..models.trigger_kind import TriggerKind, check_trigger_kind
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.cloud_events_trigger import CloudEventsTrigger
    from ..models.cron_trigger import CronTrigger
    from ..models.queue_trigger import QueueTrigger
    from ..models.trigger_spec_headers import TriggerSpecHeaders


T = TypeVar("T", bound="TriggerSpec")


@_attrs_define
class TriggerSpec:
    """What fires, and the call that is made then.

    Attributes:
        function (str): The function to call, of the same namespace. It may be missing: then the trigger stays, and
            shows the condition `FunctionMissing`. Example: hello.
        kind (TriggerKind): What fires a trigger.
        cloudevents (CloudEventsTrigger | Unset): Which events.
        cron (CronTrigger | Unset): A schedule, and the body of its calls.
        headers (TriggerSpecHeaders | Unset): Headers of the call besides those the platform sets; at most 64.
        method (str | Unset): Of the call: `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`. Default: 'POST'.
        path (str | Unset): Path and query of the call as the function sees them. Default: '/'.
        paused (bool | Unset): Nothing is fired while it is paused, and nothing of that time made up for. Default:
            False.
        queue (QueueTrigger | Unset): Which messages.
    """

    function: str
    kind: TriggerKind
    cloudevents: CloudEventsTrigger | Unset = UNSET
    cron: CronTrigger | Unset = UNSET
    headers: TriggerSpecHeaders | Unset = UNSET
    method: str | Unset = "POST"
    path: str | Unset = "/"
    paused: bool | Unset = False
    queue: QueueTrigger | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        function = self.function

        kind: str = self.kind

        cloudevents: dict[str, Any] | Unset = UNSET
        if not isinstance(self.cloudevents, Unset):
            cloudevents = self.cloudevents.to_dict()

        cron: dict[str, Any] | Unset = UNSET
        if not isinstance(self.cron, Unset):
            cron = self.cron.to_dict()

        headers: dict[str, Any] | Unset = UNSET
        if not isinstance(self.headers, Unset):
            headers = self.headers.to_dict()

        method = self.method

        path = self.path

        paused = self.paused

        queue: dict[str, Any] | Unset = UNSET
        if not isinstance(self.queue, Unset):
            queue = self.queue.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "function": function,
                "kind": kind,
            }
        )
        if cloudevents is not UNSET:
            field_dict["cloudevents"] = cloudevents
        if cron is not UNSET:
            field_dict["cron"] = cron
        if headers is not UNSET:
            field_dict["headers"] = headers
        if method is not UNSET:
            field_dict["method"] = method
        if path is not UNSET:
            field_dict["path"] = path
        if paused is not UNSET:
            field_dict["paused"] = paused
        if queue is not UNSET:
            field_dict["queue"] = queue

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.cloud_events_trigger import CloudEventsTrigger
        from ..models.cron_trigger import CronTrigger
        from ..models.queue_trigger import QueueTrigger
        from ..models.trigger_spec_headers import TriggerSpecHeaders

        d = dict(src_dict)
        function = d.pop("function")

        kind = check_trigger_kind(d.pop("kind"))

        _cloudevents = d.pop("cloudevents", UNSET)
        cloudevents: CloudEventsTrigger | Unset
        if isinstance(_cloudevents, Unset):
            cloudevents = UNSET
        else:
            cloudevents = CloudEventsTrigger.from_dict(_cloudevents)

        _cron = d.pop("cron", UNSET)
        cron: CronTrigger | Unset
        if isinstance(_cron, Unset):
            cron = UNSET
        else:
            cron = CronTrigger.from_dict(_cron)

        _headers = d.pop("headers", UNSET)
        headers: TriggerSpecHeaders | Unset
        if isinstance(_headers, Unset):
            headers = UNSET
        else:
            headers = TriggerSpecHeaders.from_dict(_headers)

        method = d.pop("method", UNSET)

        path = d.pop("path", UNSET)

        paused = d.pop("paused", UNSET)

        _queue = d.pop("queue", UNSET)
        queue: QueueTrigger | Unset
        if isinstance(_queue, Unset):
            queue = UNSET
        else:
            queue = QueueTrigger.from_dict(_queue)

        trigger_spec = cls(
            function=function,
            kind=kind,
            cloudevents=cloudevents,
            cron=cron,
            headers=headers,
            method=method,
            path=path,
            paused=paused,
            queue=queue,
        )

        return trigger_spec
