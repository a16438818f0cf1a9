from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

from ..models.kind import Kind, check_kind
from ..models.protocol import Protocol, check_protocol
from ..models.visibility import Visibility, check_visibility
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.access import Access
    from ..models.async_policy import AsyncPolicy
    from ..models.container import Container
    from ..models.hold import Hold
    from ..models.limits import Limits
    from ..models.liveness import Liveness
    from ..models.process import Process
    from ..models.retries import Retries
    from ..models.scaling import Scaling
    from ..models.secret_ref import SecretRef
    from ..models.spec_env import SpecEnv
    from ..models.wasm import Wasm


T = TypeVar("T", bound="Spec")


@_attrs_define
class Spec:
    """A function's spec. Every change of it makes a new revision.

    Attributes:
        kind (Kind): How instances are run.
        access (Access | Unset): What a function asks of its callers. In force for all revisions as soon as it is
            applied.
        async_ (AsyncPolicy | Unset): How queued calls are delivered.
        container (Container | Unset): A container that serves HTTP, run by the host's container engine.
        env (SpecEnv | Unset): Environment variables. Bound: at most 256, of 32 KiB.
        hold (Hold | Unset): Bounds on calls held per revision and sidecar.
        limits (Limits | Unset): Bounds on one call.
        liveness (Liveness | Unset): Probes of instances that say nothing: one that does not answer them is replaced.
        process (Process | Unset): A process that serves HTTP on `$PORT`.
        protocol (Protocol | Unset): What an instance speaks on its port.
        retries (Retries | Unset): Retries of calls that failed before a response. Refusals by a full gate are no
            retries.
        scaling (Scaling | Unset): The autoscaler's settings.
        secrets (list[SecretRef] | Unset): Environment variables taken from secrets of the same namespace. Bound: at
            most 64.
        visibility (Visibility | Unset): Who may call a function.
        wasm (Wasm | Unset): A `wasi:http` component, run inside the sidecar.
    """

    kind: Kind
    access: Access | Unset = UNSET
    async_: AsyncPolicy | Unset = UNSET
    container: Container | Unset = UNSET
    env: SpecEnv | Unset = UNSET
    hold: Hold | Unset = UNSET
    limits: Limits | Unset = UNSET
    liveness: Liveness | Unset = UNSET
    process: Process | Unset = UNSET
    protocol: Protocol | Unset = UNSET
    retries: Retries | Unset = UNSET
    scaling: Scaling | Unset = UNSET
    secrets: list[SecretRef] | Unset = UNSET
    visibility: Visibility | Unset = UNSET
    wasm: Wasm | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        kind: str = self.kind

        access: dict[str, Any] | Unset = UNSET
        if not isinstance(self.access, Unset):
            access = self.access.to_dict()

        async_: dict[str, Any] | Unset = UNSET
        if not isinstance(self.async_, Unset):
            async_ = self.async_.to_dict()

        container: dict[str, Any] | Unset = UNSET
        if not isinstance(self.container, Unset):
            container = self.container.to_dict()

        env: dict[str, Any] | Unset = UNSET
        if not isinstance(self.env, Unset):
            env = self.env.to_dict()

        hold: dict[str, Any] | Unset = UNSET
        if not isinstance(self.hold, Unset):
            hold = self.hold.to_dict()

        limits: dict[str, Any] | Unset = UNSET
        if not isinstance(self.limits, Unset):
            limits = self.limits.to_dict()

        liveness: dict[str, Any] | Unset = UNSET
        if not isinstance(self.liveness, Unset):
            liveness = self.liveness.to_dict()

        process: dict[str, Any] | Unset = UNSET
        if not isinstance(self.process, Unset):
            process = self.process.to_dict()

        protocol: str | Unset = UNSET
        if not isinstance(self.protocol, Unset):
            protocol = self.protocol

        retries: dict[str, Any] | Unset = UNSET
        if not isinstance(self.retries, Unset):
            retries = self.retries.to_dict()

        scaling: dict[str, Any] | Unset = UNSET
        if not isinstance(self.scaling, Unset):
            scaling = self.scaling.to_dict()

        secrets: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.secrets, Unset):
            secrets = []
            for secrets_item_data in self.secrets:
                secrets_item = secrets_item_data.to_dict()
                secrets.append(secrets_item)

        visibility: str | Unset = UNSET
        if not isinstance(self.visibility, Unset):
            visibility = self.visibility

        wasm: dict[str, Any] | Unset = UNSET
        if not isinstance(self.wasm, Unset):
            wasm = self.wasm.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "kind": kind,
            }
        )
        if access is not UNSET:
            field_dict["access"] = access
        if async_ is not UNSET:
            field_dict["async"] = async_
        if container is not UNSET:
            field_dict["container"] = container
        if env is not UNSET:
            field_dict["env"] = env
        if hold is not UNSET:
            field_dict["hold"] = hold
        if limits is not UNSET:
            field_dict["limits"] = limits
        if liveness is not UNSET:
            field_dict["liveness"] = liveness
        if process is not UNSET:
            field_dict["process"] = process
        if protocol is not UNSET:
            field_dict["protocol"] = protocol
        if retries is not UNSET:
            field_dict["retries"] = retries
        if scaling is not UNSET:
            field_dict["scaling"] = scaling
        if secrets is not UNSET:
            field_dict["secrets"] = secrets
        if visibility is not UNSET:
            field_dict["visibility"] = visibility
        if wasm is not UNSET:
            field_dict["wasm"] = wasm

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.access import Access
        from ..models.async_policy import AsyncPolicy
        from ..models.container import Container
        from ..models.hold import Hold
        from ..models.limits import Limits
        from ..models.liveness import Liveness
        from ..models.process import Process
        from ..models.retries import Retries
        from ..models.scaling import Scaling
        from ..models.secret_ref import SecretRef
        from ..models.spec_env import SpecEnv
        from ..models.wasm import Wasm

        d = dict(src_dict)
        kind = check_kind(d.pop("kind"))

        _access = d.pop("access", UNSET)
        access: Access | Unset
        if isinstance(_access, Unset):
            access = UNSET
        else:
            access = Access.from_dict(_access)

        _async_ = d.pop("async", UNSET)
        async_: AsyncPolicy | Unset
        if isinstance(_async_, Unset):
            async_ = UNSET
        else:
            async_ = AsyncPolicy.from_dict(_async_)

        _container = d.pop("container", UNSET)
        container: Container | Unset
        if isinstance(_container, Unset):
            container = UNSET
        else:
            container = Container.from_dict(_container)

        _env = d.pop("env", UNSET)
        env: SpecEnv | Unset
        if isinstance(_env, Unset):
            env = UNSET
        else:
            env = SpecEnv.from_dict(_env)

        _hold = d.pop("hold", UNSET)
        hold: Hold | Unset
        if isinstance(_hold, Unset):
            hold = UNSET
        else:
            hold = Hold.from_dict(_hold)

        _limits = d.pop("limits", UNSET)
        limits: Limits | Unset
        if isinstance(_limits, Unset):
            limits = UNSET
        else:
            limits = Limits.from_dict(_limits)

        _liveness = d.pop("liveness", UNSET)
        liveness: Liveness | Unset
        if isinstance(_liveness, Unset):
            liveness = UNSET
        else:
            liveness = Liveness.from_dict(_liveness)

        _process = d.pop("process", UNSET)
        process: Process | Unset
        if isinstance(_process, Unset):
            process = UNSET
        else:
            process = Process.from_dict(_process)

        _protocol = d.pop("protocol", UNSET)
        protocol: Protocol | Unset
        if isinstance(_protocol, Unset):
            protocol = UNSET
        else:
            protocol = check_protocol(_protocol)

        _retries = d.pop("retries", UNSET)
        retries: Retries | Unset
        if isinstance(_retries, Unset):
            retries = UNSET
        else:
            retries = Retries.from_dict(_retries)

        _scaling = d.pop("scaling", UNSET)
        scaling: Scaling | Unset
        if isinstance(_scaling, Unset):
            scaling = UNSET
        else:
            scaling = Scaling.from_dict(_scaling)

        _secrets = d.pop("secrets", UNSET)
        secrets: list[SecretRef] | Unset = UNSET
        if _secrets is not UNSET:
            secrets = []
            for secrets_item_data in _secrets:
                secrets_item = SecretRef.from_dict(secrets_item_data)

                secrets.append(secrets_item)

        _visibility = d.pop("visibility", UNSET)
        visibility: Visibility | Unset
        if isinstance(_visibility, Unset):
            visibility = UNSET
        else:
            visibility = check_visibility(_visibility)

        _wasm = d.pop("wasm", UNSET)
        wasm: Wasm | Unset
        if isinstance(_wasm, Unset):
            wasm = UNSET
        else:
            wasm = Wasm.from_dict(_wasm)

        spec = cls(
            kind=kind,
            access=access,
            async_=async_,
            container=container,
            env=env,
            hold=hold,
            limits=limits,
            liveness=liveness,
            process=process,
            protocol=protocol,
            retries=retries,
            scaling=scaling,
            secrets=secrets,
            visibility=visibility,
            wasm=wasm,
        )

        return spec
