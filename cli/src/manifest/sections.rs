//! The tables of `function.toml`: what people write on the left, what the API reads on the right.
//!
//! One struct is both sides: it deserializes from the friendly names and serializes to the
//! API's. Both names are in `gateless_common::settings!`. Deliberately no defaults and no range checks: the server
//! has both from the same table.

use std::collections::BTreeMap;

use gateless_common::settings;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use super::Command;
use super::units::{Bytes, Millicores, Millis};

/// `[[secrets]]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    /// Variable the function sees.
    pub(crate) env: String,
    /// Secret in the function's namespace.
    pub(crate) secret: String,
    /// Key within the secret.
    pub(crate) key: String,
}

/// `[build]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Build {
    /// Runs beside function.toml before every deployment; a text is run by /bin/sh -c.
    pub(crate) command: Option<Command>,
    /// Files and folders whose change makes `gateless dev` deploy again [default: the bundle, or
    /// with a build command the folder of function.toml without it].
    pub(crate) watch: Option<Vec<String>>,
}

/// What a setting is in `function.toml`, by its unit.
macro_rules! written {
    (millis) => {
        Millis
    };
    (millis_or_none) => {
        Millis
    };
    (bytes) => {
        Bytes
    };
    (bytes_or_none) => {
        Bytes
    };
    (millicores_or_none) => {
        Millicores
    };
    (count) => {
        u32
    };
    (count_or_none) => {
        u32
    };
    (number) => {
        f64
    };
    (derived) => {
        f64
    };
    (flag) => {
        bool
    };
}
pub(super) use written;

/// A table of settings, with the keys given: it reads the keys of `function.toml` and writes those of the API.
macro_rules! section {
    (
        $(#[$attribute:meta])* $name:ident { $($(#[$shaped_attribute:meta])* $shaped:ident: $shaped_type:ty,)* }
        $section:ident { $(
            $(#[doc = $doc:literal])+
            $json:ident / $toml:ident: $type:ty, $unit:ident = $default:expr, $range:expr $(, also $also:expr)?;
        )* }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$shaped_attribute])* $shaped: Option<$shaped_type>,)*
            $($(#[doc = $doc])+ $toml: Option<written!($unit)>,)*
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $(if let Some(value) = &self.$shaped {
                    map.serialize_entry(stringify!($shaped), value)?;
                })*
                $(if let Some(value) = &self.$toml {
                    map.serialize_entry(stringify!($json), value)?;
                })*
                map.end()
            }
        }
    };
}

settings!(access => section
    /// `[access]`
    Access {
        /// What a caller has to prove: "none", "key": that it has one of `gateless key create`, or "jwt": a token [default: "none"].
        auth: String,
        /// Whose tokens it takes, with auth = "jwt".
        jwt: Jwt,
        /// Functions that may call it, for example "orders" or "*.shop", with visibility = "cluster_only" [default: every one].
        allow: Vec<String>,
        /// Where a call from outside may come from, for example "10.0.0.0/8" [default: anywhere].
        networks: Vec<String>,
        /// Pages of other sites that may call it [default: none].
        cors: Cors,
    }
);

/// `[access.jwt]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Jwt {
    /// Whose: what `iss` is, for example "https://login.example.com".
    issuer: String,
    /// Where its keys are [default: where its OpenID configuration says].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    /// For whom: one of these is in `aud`.
    audiences: Vec<String>,
    /// Claims that a token has besides, and their values.
    #[serde(default)]
    claims: BTreeMap<String, String>,
    /// Claims that the function gets as headers x-gateless-claim-NAME.
    #[serde(default)]
    forwarded_claims: Vec<String>,
    /// Whether the function gets the token, too.
    #[serde(default)]
    forward_token: bool,
}

/// `[access.cors]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Cors {
    /// "https://example.com", "https://*.example.com" or "*".
    origins: Vec<String>,
    /// Methods they may use [default: every one].
    #[serde(default)]
    methods: Vec<String>,
    /// Request headers they may send [default: every one].
    #[serde(default)]
    headers: Vec<String>,
    /// Answer headers they may read besides those they always may.
    #[serde(default)]
    exposed_headers: Vec<String>,
    /// Whether cookies and credentials may come with a call; not with the origin "*".
    #[serde(default)]
    credentials: bool,
    /// Seconds for which a browser need not ask again.
    #[serde(default)]
    max_age_seconds: u32,
}

settings!(limits => section
    /// `[limits]`
    Limits {}
);

settings!(hold => section
    /// `[hold]`
    Hold {}
);

settings!(retries => section
    /// `[retries]`
    Retries {}
);

settings!(liveness => section
    /// `[liveness]`
    Liveness {
        /// What a probe gets; any status is an answer [default: `OPTIONS *`, and for h2c gRPC's health check].
        path: String,
    }
);

settings!(scaling => section
    /// `[scaling]`
    Scaling {
        /// "concurrency" or "rps".
        metric: String,
    }
);

settings!(async => section
    /// `[async]`
    Async {
        /// "SECRET/KEY" whose keys sign callbacks [default: they are not signed].
        callback_signing: String,
    }
);

settings!(wasm => section
    /// `[wasm]`
    Wasm {
        /// Hosts it may call besides functions [default: none].
        allowed_hosts: Vec<String>,
    }
);

settings!(container => section
    /// `[container]`
    Container {
        /// Program, in place of the image's entry point.
        command: Vec<String>,
        /// Arguments, in place of the image's.
        args: Vec<String>,
        /// Whom it runs as, "USER" or "USER:GROUP" [default: whom the image says].
        user: String,
        /// Folders in memory that it may write to, for example "/tmp".
        tmpfs: Vec<String>,
        /// "answer": a request is answered, whatever the status; a path that answers 2xx or 3xx; or "tcp": the port accepts connections.
        ready: String,
    }
);
