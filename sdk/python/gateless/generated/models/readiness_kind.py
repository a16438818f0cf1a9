from typing import Literal

ReadinessKind = Literal["answer", "http", "tcp"]

READINESS_KIND_VALUES: set[ReadinessKind] = {
    "answer",
    "http",
    "tcp",
}


def check_readiness_kind(value: str) -> ReadinessKind:
    if value in READINESS_KIND_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {READINESS_KIND_VALUES!r}"
    )
