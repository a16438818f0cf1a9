//! The objects of a spec that are made of settings: their rows are in `gateless_common::settings!`.
//!
//! Each row becomes a field with its default; fields with a shape of their own are written here before them.
//! Defaults and ranges come into the OpenAPI document in `http/openapi.rs`, and are checked in [`super::super::validate`].

use gateless_common::spec::{Field, Value, settings as fields_of};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Auth, Bundle, Component, Cors, Jwt, Metric, Readiness};

/// A struct of a section's settings, after the fields given.
/// A setting that the version before this one does not know and refuses: it is written where it is set, and left out elsewhere, so that
/// a server which goes back to that version reads every function that does not use it.
trait LeftOut {
    fn is_unset(&self) -> bool {
        false
    }
}

impl LeftOut for bool {}
impl LeftOut for u32 {}
impl LeftOut for u64 {}
impl LeftOut for f64 {}
impl LeftOut for Option<u64> {}
impl LeftOut for Option<f64> {}

impl LeftOut for Option<u32> {
    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

macro_rules! object {
    (
        $(#[$attribute:meta])* $name:ident { $(
            $(#[$shaped_attribute:meta])* $shaped:ident: $shaped_type:ty = $shaped_default:expr,
        )* }
        $section:ident { $(
            $(#[doc = $doc:literal])+
            $json:ident / $toml:ident: $type:ty, $unit:ident = $default:expr, $range:expr $(, also $also:expr)?;
        )* }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$shaped_attribute])* pub $shaped: $shaped_type,)*
            $($(#[doc = $doc])+ #[serde(skip_serializing_if = "LeftOut::is_unset")] pub $json: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($shaped: $shaped_default,)*
                    $($json: $default,)*
                }
            }
        }

        impl $name {
            /// Every setting with its value, in the table's order.
            pub fn settings(&self) -> impl Iterator<Item = (&'static Field, Value)> {
                let values = [$(Value::from(self.$json)),*];
                fields_of(stringify!($section)).iter().zip(values)
            }
        }
    };
}

gateless_common::settings!(process => object
    /// A process that serves HTTP on `$PORT`.
    Process {
        /// Program and arguments.
        #[schema(required = true, min_items = 1, max_items = 256, example = json!(["python3", "main.py"]))]
        command: Vec<String> = Vec::new(),
        /// An uploaded artifact to unpack first; without it the command is one on the host.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        bundle: Option<Bundle> = None,
        /// Relative to the bundle, or absolute without one.
        working_dir: Option<String> = None,
        /// When an instance counts as ready.
        ready: Readiness = Readiness::default(),
    }
);

gateless_common::settings!(wasm => object
    /// A `wasi:http` component, run inside the sidecar.
    Wasm {
        /// The uploaded component.
        #[schema(required = true)]
        component: Component = Component::default(),
        /// Outside hosts it may call: `HOST`, `HOST:PORT`, `*.DOMAIN`; at most 64. Other functions need no entry.
        allowed_hosts: Vec<String> = Vec::new(),
    }
);

gateless_common::settings!(container => object
    /// A container that serves HTTP, run by the host's container engine.
    Container {
        /// As `docker pull` takes it: `registry.example/name:tag`, or with a digest (`@sha256:...`), which never changes.
        #[schema(required = true, max_length = 512, example = "registry.example/acme/resize:1.2")]
        image: String = String::new(),
        /// The program, in place of the image's entry point.
        #[schema(max_items = 256)]
        command: Vec<String> = Vec::new(),
        /// Its arguments, in place of the image's.
        #[schema(max_items = 256)]
        args: Vec<String> = Vec::new(),
        /// Whom it runs as, `USER` or `USER:GROUP`. Left out: whom the image says.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        user: Option<String> = None,
        /// Folders in memory that it may write to, as absolute paths.
        #[schema(max_items = 16)]
        tmpfs: Vec<String> = Vec::new(),
        /// When an instance counts as ready.
        ready: Readiness = Readiness::default(),
    }
);

gateless_common::settings!(access => object
    /// What a function asks of its callers. In force for all revisions as soon as it is applied.
    Access {
        /// What a caller has to prove.
        auth: Auth = Auth::None,
        /// Whose tokens it takes, with `auth` = `jwt`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        jwt: Option<Jwt> = None,
        /// Which functions may call it, with `visibility` = `cluster_only`: `NAME`, `NAME.NAMESPACE`, `*` (of its namespace), `*.NAMESPACE`; at most 64. Empty: every one.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        allow: Vec<String> = Vec::new(),
        /// Where a call from outside may come from; at most 64. Empty: anywhere.
        networks: Vec<String> = Vec::new(),
        /// Which pages of other sites browsers let call it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        cors: Option<Cors> = None,
    }
);

gateless_common::settings!(limits => object
    /// Bounds on one call.
    Limits {}
);

gateless_common::settings!(hold => object
    /// Bounds on calls held per revision and sidecar.
    Hold {}
);

gateless_common::settings!(retries => object
    /// Retries of calls that failed before a response. Refusals by a full gate are no retries.
    Retries {}
);

gateless_common::settings!(liveness => object
    /// Probes of instances that say nothing: one that does not answer them is replaced.
    Liveness {
        /// What a probe gets; any status is an answer. Left out: `OPTIONS *`, and for `h2c` gRPC's health check.
        path: Option<String> = None,
    }
);

gateless_common::settings!(scaling => object
    /// The autoscaler's settings.
    Scaling {
        /// What is counted.
        metric: Metric = Metric::Concurrency,
    }
);

gateless_common::settings!(async => object
    /// How queued calls are delivered.
    AsyncPolicy {
        /// `SECRET/KEY`: callbacks are signed by the keys in it, as Standard Webhooks has it. Left out: they are not signed.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        callback_signing: Option<String> = None,
    }
);
