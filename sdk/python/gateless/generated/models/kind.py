from typing import Literal

Kind = Literal["process", "wasm"]

KIND_VALUES: set[Kind] = {
    "process",
    "wasm",
}


def check_kind(value: str) -> Kind:
    if value in KIND_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {KIND_VALUES!r}")
