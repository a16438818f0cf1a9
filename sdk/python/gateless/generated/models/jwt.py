from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.jwt_claims import JwtClaims


T = TypeVar("T", bound="Jwt")


@_attrs_define
class Jwt:
    """Whose tokens (RFC 7519) a function takes, and which of them. Signed by RSA, ECDSA or EdDSA; they expire, and name a
    subject.

        Attributes:
            audiences (list[str]): One of these is in `aud`; 1 to 64.
            issuer (str): What `iss` is: an `https` URL, or `http` on the sidecar's own host.
            claims (JwtClaims | Unset): Claims that a token has besides, and their values: as text, or in a list, or in the
                words of `scope`. At most 64.
            forward_token (bool | Unset): Whether the function gets the token, too.
            forwarded_claims (list[str] | Unset): Claims that the function gets as headers `x-gateless-claim-NAME`, which no
                caller can send. At most 64.
            jwks_uri (str | Unset): Where its keys are (RFC 7517), as a URL of the same kind. Left out: where `ISSUER/.well-
                known/openid-configuration` says.
    """

    audiences: list[str]
    issuer: str
    claims: JwtClaims | Unset = UNSET
    forward_token: bool | Unset = UNSET
    forwarded_claims: list[str] | Unset = UNSET
    jwks_uri: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        audiences = self.audiences

        issuer = self.issuer

        claims: dict[str, Any] | Unset = UNSET
        if not isinstance(self.claims, Unset):
            claims = self.claims.to_dict()

        forward_token = self.forward_token

        forwarded_claims: list[str] | Unset = UNSET
        if not isinstance(self.forwarded_claims, Unset):
            forwarded_claims = self.forwarded_claims

        jwks_uri = self.jwks_uri

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "audiences": audiences,
                "issuer": issuer,
            }
        )
        if claims is not UNSET:
            field_dict["claims"] = claims
        if forward_token is not UNSET:
            field_dict["forward_token"] = forward_token
        if forwarded_claims is not UNSET:
            field_dict["forwarded_claims"] = forwarded_claims
        if jwks_uri is not UNSET:
            field_dict["jwks_uri"] = jwks_uri

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.jwt_claims import JwtClaims

        d = dict(src_dict)
        audiences = cast(list[str], d.pop("audiences"))

        issuer = d.pop("issuer")

        _claims = d.pop("claims", UNSET)
        claims: JwtClaims | Unset
        if isinstance(_claims, Unset):
            claims = UNSET
        else:
            claims = JwtClaims.from_dict(_claims)

        forward_token = d.pop("forward_token", UNSET)

        forwarded_claims = cast(list[str], d.pop("forwarded_claims", UNSET))

        jwks_uri = d.pop("jwks_uri", UNSET)

        jwt = cls(
            audiences=audiences,
            issuer=issuer,
            claims=claims,
            forward_token=forward_token,
            forwarded_claims=forwarded_claims,
            jwks_uri=jwks_uri,
        )

        return jwt
