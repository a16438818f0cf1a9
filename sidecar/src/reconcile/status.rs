//! What the server is told of this host: instances, revisions, and why something fails.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gateless_common::io::unix_now;
use gateless_core::host::State;
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

struct LastExit {
    exit: Exit,
    unready: u32,
}

/// What the machines don't keep: addresses, clock times, last words.
#[derive(Default)]
pub(super) struct Status {
    instances: BTreeMap<InstanceId, Running>,
    /// Latest end that nobody asked for. Bounded by the configuration.
    exits: BTreeMap<RevisionName, LastExit>,
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

    pub(super) fn ready(&mut self, id: &InstanceId, address: Option<SocketAddr>) {
        let seen = self.instances.entry(id.clone()).or_default();
        seen.address = address;
        if seen.started_at_ms == 0 {
            seen.started_at_ms = unix_now().0;
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
        let unready = self.exits.get(&name).map_or(0, |last| last.unready);
        let unready = if exit.was_ready { 0 } else { unready + 1 };
        self.exits.insert(
            name,
            LastExit {
                exit: exit.clone(),
                unready,
            },
        );
    }

    pub(super) fn forget(&mut self, function: &FunctionName) {
        self.exits.retain(|name, _| name.function() != function);
    }

    pub(super) fn report(
        &mut self,
        now: Time,
        machines: &Machines,
        in_flight: impl Fn(&InstanceId) -> u32,
        held: u64,
        async_queued: u64,
    ) -> v1::StatusReport {
        let mut instances = Vec::new();
        for (id, name, state, _) in machines.host_machine().instances() {
            let seen = self.instances.entry(id.clone()).or_insert_with(|| Running {
                started_at_ms: unix_now().0,
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
            restarts: status.failures,
            owner: decided.is_some(),
            desired: decided.unwrap_or(status.desired),
            ..named(&name)
        };
        if let Some(failure) = status.failure {
            wire.message = failure.to_string();
            "start_failed".clone_into(&mut wire.reason);
            if let Some(LastExit { exit, unready }) = self.exits.get(&name) {
                reason(exit, *unready).clone_into(&mut wire.reason);
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

fn reason(exit: &Exit, unready: u32) -> &'static str {
    match exit.reason {
        ExitReason::StartTimeout => "start_timeout",
        ExitReason::SpawnFailed => "spawn_failed",
        ExitReason::Exited | ExitReason::Signaled | ExitReason::Unknown if unready > 1 => {
            "crash_loop"
        }
        ExitReason::Exited | ExitReason::Signaled | ExitReason::Unknown => "crashed",
        ExitReason::Stopped => "stopped",
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
