from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Queue")


@_attrs_define
class Queue:
    """A function's queue, summed over sidecars.

    Example:
        {'dead': 0, 'function': 'hello', 'namespace': 'default', 'oldest_age_ms': 120, 'queued': 3, 'retrying': 0,
            'running': 1}

    Attributes:
        dead (int): Dead letters.
        function (str): The function.
        namespace (str): The function's namespace.
        oldest_age_ms (int): Age of the oldest waiting call, in milliseconds.
        queued (int): Calls that wait for their first attempt.
        retrying (int): Calls that wait for another attempt.
        running (int): Calls in an attempt.
    """

    dead: int
    function: str
    namespace: str
    oldest_age_ms: int
    queued: int
    retrying: int
    running: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        dead = self.dead

        function = self.function

        namespace = self.namespace

        oldest_age_ms = self.oldest_age_ms

        queued = self.queued

        retrying = self.retrying

        running = self.running

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "dead": dead,
                "function": function,
                "namespace": namespace,
                "oldest_age_ms": oldest_age_ms,
                "queued": queued,
                "retrying": retrying,
                "running": running,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        dead = d.pop("dead")

        function = d.pop("function")

        namespace = d.pop("namespace")

        oldest_age_ms = d.pop("oldest_age_ms")

        queued = d.pop("queued")

        retrying = d.pop("retrying")

        running = d.pop("running")

        queue = cls(
            dead=dead,
            function=function,
            namespace=namespace,
            oldest_age_ms=oldest_age_ms,
            queued=queued,
            retrying=retrying,
            running=running,
        )

        queue.additional_properties = d
        return queue

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
