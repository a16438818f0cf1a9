from typing import Literal

CatchUp = Literal["last", "none"]

CATCH_UP_VALUES: set[CatchUp] = {
    "last",
    "none",
}


def check_catch_up(value: str) -> CatchUp:
    if value in CATCH_UP_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {CATCH_UP_VALUES!r}")
