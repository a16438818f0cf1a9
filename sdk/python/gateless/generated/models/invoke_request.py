from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.invoke_request_headers import InvokeRequestHeaders


T = TypeVar("T", bound="InvokeRequest")


@_attrs_define
class InvokeRequest:
    """A call to make.

    Example:
        {'body': 'hello', 'headers': {'content-type': 'text/plain'}, 'method': 'POST', 'path': '/'}

    Attributes:
        async_ (bool | Unset): Whether it is to be queued and answered with its id. Default: False.
        body (None | str | Unset): As text.
        body_base64 (None | str | Unset): In base64; not together with `body`.
        headers (InvokeRequestHeaders | Unset): Header name to value.
        method (str | Unset): Default POST. Default: 'POST'.
        path (str | Unset): Path and query below the function; default `/`. Default: '/'.
        timeout_ms (int | Unset): How long to wait for the answer; default 30000, at most 300000. Default: 30000.
    """

    async_: bool | Unset = False
    body: None | str | Unset = UNSET
    body_base64: None | str | Unset = UNSET
    headers: InvokeRequestHeaders | Unset = UNSET
    method: str | Unset = "POST"
    path: str | Unset = "/"
    timeout_ms: int | Unset = 30000

    def to_dict(self) -> dict[str, Any]:
        async_ = self.async_

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

        headers: dict[str, Any] | Unset = UNSET
        if not isinstance(self.headers, Unset):
            headers = self.headers.to_dict()

        method = self.method

        path = self.path

        timeout_ms = self.timeout_ms

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if async_ is not UNSET:
            field_dict["async"] = async_
        if body is not UNSET:
            field_dict["body"] = body
        if body_base64 is not UNSET:
            field_dict["body_base64"] = body_base64
        if headers is not UNSET:
            field_dict["headers"] = headers
        if method is not UNSET:
            field_dict["method"] = method
        if path is not UNSET:
            field_dict["path"] = path
        if timeout_ms is not UNSET:
            field_dict["timeout_ms"] = timeout_ms

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.invoke_request_headers import InvokeRequestHeaders

        d = dict(src_dict)
        async_ = d.pop("async", UNSET)

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

        _headers = d.pop("headers", UNSET)
        headers: InvokeRequestHeaders | Unset
        if isinstance(_headers, Unset):
            headers = UNSET
        else:
            headers = InvokeRequestHeaders.from_dict(_headers)

        method = d.pop("method", UNSET)

        path = d.pop("path", UNSET)

        timeout_ms = d.pop("timeout_ms", UNSET)

        invoke_request = cls(
            async_=async_,
            body=body,
            body_base64=body_base64,
            headers=headers,
            method=method,
            path=path,
            timeout_ms=timeout_ms,
        )

        return invoke_request
