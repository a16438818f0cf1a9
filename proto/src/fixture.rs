//! A valid function as the server sends it, for tests of who receives it: every setting has its default.
//!
//! Only with the feature `fixture`. Deliberately nothing but data; a test changes what it is about.

use crate::v1;

/// A setting's default on the wire, where what is left out is 0.
macro_rules! sent {
    (bytes_or_none, $default:expr) => {
        0
    };
    (millicores_or_none, $default:expr) => {
        0
    };
    (derived, $default:expr) => {
        gateless_common::spec::CONCURRENCY_TARGET
    };
    ($unit:ident, $default:expr) => {
        $default
    };
}

/// A message with every setting of a section at its default, and the fields given.
macro_rules! message {
    (
        $message:ident { $($shaped:ident: $value:expr,)* }
        $section:ident { $(
            $(#[doc = $doc:literal])+
            $json:ident / $toml:ident: $type:ty, $unit:ident = $default:expr, $range:expr $(, also $also:expr)?;
        )* }
    ) => {
        v1::$message {
            $($json: sent!($unit, $default),)*
            $($shaped: $value,)*
        }
    };
}

/// A function of one revision, NAME-00001, which gets all traffic and is a process that runs `command`.
#[must_use]
pub fn function(name: &str, command: &[&str]) -> v1::Function {
    let revision = revision(name, command);
    v1::Function {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        uid: format!("{name}-uid"),
        traffic: vec![v1::TrafficTarget {
            revision: revision.name.clone(),
            percent: 100,
            tag: String::new(),
        }],
        revisions: vec![revision],
        candidate: String::new(),
        access: Some(gateless_common::settings!(access => message Access {
            networks: Vec::new(),
            cors: None,
            needs_key: false,
            needs_no_key: false,
            allow: Vec::new(),
            jwt: None,
            keys: Vec::new(),
        })),
        candidate_settle_ms: 0,
        gave_back_at_ms: 0,
        visibility: v1::Visibility::Public.into(),
        r#async: Some(gateless_common::settings!(async => message AsyncPolicy {
            callback_signing: String::new(),
        })),
        generation: 1,
    }
}

fn revision(name: &str, command: &[&str]) -> v1::Revision {
    let process = gateless_common::settings!(process => message ProcessRuntime {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        bundle_sha256: String::new(),
        bundle_format: String::new(),
        bundle_size: 0,
        working_dir: String::new(),
        ready_kind: "tcp".to_owned(),
        ready_path: String::new(),
        ready_answer: false,
    });
    v1::Revision {
        name: format!("{name}-00001"),
        uid: format!("{name}-revision-uid"),
        runtime: Some(v1::Runtime {
            kind: Some(v1::runtime::Kind::Process(process)),
        }),
        env: std::collections::HashMap::new(),
        secrets: Vec::new(),
        protocol: v1::Protocol::Http1.into(),
        limits: Some(gateless_common::settings!(limits => message Limits {})),
        hold: Some(gateless_common::settings!(hold => message HoldLimits {})),
        retries: Some(gateless_common::settings!(retries => message RetryPolicy {})),
        liveness: Some(
            gateless_common::settings!(liveness => message Liveness { path: String::new(), }),
        ),
        scaling: Some(gateless_common::settings!(scaling => message Scaling {
            metric: "concurrency".to_owned(),
        })),
    }
}
