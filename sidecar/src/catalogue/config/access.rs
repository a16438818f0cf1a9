//! What a function asks of its callers, from the wire.

use gateless_common::settings;
use gateless_core::access::{Access, Auth, Cors, Key};
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
pub(super) fn access(wire: Option<&v1::Access>) -> Result<Access, Error> {
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
    let networks = wire.networks.iter().enumerate().map(network);
    Ok(Access {
        auth: match wire.needs_key {
            true => Auth::Key(
                wire.keys
                    .iter()
                    .map(key)
                    .collect::<Result<_, _>>()
                    .map_err(at)?,
            ),
            false => Auth::None,
        },
        networks: networks.collect::<Result<_, _>>().map_err(at)?,
        rate: Rate::new(wire.rate, wire.burst),
        caller_rate: Rate::new(wire.caller_rate, wire.caller_burst),
        cors: wire.cors.as_ref().map(cors).transpose().map_err(at)?,
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
