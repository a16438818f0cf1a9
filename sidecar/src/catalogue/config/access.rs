//! What a function asks of its callers, from the wire.

use std::sync::Arc;

use gateless_common::settings;
use gateless_core::access::{Access, Auth, Cors, Issuer, Key};
use gateless_core::allow::Allowed;
use gateless_core::limit::Rate;
use gateless_core::network::Network;
use gateless_proto::v1;

use super::Error;
use super::setting::check;

/// Refuses a section with a value outside of its range.
macro_rules! ranges {
    (
        $wire:expr,
        $section:ident { $(
            $(#[doc = $doc:literal])+
            $json:ident / $toml:ident: $type:ty, $unit:ident = $default:expr, $range:expr $(, also $also:expr)?;
        )* }
    ) => { check(stringify!($section), [$($wire.$json.into()),*]) };
}

/// Converts them; a server that says none asks nothing.
pub(super) fn access(wire: Option<&v1::Access>, namespace: &str) -> Result<Access, Error> {
    let Some(wire) = wire else {
        return Ok(Access::default());
    };
    let at = |e: Error| e.within("access");
    settings!(access => ranges wire,).map_err(at)?;
    let network = |(index, text): (usize, &String)| {
        let bad = |e: gateless_core::network::Invalid| {
            Error::new(format!("networks[{index}]"), e.to_string())
        };
        text.parse::<Network>().map_err(bad)
    };
    let caller = |(index, text): (usize, &String)| {
        let bad =
            |e: gateless_core::allow::Invalid| Error::new(format!("allow[{index}]"), e.to_string());
        Allowed::parse(text, namespace).map_err(bad)
    };
    let allow = wire.allow.iter().enumerate().map(caller);
    let networks = wire.networks.iter().enumerate().map(network);
    Ok(Access {
        auth: match (&wire.jwt, wire.needs_key && !wire.needs_no_key) {
            (Some(jwt), _) => Auth::Jwt(Arc::new(issuer(jwt).map_err(at)?)),
            (None, true) => Auth::Key(
                wire.keys
                    .iter()
                    .map(key)
                    .collect::<Result<_, _>>()
                    .map_err(at)?,
            ),
            (None, false) => Auth::None,
        },
        allow: allow.collect::<Result<_, _>>().map_err(at)?,
        networks: networks.collect::<Result<_, _>>().map_err(at)?,
        rate: Rate::new(wire.rate, wire.burst),
        caller_rate: Rate::new(wire.caller_rate, wire.caller_burst),
        cors: wire.cors.as_ref().map(cors).transpose().map_err(at)?,
    })
}

fn issuer(wire: &v1::TokenIssuer) -> Result<Issuer, Error> {
    let at = |e: Error| e.within("jwt");
    let some = |text: &str, field: &str| {
        super::ensure(!text.is_empty(), field, || "is empty".into()).map_err(at)
    };
    some(&wire.issuer, "issuer")?;
    super::ensure(!wire.audiences.is_empty(), "audiences", || {
        "is empty".into()
    })
    .map_err(at)?;
    let claims = wire.claims.iter();
    Ok(Issuer {
        issuer: wire.issuer.clone(),
        jwks_uri: (!wire.jwks_uri.is_empty()).then(|| wire.jwks_uri.clone()),
        audiences: wire.audiences.clone(),
        claims: claims
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        forwarded_claims: wire.forwarded_claims.clone(),
        forward_token: wire.forward_token,
    })
}

fn key(wire: &v1::CallerKey) -> Result<Key, Error> {
    let digest = wire.digest.as_slice().try_into();
    Ok(Key {
        name: wire.name.as_str().into(),
        digest: digest.map_err(|_| {
            Error::new("keys", format!("{:?} has no digest of 32 bytes", wire.name))
        })?,
        expires_at_ms: (wire.expires_at_ms > 0).then_some(wire.expires_at_ms),
    })
}

fn cors(wire: &v1::Cors) -> Result<Cors, Error> {
    let at = |e: Error| e.within("cors");
    super::ensure(!wire.origins.is_empty(), "origins", || "is empty".into()).map_err(at)?;
    let all = wire.origins.iter().any(|origin| origin == "*");
    super::ensure(!(all && wire.credentials), "credentials", || {
        "is set for the origin *".into()
    })
    .map_err(at)?;
    Ok(Cors {
        origins: wire.origins.clone(),
        methods: wire.methods.clone(),
        headers: wire.headers.clone(),
        exposed: wire.exposed_headers.clone(),
        credentials: wire.credentials,
        max_age_seconds: wire.max_age_seconds,
    })
}
