from typing import Literal

Kind = Literal["container", "process", "wasm"]

KIND_VALUES: set[Kind] = {
    "container",
    "process",
    "wasm",
}


def check_kind(value: str) -> Kind:
    if value in KIND_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {KIND_VALUES!r}")
