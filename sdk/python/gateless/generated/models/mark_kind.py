from typing import Literal

MarkKind = Literal[
    "applied",
    "deleted",
    "draining",
    "failed",
    "joined",
    "lag",
    "left",
    "ready",
    "resumed",
    "traffic",
]

MARK_KIND_VALUES: set[MarkKind] = {
    "applied",
    "deleted",
    "draining",
    "failed",
    "joined",
    "lag",
    "left",
    "ready",
    "resumed",
    "traffic",
}


def check_mark_kind(value: str) -> MarkKind:
    if value in MARK_KIND_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {MARK_KIND_VALUES!r}")
