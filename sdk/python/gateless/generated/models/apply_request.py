from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.apply_request_labels import ApplyRequestLabels
    from ..models.spec import Spec


T = TypeVar("T", bound="ApplyRequest")


@_attrs_define
class ApplyRequest:
    """What is applied.

    Example:
        {'labels': {'team': 'media'}, 'spec': {'env': {'MODE': 'fast'}, 'kind': 'process', 'limits':
            {'container_concurrency': 10}, 'process': {'command': ['python3', 'main.py'], 'ready': {'kind': 'http', 'path':
            '/healthz'}}, 'scaling': {'max_scale': 5}}}

    Attributes:
        spec (Spec): A function's spec. Every change of it makes a new revision.
        labels (ApplyRequestLabels | Unset): Free text for people and filters; at most 64.
    """

    spec: Spec
    labels: ApplyRequestLabels | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        spec = self.spec.to_dict()

        labels: dict[str, Any] | Unset = UNSET
        if not isinstance(self.labels, Unset):
            labels = self.labels.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "spec": spec,
            }
        )
        if labels is not UNSET:
            field_dict["labels"] = labels

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.apply_request_labels import ApplyRequestLabels
        from ..models.spec import Spec

        d = dict(src_dict)
        spec = Spec.from_dict(d.pop("spec"))

        _labels = d.pop("labels", UNSET)
        labels: ApplyRequestLabels | Unset
        if isinstance(_labels, Unset):
            labels = UNSET
        else:
            labels = ApplyRequestLabels.from_dict(_labels)

        apply_request = cls(
            spec=spec,
            labels=labels,
        )

        return apply_request
