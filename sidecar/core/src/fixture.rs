//! Functions for tests: valid ones, with the platform's defaults.
//!
//! With the feature `fixture` also for the sidecar's tests; deliberately nothing but data.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::access::Access;
use crate::config::{
    AsyncPolicy, Function, HoldLimits, Limits, Liveness, Process, Protocol, Readiness, RetryPolicy,
    Revision, Runtime, Scaling, TrafficTarget, Visibility,
};
use crate::limit::Buckets;
use crate::name::{FunctionName, RevisionName};
use crate::policy::{Admitted, Identity, Policy, Proof, Subject};
use crate::time::Time;

/// A call for a public function that the policy let through, or what is kept of one.
///
/// # Panics
/// When the policy refuses it.
#[must_use]
pub fn admitted<C>(call: C) -> Admitted<C> {
    struct Public<C>(Function, C);
    impl<C> Subject for Public<C> {
        fn function(&self) -> &Function {
            &self.0
        }

        fn identity(&self) -> &Identity {
            &Identity::Anonymous
        }

        fn source(&self) -> Option<IpAddr> {
            None
        }

        fn proof(&self) -> Option<&Proof> {
            None
        }

        fn buckets<T>(&self, _: impl FnOnce(&mut Buckets) -> T) -> Option<T> {
            None
        }
    }
    let call = Public(function("public", Scaling::DEFAULT), call);
    let admitted = Policy::default().admit(call, Time::ZERO);
    let admitted = admitted.unwrap_or_else(|refused| unreachable!("{refused:?}"));
    admitted.map(|call| call.1)
}

/// In the namespace `default`.
///
/// # Panics
/// When `name` is none.
#[must_use]
pub fn function_name(name: &str) -> FunctionName {
    FunctionName::new("default", name).unwrap_or_else(|e| unreachable!("{e}"))
}

/// NAME-0000N.
///
/// # Panics
/// When `name` is none.
#[must_use]
pub fn revision_name(name: &str, number: u32) -> RevisionName {
    RevisionName::new(function_name(name), &format!("{name}-{number:05}"))
        .unwrap_or_else(|e| unreachable!("{e}"))
}

/// One revision, with all the traffic.
#[must_use]
pub fn function(name: &str, scaling: Scaling) -> Function {
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
        settle: Duration::ZERO,
        gave_back_at_ms: 0,
        visibility: Visibility::Public,
        access: Access::default(),
        async_policy: AsyncPolicy::DEFAULT,
        callback_signing: None,
    }
}

/// A revision that runs as a process, with defaults for all but its scaling.
#[must_use]
pub fn revision(name: &str, number: u32, scaling: Scaling) -> Revision {
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
            memory: None,
            cpu: None,
        }),
        env: BTreeMap::new(),
        secrets: Vec::new(),
        protocol: Protocol::Http1,
        limits: Limits::DEFAULT,
        hold: HoldLimits::DEFAULT,
        retries: RetryPolicy::DEFAULT,
        liveness: Liveness::DEFAULT,
        scaling,
    }
}
