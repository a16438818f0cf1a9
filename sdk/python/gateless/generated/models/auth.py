from typing import Literal

Auth = Literal["jwt", "key", "none"]

AUTH_VALUES: set[Auth] = {
    "jwt",
    "key",
    "none",
}


def check_auth(value: str) -> Auth:
    if value in AUTH_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {AUTH_VALUES!r}")
