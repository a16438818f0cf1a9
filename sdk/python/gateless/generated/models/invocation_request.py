from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.invocation_request_headers import InvocationRequestHeaders


T = TypeVar("T", bound="InvocationRequest")


@_attrs_define
class InvocationRequest:
    """What a call was made with.

    Attributes:
        headers (InvocationRequestHeaders): Header name to value; values of one name are joined by commas.
        method (str): Its method. Example: POST.
        path (str): Path and query below the function.
        truncated (bool): Whether there is more of it than the 1 MiB that is shown.
        withheld (list[str]): Headers that were there and are not shown, being credentials.
        body (None | str | Unset): Its body, if that is text.
        body_base64 (None | str | Unset): Its body in base64, if it is not.
    """

    headers: InvocationRequestHeaders
    method: str
    path: str
    truncated: bool
    withheld: list[str]
    body: None | str | Unset = UNSET
    body_base64: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        headers = self.headers.to_dict()

        method = self.method

        path = self.path

        truncated = self.truncated

        withheld = self.withheld

        body: None | str | Unset
        if isinstance(self.body, Unset):
            body = UNSET
        else:
            body = self.body

        body_base64: None | str | Unset
        if isinstance(self.body_base64, Unset):
            body_base64 = UNSET
        else:
            body_base64 = self.body_base64

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "headers": headers,
                "method": method,
                "path": path,
                "truncated": truncated,
                "withheld": withheld,
            }
        )
        if body is not UNSET:
            field_dict["body"] = body
        if body_base64 is not UNSET:
            field_dict["body_base64"] = body_base64

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.invocation_request_headers import InvocationRequestHeaders

        d = dict(src_dict)
        headers = InvocationRequestHeaders.from_dict(d.pop("headers"))

        method = d.pop("method")

        path = d.pop("path")

        truncated = d.pop("truncated")

        withheld = cast(list[str], d.pop("withheld"))

        def _parse_body(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        body = _parse_body(d.pop("body", UNSET))

        def _parse_body_base64(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        body_base64 = _parse_body_base64(d.pop("body_base64", UNSET))

        invocation_request = cls(
            headers=headers,
            method=method,
            path=path,
            truncated=truncated,
            withheld=withheld,
            body=body,
            body_base64=body_base64,
        )

        invocation_request.additional_properties = d
        return invocation_request

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
