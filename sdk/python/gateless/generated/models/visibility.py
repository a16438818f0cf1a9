from typing import Literal

Visibility = Literal["cluster_only", "public"]

VISIBILITY_VALUES: set[Visibility] = {
    "cluster_only",
    "public",
}


def check_visibility(value: str) -> Visibility:
    if value in VISIBILITY_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {VISIBILITY_VALUES!r}"
    )
