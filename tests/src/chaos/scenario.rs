//! Single faults that last, done to a host that matters, and what callers elsewhere notice of it.
//!
//! Deliberately one at a time: what comes of several together is what seeds are for.

use std::time::Duration;

use super::SIDECARS;
use super::fault::Fault;
use super::plan::Step;
use super::run::{Report, run};
use super::workload::{COLD, Calls, Mix, USUAL};
use crate::cluster::Cluster;
use crate::history::Kind;

/// Calls are made for so long before.
const BEFORE: Duration = Duration::from_secs(3);
/// Longer than any silence may go unnoticed.
const LASTS: Duration = Duration::from_secs(6);

/// A fault by name.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// For the table.
    pub name: &'static str,
    /// The function whose first instance's host it is done to.
    function: &'static str,
    mix: Mix,
    fault: fn(usize) -> Fault,
}

const fn usual(name: &'static str, fault: fn(usize) -> Fault) -> Scenario {
    Scenario {
        name,
        function: "work",
        mix: USUAL,
        fault,
    }
}

fn neighbour(host: usize) -> usize {
    (host + 1) % SIDECARS
}

/// Calls for a function that may not have a second instance, too.
const SINGLE: Calls = &[
    (Kind::Get, "work", 30),
    (Kind::Post, "work", 30),
    (Kind::Get, "single", 30),
    (Kind::Post, "single", 30),
];

/// Every one there is.
pub const SCENARIOS: &[Scenario] = &[
    usual("sidecar killed", Fault::KillSidecar),
    usual("instances killed", Fault::KillInstances),
    usual("host powered off", Fault::PowerOff),
    usual("host silent", Fault::Silence),
    usual("host frozen", Fault::Freeze),
    usual("host cut off, both ways", Fault::CutOff),
    usual("host not heard", Fault::CutFrom),
    usual("host hears nobody", Fault::CutTo),
    usual("two hosts cut from each other", |host| {
        Fault::CutPair(host, neighbour(host))
    }),
    Scenario {
        name: "two hosts cut from each other, one has the only instance there may be",
        function: "single",
        mix: Mix {
            calls: SINGLE,
            cold: COLD,
        },
        ..usual("", |host| Fault::CutPair(host, neighbour(host)))
    },
    usual("one instance frozen", Fault::FreezeInstance),
    usual("a fifth of a host's frames lost", Fault::Loss),
    usual("clock of a host forward 2 h", Fault::ClockForward),
    usual("clock of a host back 2 h", Fault::ClockBack),
    usual("clock of the server forward 2 h", |_| {
        Fault::ServerClockForward
    }),
    usual("clock of the server back 2 h", |_| Fault::ServerClockBack),
    usual("host cut from the server", Fault::CutServer),
    usual("server killed", |_| Fault::KillServer),
];

pub async fn run_scenario(scenario: &Scenario) -> Report {
    let steps = |cluster: &Cluster| {
        let instances = cluster.instances();
        let instance = instances.iter().find(|i| i.function == scenario.function);
        let host = cluster.by_node(&instance.unwrap().node);
        let fault = (scenario.fault)(host);
        vec![Step {
            at: BEFORE,
            lasts: LASTS,
            fault,
        }]
    };
    run(scenario.mix, steps).await
}
