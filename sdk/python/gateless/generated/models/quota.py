from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Quota")


@_attrs_define
class Quota:
    """A namespace's bounds; one that is left out or null is none.

    Example:
        {'cpu_millicores': 16000, 'functions': 20, 'instances': 100, 'memory_bytes': 8589934592, 'secrets': 50,
            'tokens': 50}

    Attributes:
        cpu_millicores (int | None | Unset): Thousandths of a CPU of those instances; each function has to bound its own
            then, so that none may be a component.
        functions (int | None | Unset): Functions.
        instances (int | None | Unset): Instances of all functions, as `scaling.max_scale` of their revisions with calls
            or a tag allows; each has to have one then.
        memory_bytes (int | None | Unset): Memory of those instances; each function has to bound its own then.
        secrets (int | None | Unset): Secrets.
        tokens (int | None | Unset): Live tokens.
    """

    cpu_millicores: int | None | Unset = UNSET
    functions: int | None | Unset = UNSET
    instances: int | None | Unset = UNSET
    memory_bytes: int | None | Unset = UNSET
    secrets: int | None | Unset = UNSET
    tokens: int | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        cpu_millicores: int | None | Unset
        if isinstance(self.cpu_millicores, Unset):
            cpu_millicores = UNSET
        else:
            cpu_millicores = self.cpu_millicores

        functions: int | None | Unset
        if isinstance(self.functions, Unset):
            functions = UNSET
        else:
            functions = self.functions

        instances: int | None | Unset
        if isinstance(self.instances, Unset):
            instances = UNSET
        else:
            instances = self.instances

        memory_bytes: int | None | Unset
        if isinstance(self.memory_bytes, Unset):
            memory_bytes = UNSET
        else:
            memory_bytes = self.memory_bytes

        secrets: int | None | Unset
        if isinstance(self.secrets, Unset):
            secrets = UNSET
        else:
            secrets = self.secrets

        tokens: int | None | Unset
        if isinstance(self.tokens, Unset):
            tokens = UNSET
        else:
            tokens = self.tokens

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if cpu_millicores is not UNSET:
            field_dict["cpu_millicores"] = cpu_millicores
        if functions is not UNSET:
            field_dict["functions"] = functions
        if instances is not UNSET:
            field_dict["instances"] = instances
        if memory_bytes is not UNSET:
            field_dict["memory_bytes"] = memory_bytes
        if secrets is not UNSET:
            field_dict["secrets"] = secrets
        if tokens is not UNSET:
            field_dict["tokens"] = tokens

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)

        def _parse_cpu_millicores(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        cpu_millicores = _parse_cpu_millicores(d.pop("cpu_millicores", UNSET))

        def _parse_functions(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        functions = _parse_functions(d.pop("functions", UNSET))

        def _parse_instances(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        instances = _parse_instances(d.pop("instances", UNSET))

        def _parse_memory_bytes(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        memory_bytes = _parse_memory_bytes(d.pop("memory_bytes", UNSET))

        def _parse_secrets(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        secrets = _parse_secrets(d.pop("secrets", UNSET))

        def _parse_tokens(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        tokens = _parse_tokens(d.pop("tokens", UNSET))

        quota = cls(
            cpu_millicores=cpu_millicores,
            functions=functions,
            instances=instances,
            memory_bytes=memory_bytes,
            secrets=secrets,
            tokens=tokens,
        )

        return quota
