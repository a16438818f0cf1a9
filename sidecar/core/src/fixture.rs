//! Functions for tests: valid ones, with the platform's defaults.
//!
//! Also compiled into `tests/sim`; deliberately nothing but data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{
    AsyncPolicy, Function, HoldLimits, Limits, Process, Protocol, Readiness, RetryPolicy, Revision,
    Runtime, Scaling, TrafficTarget, Visibility,
};
use crate::name::{FunctionName, RevisionName};

pub(crate) fn function_name(name: &str) -> FunctionName {
    FunctionName::new("default", name).unwrap_or_else(|e| unreachable!("{e}"))
}

pub(crate) fn revision_name(name: &str, number: u32) -> RevisionName {
    RevisionName::new(function_name(name), &format!("{name}-{number:05}"))
        .unwrap_or_else(|e| unreachable!("{e}"))
}

/// One revision, with all the traffic.
pub(crate) fn function(name: &str, scaling: Scaling) -> Function {
    let revision = revision(name, 1, scaling);
    let whole = TrafficTarget {
        revision: 0,
        percent: 100,
        tag: None,
    };
    Function {
        name: function_name(name),
        uid: "uid".into(),
        revisions: vec![Arc::new(revision)],
        traffic: vec![whole],
        candidate: None,
        visibility: Visibility::Public,
        async_policy: AsyncPolicy {
            max_attempts: 5,
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            max_age: Duration::from_secs(3600),
            attempt_timeout: Duration::from_secs(300),
            result_ttl: Duration::from_secs(86400),
            max_queued: 100_000,
            max_in_flight: 100,
            max_result_bytes: 1 << 20,
        },
    }
}

pub(crate) fn revision(name: &str, number: u32, scaling: Scaling) -> Revision {
    Revision {
        name: revision_name(name, number),
        uid: format!("{name}-uid-{number}").into(),
        runtime: Runtime::Process(Process {
            command: vec!["true".to_owned()],
            bundle: None,
            working_dir: None,
            ready: Readiness::Tcp,
            start_timeout: Duration::from_secs(60),
            stop_grace: Duration::from_secs(10),
            socket_activation: false,
            memory_bytes: None,
        }),
        env: BTreeMap::new(),
        secrets: Vec::new(),
        protocol: Protocol::Http1,
        limits: Limits {
            timeout: Some(Duration::from_secs(300)),
            response_start_timeout: Some(Duration::from_secs(300)),
            idle_timeout: Some(Duration::from_secs(300)),
            max_request_body: 100 << 20,
            container_concurrency: None,
        },
        hold: HoldLimits {
            max_requests: 1000,
            max_bytes: 16 << 20,
            max_wait: Duration::from_secs(60),
        },
        retries: RetryPolicy {
            max_attempts: 2,
            budget_percent: 20,
        },
        scaling,
    }
}
