from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.metric import Metric, check_metric
from ..types import UNSET, Unset

T = TypeVar("T", bound="Scaling")


@_attrs_define
class Scaling:
    """The autoscaler's settings.

    Attributes:
        activation_scale (int | Unset): Fewest instances when scaling up from zero. Default: 1.
        initial_scale (int | Unset): Started when a revision is new. 0 (with `min_scale` 0): it counts as ready at once.
            Default: 1.
        max_scale (int | Unset): Most instances; 0: no bound. Default: 0.
        max_scale_down_rate (float | Unset): Most shrinkage per decision, as a divisor. Default: 2.0.
        max_scale_up_rate (float | Unset): Most growth per decision, as a factor. Default: 1000.0.
        metric (Metric | Unset): What the autoscaler counts.
        min_scale (int | Unset): Fewest instances. Default: 0.
        panic_threshold_percent (float | Unset): Load at which panic begins, in percent of the target. Default: 200.0.
        panic_window_percent (float | Unset): Window of the panic average, in percent of the stable window. Default:
            10.0.
        scale_down_delay_ms (int | Unset): How long a lower count must have been wanted. Default: 0.
        scale_to_zero_grace_ms (int | Unset): How long the last instance is kept for the network to learn of it.
            Default: 30000.
        scale_to_zero_retention_ms (int | Unset): How long the last instance is kept at least. Default: 0.
        stable_window_ms (int | Unset): Window of the stable average. Knative allows none below 6 s, as it has to
            scrape. Default: 60000.
        target (float | None | Unset): Per instance. Left out: the container concurrency if set, else 100; for `rps`
            200.
        target_burst_capacity (float | Unset): Spare capacity wanted: calls that may come at once without being held;
            -1: unlimited. Default: 211.0.
        target_utilization_percent (float | Unset): Share of the target to aim at, in percent. Default: 70.0.
    """

    activation_scale: int | Unset = 1
    initial_scale: int | Unset = 1
    max_scale: int | Unset = 0
    max_scale_down_rate: float | Unset = 2.0
    max_scale_up_rate: float | Unset = 1000.0
    metric: Metric | Unset = UNSET
    min_scale: int | Unset = 0
    panic_threshold_percent: float | Unset = 200.0
    panic_window_percent: float | Unset = 10.0
    scale_down_delay_ms: int | Unset = 0
    scale_to_zero_grace_ms: int | Unset = 30000
    scale_to_zero_retention_ms: int | Unset = 0
    stable_window_ms: int | Unset = 60000
    target: float | None | Unset = UNSET
    target_burst_capacity: float | Unset = 211.0
    target_utilization_percent: float | Unset = 70.0

    def to_dict(self) -> dict[str, Any]:
        activation_scale = self.activation_scale

        initial_scale = self.initial_scale

        max_scale = self.max_scale

        max_scale_down_rate = self.max_scale_down_rate

        max_scale_up_rate = self.max_scale_up_rate

        metric: str | Unset = UNSET
        if not isinstance(self.metric, Unset):
            metric = self.metric

        min_scale = self.min_scale

        panic_threshold_percent = self.panic_threshold_percent

        panic_window_percent = self.panic_window_percent

        scale_down_delay_ms = self.scale_down_delay_ms

        scale_to_zero_grace_ms = self.scale_to_zero_grace_ms

        scale_to_zero_retention_ms = self.scale_to_zero_retention_ms

        stable_window_ms = self.stable_window_ms

        target: float | None | Unset
        if isinstance(self.target, Unset):
            target = UNSET
        else:
            target = self.target

        target_burst_capacity = self.target_burst_capacity

        target_utilization_percent = self.target_utilization_percent

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if activation_scale is not UNSET:
            field_dict["activation_scale"] = activation_scale
        if initial_scale is not UNSET:
            field_dict["initial_scale"] = initial_scale
        if max_scale is not UNSET:
            field_dict["max_scale"] = max_scale
        if max_scale_down_rate is not UNSET:
            field_dict["max_scale_down_rate"] = max_scale_down_rate
        if max_scale_up_rate is not UNSET:
            field_dict["max_scale_up_rate"] = max_scale_up_rate
        if metric is not UNSET:
            field_dict["metric"] = metric
        if min_scale is not UNSET:
            field_dict["min_scale"] = min_scale
        if panic_threshold_percent is not UNSET:
            field_dict["panic_threshold_percent"] = panic_threshold_percent
        if panic_window_percent is not UNSET:
            field_dict["panic_window_percent"] = panic_window_percent
        if scale_down_delay_ms is not UNSET:
            field_dict["scale_down_delay_ms"] = scale_down_delay_ms
        if scale_to_zero_grace_ms is not UNSET:
            field_dict["scale_to_zero_grace_ms"] = scale_to_zero_grace_ms
        if scale_to_zero_retention_ms is not UNSET:
            field_dict["scale_to_zero_retention_ms"] = scale_to_zero_retention_ms
        if stable_window_ms is not UNSET:
            field_dict["stable_window_ms"] = stable_window_ms
        if target is not UNSET:
            field_dict["target"] = target
        if target_burst_capacity is not UNSET:
            field_dict["target_burst_capacity"] = target_burst_capacity
        if target_utilization_percent is not UNSET:
            field_dict["target_utilization_percent"] = target_utilization_percent

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        activation_scale = d.pop("activation_scale", UNSET)

        initial_scale = d.pop("initial_scale", UNSET)

        max_scale = d.pop("max_scale", UNSET)

        max_scale_down_rate = d.pop("max_scale_down_rate", UNSET)

        max_scale_up_rate = d.pop("max_scale_up_rate", UNSET)

        _metric = d.pop("metric", UNSET)
        metric: Metric | Unset
        if isinstance(_metric, Unset):
            metric = UNSET
        else:
            metric = check_metric(_metric)

        min_scale = d.pop("min_scale", UNSET)

        panic_threshold_percent = d.pop("panic_threshold_percent", UNSET)

        panic_window_percent = d.pop("panic_window_percent", UNSET)

        scale_down_delay_ms = d.pop("scale_down_delay_ms", UNSET)

        scale_to_zero_grace_ms = d.pop("scale_to_zero_grace_ms", UNSET)

        scale_to_zero_retention_ms = d.pop("scale_to_zero_retention_ms", UNSET)

        stable_window_ms = d.pop("stable_window_ms", UNSET)

        def _parse_target(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        target = _parse_target(d.pop("target", UNSET))

        target_burst_capacity = d.pop("target_burst_capacity", UNSET)

        target_utilization_percent = d.pop("target_utilization_percent", UNSET)

        scaling = cls(
            activation_scale=activation_scale,
            initial_scale=initial_scale,
            max_scale=max_scale,
            max_scale_down_rate=max_scale_down_rate,
            max_scale_up_rate=max_scale_up_rate,
            metric=metric,
            min_scale=min_scale,
            panic_threshold_percent=panic_threshold_percent,
            panic_window_percent=panic_window_percent,
            scale_down_delay_ms=scale_down_delay_ms,
            scale_to_zero_grace_ms=scale_to_zero_grace_ms,
            scale_to_zero_retention_ms=scale_to_zero_retention_ms,
            stable_window_ms=stable_window_ms,
            target=target,
            target_burst_capacity=target_burst_capacity,
            target_utilization_percent=target_utilization_percent,
        )

        return scaling
