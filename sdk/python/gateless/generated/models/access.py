from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.auth import Auth, check_auth
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.cors import Cors
    from ..models.jwt import Jwt


T = TypeVar("T", bound="Access")


@_attrs_define
class Access:
    """What a function asks of its callers. In force for all revisions as soon as it is applied.

    Attributes:
        allow (list[str] | Unset): Which functions may call it, with `visibility` = `cluster_only`: `NAME`,
            `NAME.NAMESPACE`, `*` (all of its namespace), `*.NAMESPACE`. Bound: at most 64; empty: every one.
        auth (Auth | Unset): What a caller of a function has to prove.
        burst (int | Unset): How many of these may come at once; 0: as many as may in a second. Default: 0.
        caller_burst (int | Unset): How many of these may come at once; 0: as many as may in a second. Default: 0.
        caller_rate (float | Unset): Calls a second that each caller may make at each sidecar; 0: no limit. Default:
            0.0.
        cors (Cors | Unset): Which pages of other sites browsers let call a function (cross-origin resource sharing, as
            the Fetch standard has it).
        jwt (Jwt | Unset): Whose tokens (RFC 7519) a function takes, and which of them. Signed by RSA, ECDSA or EdDSA;
            they expire, and name a subject.
        networks (list[str] | Unset): Where a call from outside may come from: `10.0.0.0/8`, `192.0.2.7`, `fd00::/8`.
            Bound: at most 64; empty: anywhere.
        rate (float | Unset): Calls a second that all callers together may make at each sidecar; 0: no limit. Default:
            0.0.
    """

    allow: list[str] | Unset = UNSET
    auth: Auth | Unset = UNSET
    burst: int | Unset = 0
    caller_burst: int | Unset = 0
    caller_rate: float | Unset = 0.0
    cors: Cors | Unset = UNSET
    jwt: Jwt | Unset = UNSET
    networks: list[str] | Unset = UNSET
    rate: float | Unset = 0.0

    def to_dict(self) -> dict[str, Any]:
        allow: list[str] | Unset = UNSET
        if not isinstance(self.allow, Unset):
            allow = self.allow

        auth: str | Unset = UNSET
        if not isinstance(self.auth, Unset):
            auth = self.auth

        burst = self.burst

        caller_burst = self.caller_burst

        caller_rate = self.caller_rate

        cors: dict[str, Any] | Unset = UNSET
        if not isinstance(self.cors, Unset):
            cors = self.cors.to_dict()

        jwt: dict[str, Any] | Unset = UNSET
        if not isinstance(self.jwt, Unset):
            jwt = self.jwt.to_dict()

        networks: list[str] | Unset = UNSET
        if not isinstance(self.networks, Unset):
            networks = self.networks

        rate = self.rate

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if allow is not UNSET:
            field_dict["allow"] = allow
        if auth is not UNSET:
            field_dict["auth"] = auth
        if burst is not UNSET:
            field_dict["burst"] = burst
        if caller_burst is not UNSET:
            field_dict["caller_burst"] = caller_burst
        if caller_rate is not UNSET:
            field_dict["caller_rate"] = caller_rate
        if cors is not UNSET:
            field_dict["cors"] = cors
        if jwt is not UNSET:
            field_dict["jwt"] = jwt
        if networks is not UNSET:
            field_dict["networks"] = networks
        if rate is not UNSET:
            field_dict["rate"] = rate

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.cors import Cors
        from ..models.jwt import Jwt

        d = dict(src_dict)
        allow = cast(list[str], d.pop("allow", UNSET))

        _auth = d.pop("auth", UNSET)
        auth: Auth | Unset
        if isinstance(_auth, Unset):
            auth = UNSET
        else:
            auth = check_auth(_auth)

        burst = d.pop("burst", UNSET)

        caller_burst = d.pop("caller_burst", UNSET)

        caller_rate = d.pop("caller_rate", UNSET)

        _cors = d.pop("cors", UNSET)
        cors: Cors | Unset
        if isinstance(_cors, Unset):
            cors = UNSET
        else:
            cors = Cors.from_dict(_cors)

        _jwt = d.pop("jwt", UNSET)
        jwt: Jwt | Unset
        if isinstance(_jwt, Unset):
            jwt = UNSET
        else:
            jwt = Jwt.from_dict(_jwt)

        networks = cast(list[str], d.pop("networks", UNSET))

        rate = d.pop("rate", UNSET)

        access = cls(
            allow=allow,
            auth=auth,
            burst=burst,
            caller_burst=caller_burst,
            caller_rate=caller_rate,
            cors=cors,
            jwt=jwt,
            networks=networks,
            rate=rate,
        )

        return access
