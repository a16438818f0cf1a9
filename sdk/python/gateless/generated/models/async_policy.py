from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="AsyncPolicy")


@_attrs_define
class AsyncPolicy:
    """How queued calls are delivered.

    Attributes:
        attempt_timeout_ms (int | Unset): Of one attempt. Default: 300000.
        backoff_base_ms (int | Unset): Upper bound of the first delay between attempts; doubled for each one after.
            Default: 1000.
        backoff_max_ms (int | Unset): Upper bound of any delay between attempts. Default: 60000.
        callback_signing (str | Unset): `SECRET/KEY`: callbacks are signed by the keys in it, as Standard Webhooks has
            it. Left out: they are not signed. Bound: a secret of the namespace.
        max_age_ms (int | Unset): Of a call since it was accepted; an older one is a dead letter. Default: 3600000.
        max_attempts (int | Unset): Attempts before the dead-letter queue. Default: 5.
        max_in_flight (int | Unset): Attempts in flight per sidecar. Default: 100.
        max_queued (int | Unset): Calls waiting per sidecar; past it new ones are refused with 429. Default: 100000.
        max_result_bytes (int | Unset): What is kept of a result's body. Default: 1048576.
        result_ttl_ms (int | Unset): How long results are kept. Default: 86400000.
    """

    attempt_timeout_ms: int | Unset = 300000
    backoff_base_ms: int | Unset = 1000
    backoff_max_ms: int | Unset = 60000
    callback_signing: str | Unset = UNSET
    max_age_ms: int | Unset = 3600000
    max_attempts: int | Unset = 5
    max_in_flight: int | Unset = 100
    max_queued: int | Unset = 100000
    max_result_bytes: int | Unset = 1048576
    result_ttl_ms: int | Unset = 86400000

    def to_dict(self) -> dict[str, Any]:
        attempt_timeout_ms = self.attempt_timeout_ms

        backoff_base_ms = self.backoff_base_ms

        backoff_max_ms = self.backoff_max_ms

        callback_signing = self.callback_signing

        max_age_ms = self.max_age_ms

        max_attempts = self.max_attempts

        max_in_flight = self.max_in_flight

        max_queued = self.max_queued

        max_result_bytes = self.max_result_bytes

        result_ttl_ms = self.result_ttl_ms

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if attempt_timeout_ms is not UNSET:
            field_dict["attempt_timeout_ms"] = attempt_timeout_ms
        if backoff_base_ms is not UNSET:
            field_dict["backoff_base_ms"] = backoff_base_ms
        if backoff_max_ms is not UNSET:
            field_dict["backoff_max_ms"] = backoff_max_ms
        if callback_signing is not UNSET:
            field_dict["callback_signing"] = callback_signing
        if max_age_ms is not UNSET:
            field_dict["max_age_ms"] = max_age_ms
        if max_attempts is not UNSET:
            field_dict["max_attempts"] = max_attempts
        if max_in_flight is not UNSET:
            field_dict["max_in_flight"] = max_in_flight
        if max_queued is not UNSET:
            field_dict["max_queued"] = max_queued
        if max_result_bytes is not UNSET:
            field_dict["max_result_bytes"] = max_result_bytes
        if result_ttl_ms is not UNSET:
            field_dict["result_ttl_ms"] = result_ttl_ms

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        attempt_timeout_ms = d.pop("attempt_timeout_ms", UNSET)

        backoff_base_ms = d.pop("backoff_base_ms", UNSET)

        backoff_max_ms = d.pop("backoff_max_ms", UNSET)

        callback_signing = d.pop("callback_signing", UNSET)

        max_age_ms = d.pop("max_age_ms", UNSET)

        max_attempts = d.pop("max_attempts", UNSET)

        max_in_flight = d.pop("max_in_flight", UNSET)

        max_queued = d.pop("max_queued", UNSET)

        max_result_bytes = d.pop("max_result_bytes", UNSET)

        result_ttl_ms = d.pop("result_ttl_ms", UNSET)

        async_policy = cls(
            attempt_timeout_ms=attempt_timeout_ms,
            backoff_base_ms=backoff_base_ms,
            backoff_max_ms=backoff_max_ms,
            callback_signing=callback_signing,
            max_age_ms=max_age_ms,
            max_attempts=max_attempts,
            max_in_flight=max_in_flight,
            max_queued=max_queued,
            max_result_bytes=max_result_bytes,
            result_ttl_ms=result_ttl_ms,
        )

        return async_policy
