//! Control messages between the core's types and the wire's.
//!
//! A message that does not parse is dropped with a log line: levels come again.

use std::sync::Arc;
use std::time::Duration;

use gateless_common::time::millis;
use gateless_core::message::{
    Assignment, Endpoints, HostReady, Load, RevisionDemand, RevisionInstances,
};
use gateless_core::name::{NodeId, RevisionName};
use gateless_core::ownership::Term;
use gateless_proto::v1::{self, link_down, link_up};

fn finite(value: f64) -> f64 {
    if value.is_finite() {
        value.max(0.0)
    } else {
        0.0
    }
}

fn text(failure: Option<&Arc<str>>) -> String {
    failure.map(ToString::to_string).unwrap_or_default()
}

fn failure(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}

fn write_term(term: &Term) -> Option<v1::Term> {
    Some(v1::Term {
        number: term.number,
        owner: term.owner.to_string(),
    })
}

fn read_term(term: Option<v1::Term>) -> Term {
    let term = term.unwrap_or_default();
    Term {
        number: term.number,
        owner: NodeId::new(&term.owner),
    }
}

fn name(text: &str) -> Option<RevisionName> {
    let parsed = text.parse();
    if let Err(error) = &parsed {
        tracing::warn!(%error, "dropped a peer's message");
    }
    parsed.ok()
}

pub(super) fn demand(demand: &RevisionDemand) -> link_up::Kind {
    let load = &demand.load;
    link_up::Kind::Demand(v1::RevisionDemand {
        revision: demand.revision.to_string(),
        concurrency: load.concurrency,
        rps: load.rps,
        held: load.held,
        async_queued: load.async_queued,
        oldest_ms: millis(load.oldest),
        service_time_ms: load.service_time.as_secs_f64() * 1e3,
        sequence: demand.sequence,
        subscribe: demand.subscribe,
        uid: demand.uid.to_string(),
    })
}

pub(super) fn read_demand(demand: &v1::RevisionDemand) -> Option<RevisionDemand> {
    let service = finite(demand.service_time_ms).min(1e9) / 1e3;
    Some(RevisionDemand {
        revision: name(&demand.revision)?,
        uid: demand.uid.as_str().into(),
        load: Load {
            concurrency: finite(demand.concurrency),
            rps: finite(demand.rps),
            held: demand.held,
            async_queued: demand.async_queued,
            oldest: Duration::from_millis(demand.oldest_ms),
            service_time: Duration::from_secs_f64(service),
        },
        sequence: demand.sequence,
        subscribe: demand.subscribe,
    })
}

pub(super) fn instances(instances: &RevisionInstances) -> link_up::Kind {
    link_up::Kind::Instances(v1::RevisionInstances {
        revision: instances.revision.to_string(),
        ready: instances.ready,
        starting: instances.starting,
        draining: instances.draining,
        term: write_term(&instances.term),
        backoff_ms: millis(instances.backoff),
        host_instances: instances.host_instances,
        host_capacity: instances.host_capacity,
        failure: text(instances.failure.as_ref()),
    })
}

pub(super) fn read_instances(instances: v1::RevisionInstances) -> Option<RevisionInstances> {
    Some(RevisionInstances {
        revision: name(&instances.revision)?,
        ready: instances.ready,
        starting: instances.starting,
        draining: instances.draining,
        term: read_term(instances.term),
        backoff: Duration::from_millis(instances.backoff_ms),
        host_instances: instances.host_instances,
        host_capacity: instances.host_capacity,
        failure: failure(&instances.failure),
    })
}

pub(super) fn endpoints(
    endpoints: &Endpoints,
    address: impl Fn(&NodeId) -> Option<String>,
) -> link_down::Kind {
    let hosts = endpoints.hosts.iter().map(|host| v1::Endpoint {
        node_id: host.node.to_string(),
        peer_address: address(&host.node).unwrap_or_default(),
        ready: host.ready,
    });
    link_down::Kind::Endpoints(v1::Endpoints {
        revision: endpoints.revision.to_string(),
        term: write_term(&endpoints.term),
        hosts: hosts.collect(),
        starting: endpoints.starting,
        desired: endpoints.desired,
        sequence: endpoints.sequence,
        unknown: endpoints.unknown,
        failure: text(endpoints.failure.as_ref()),
    })
}

pub(super) fn read_endpoints(endpoints: v1::Endpoints) -> Option<Endpoints> {
    let hosts = endpoints.hosts.iter().map(|host| HostReady {
        node: NodeId::new(&host.node_id),
        ready: host.ready,
    });
    Some(Endpoints {
        revision: name(&endpoints.revision)?,
        hosts: hosts.collect(),
        term: read_term(endpoints.term),
        starting: endpoints.starting,
        desired: endpoints.desired,
        sequence: endpoints.sequence,
        unknown: endpoints.unknown,
        failure: failure(&endpoints.failure),
    })
}

pub(super) fn assignment(assignment: &Assignment) -> link_down::Kind {
    link_down::Kind::Assignment(v1::Assignment {
        revision: assignment.revision.to_string(),
        term: write_term(&assignment.term),
        desired: assignment.desired,
        reason: assignment.reason.to_string(),
    })
}

pub(super) fn read_assignment(assignment: v1::Assignment) -> Option<Assignment> {
    Some(Assignment {
        revision: name(&assignment.revision)?,
        term: read_term(assignment.term),
        desired: assignment.desired,
        reason: assignment.reason.as_str().into(),
    })
}
