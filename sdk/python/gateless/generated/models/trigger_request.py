from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.trigger_spec import TriggerSpec


T = TypeVar("T", bound="TriggerRequest")


@_attrs_define
class TriggerRequest:
    """What is put.

    Example:
        {'spec': {'cron': {'schedule': '0 3 * * *', 'timezone': 'Europe/Berlin'}, 'function': 'hello', 'kind': 'cron'}}

    Attributes:
        spec (TriggerSpec): What fires, and the call that is made then.
    """

    spec: TriggerSpec

    def to_dict(self) -> dict[str, Any]:
        spec = self.spec.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "spec": spec,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.trigger_spec import TriggerSpec

        d = dict(src_dict)
        spec = TriggerSpec.from_dict(d.pop("spec"))

        trigger_request = cls(
            spec=spec,
        )

        return trigger_request
