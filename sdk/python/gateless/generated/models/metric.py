from typing import Literal

Metric = Literal["concurrency", "rps"]

METRIC_VALUES: set[Metric] = {
    "concurrency",
    "rps",
}


def check_metric(value: str) -> Metric:
    if value in METRIC_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {METRIC_VALUES!r}")
