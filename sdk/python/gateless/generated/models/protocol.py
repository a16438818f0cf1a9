from typing import Literal

Protocol = Literal["h2c", "http1"]

PROTOCOL_VALUES: set[Protocol] = {
    "h2c",
    "http1",
}


def check_protocol(value: str) -> Protocol:
    if value in PROTOCOL_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {PROTOCOL_VALUES!r}")
