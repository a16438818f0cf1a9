//! What the server is told of this host: instances, revisions, and why something fails.
//!
//! Deliberately decides nothing, not even what a failure is called, and reads no clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gateless_common::time::UnixMillis;
use gateless_core::host::{End, State};
use gateless_core::name::{FunctionName, InstanceId, RevisionName};
use gateless_core::time::Time;
use gateless_proto::v1;

use super::machines::Machines;
use crate::instance::{Exit, ExitReason};

#[derive(Default)]
struct Running {
    started_at_ms: u64,
    address: Option<SocketAddr>,
}

/// What the machines don't keep: addresses, clock times, last words.
#[derive(Default)]
pub(super) struct Status {
    instances: BTreeMap<InstanceId, Running>,
    /// Latest end that nobody asked for. Bounded by the configuration.
    exits: BTreeMap<RevisionName, Exit>,
}

impl Status {
    pub(super) fn started(&mut self, id: &InstanceId, at_ms: u64) {
        self.instances.insert(
            id.clone(),
            Running {
                started_at_ms: at_ms,
                address: None,
            },
        );
    }

    pub(super) fn ready(&mut self, id: &InstanceId, now: UnixMillis, address: Option<SocketAddr>) {
        let seen = self.instances.entry(id.clone()).or_default();
        seen.address = address;
        if seen.started_at_ms == 0 {
            seen.started_at_ms = now.0;
        }
    }

    pub(super) fn exited(&mut self, id: &InstanceId, name: Option<RevisionName>, exit: &Exit) {
        self.instances.remove(id);
        let Some(name) = name else {
            return;
        };
        if exit.reason == ExitReason::Stopped {
            return;
        }
        self.exits.insert(name, exit.clone());
    }

    pub(super) fn forget(&mut self, function: &FunctionName) {
        self.exits.retain(|name, _| name.function() != function);
    }

    pub(super) fn report(
        &mut self,
        (now, wall): (Time, UnixMillis),
        machines: &Machines,
        in_flight: impl Fn(&InstanceId) -> u32,
        held: u64,
        async_queued: u64,
    ) -> v1::StatusReport {
        let mut instances = Vec::new();
        for (id, name, state, _) in machines.host_machine().instances() {
            let seen = self.instances.entry(id.clone()).or_insert_with(|| Running {
                started_at_ms: wall.0,
                address: None,
            });
            instances.push(v1::InstanceStatus {
                id: id.to_string(),
                namespace: name.function().namespace().to_owned(),
                function: name.function().name().to_owned(),
                revision: name.revision().to_owned(),
                state: state_text(state).to_owned(),
                in_flight: in_flight(id),
                started_at_ms: seen.started_at_ms,
                address: seen
                    .address
                    .map(|address| address.to_string())
                    .unwrap_or_default(),
            });
        }
        let mut wanted: BTreeMap<_, _> = machines.desired().filter(|(_, n)| *n > 0).collect();
        let mut revisions = Vec::new();
        for status in machines.host_machine().statuses(now) {
            let owner = machines.owns(status.revision.function());
            let decided = wanted.remove(&status.revision);
            let decided = decided.or_else(|| owner.then_some(0));
            revisions.push(self.revision(status, decided));
        }
        // Owned here, and all on other hosts.
        let elsewhere = wanted.into_iter();
        revisions.extend(elsewhere.map(|(name, desired)| v1::RevisionStatus {
            owner: true,
            desired,
            ..named(name)
        }));
        v1::StatusReport {
            revisions,
            instances,
            held,
            async_queued,
            draining: false,
            version: 0,
        }
    }

    fn revision(
        &self,
        status: gateless_core::host::RevisionStatus,
        decided: Option<u32>,
    ) -> v1::RevisionStatus {
        let name = status.revision;
        let mut wire = v1::RevisionStatus {
            ready: status.ready,
            starting: status.starting,
            was_ready: status.was_ready,
            died: status.died.is_some(),
            never_answered: status.never_answered,
            outdated: status.outdated,
            restarts: status.failures,
            owner: decided.is_some(),
            desired: decided.unwrap_or(status.desired),
            ..named(&name)
        };
        if let Some(message) = status.died {
            wire.message = message.to_string();
        }
        if let Some((reason, message)) = status.failure {
            wire.message = message.to_string();
            reason.clone_into(&mut wire.reason);
            if let Some(exit) = self.exits.get(&name) {
                wire.exit_code = exit.code.unwrap_or(0);
                wire.last_log_lines.clone_from(&exit.last_log_lines);
            }
        }
        wire
    }
}

fn named(name: &RevisionName) -> v1::RevisionStatus {
    v1::RevisionStatus {
        namespace: name.function().namespace().to_owned(),
        function: name.function().name().to_owned(),
        revision: name.revision().to_owned(),
        ..v1::RevisionStatus::default()
    }
}

/// What the core makes of the drivers' kinds of ends.
pub(super) fn end(reason: ExitReason) -> End {
    match reason {
        ExitReason::StartTimeout => End::StartTimeout,
        ExitReason::SpawnFailed => End::NotStarted,
        ExitReason::Exited | ExitReason::Signaled | ExitReason::Unknown => End::Crashed,
        ExitReason::Stopped => End::Stopped,
        ExitReason::Unresponsive => End::Unresponsive,
    }
}

fn state_text(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Ready => "ready",
        State::Draining => "draining",
        State::Stopping => "stopping",
    }
}
