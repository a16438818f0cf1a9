from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.invoke_response_headers import InvokeResponseHeaders
    from ..models.phase import Phase


T = TypeVar("T", bound="InvokeResponse")


@_attrs_define
class InvokeResponse:
    """What came back.

    Attributes:
        cold_start (bool): Whether an instance had to be waited for.
        duration_ms (float): From here and back.
        headers (InvokeResponseHeaders): The answer's headers; values of one name are joined by commas.
        phases (list[Phase]): Where the time went, as the sidecar's server-timing tells it.
        sidecar (str): The sidecar it went through.
        status (int): The answer's status.
        truncated (bool): Whether there is more of it than the 1 MiB that is kept.
        url (str): Where it was sent: what a caller would use. Example: http://10.0.0.1:8080/function/hello.default/.
        body (None | str | Unset): Its body, if that is text.
        body_base64 (None | str | Unset): Its body in base64, if it is not.
        call_id (None | str | Unset): Of an asynchronous call.
    """

    cold_start: bool
    duration_ms: float
    headers: InvokeResponseHeaders
    phases: list[Phase]
    sidecar: str
    status: int
    truncated: bool
    url: str
    body: None | str | Unset = UNSET
    body_base64: None | str | Unset = UNSET
    call_id: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        cold_start = self.cold_start

        duration_ms = self.duration_ms

        headers = self.headers.to_dict()

        phases = []
        for phases_item_data in self.phases:
            phases_item = phases_item_data.to_dict()
            phases.append(phases_item)

        sidecar = self.sidecar

        status = self.status

        truncated = self.truncated

        url = self.url

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

        call_id: None | str | Unset
        if isinstance(self.call_id, Unset):
            call_id = UNSET
        else:
            call_id = self.call_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "cold_start": cold_start,
                "duration_ms": duration_ms,
                "headers": headers,
                "phases": phases,
                "sidecar": sidecar,
                "status": status,
                "truncated": truncated,
                "url": url,
            }
        )
        if body is not UNSET:
            field_dict["body"] = body
        if body_base64 is not UNSET:
            field_dict["body_base64"] = body_base64
        if call_id is not UNSET:
            field_dict["call_id"] = call_id

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.invoke_response_headers import InvokeResponseHeaders
        from ..models.phase import Phase

        d = dict(src_dict)
        cold_start = d.pop("cold_start")

        duration_ms = d.pop("duration_ms")

        headers = InvokeResponseHeaders.from_dict(d.pop("headers"))

        phases = []
        _phases = d.pop("phases")
        for phases_item_data in _phases:
            phases_item = Phase.from_dict(phases_item_data)

            phases.append(phases_item)

        sidecar = d.pop("sidecar")

        status = d.pop("status")

        truncated = d.pop("truncated")

        url = d.pop("url")

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

        def _parse_call_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        call_id = _parse_call_id(d.pop("call_id", UNSET))

        invoke_response = cls(
            cold_start=cold_start,
            duration_ms=duration_ms,
            headers=headers,
            phases=phases,
            sidecar=sidecar,
            status=status,
            truncated=truncated,
            url=url,
            body=body,
            body_base64=body_base64,
            call_id=call_id,
        )

        invoke_response.additional_properties = d
        return invoke_response

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
