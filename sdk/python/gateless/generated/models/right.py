from typing import Literal

Right = Literal["admin", "cluster", "deploy", "internals", "invoke", "read"]

RIGHT_VALUES: set[Right] = {
    "admin",
    "cluster",
    "deploy",
    "internals",
    "invoke",
    "read",
}


def check_right(value: str) -> Right:
    if value in RIGHT_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {RIGHT_VALUES!r}")
