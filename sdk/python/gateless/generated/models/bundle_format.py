from typing import Literal

BundleFormat = Literal["executable", "tar.gz"]

BUNDLE_FORMAT_VALUES: set[BundleFormat] = {
    "executable",
    "tar.gz",
}


def check_bundle_format(value: str) -> BundleFormat:
    if value in BUNDLE_FORMAT_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {BUNDLE_FORMAT_VALUES!r}"
    )
