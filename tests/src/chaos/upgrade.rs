//! Every host and the server from the version before to this one, back, and there again, while calls go on.
//!
//! Each part is ended as an operator ends it and started as the other version on the data folder it had, and what
//! runs beside it is mixed for a while. Deliberately one part at a time: nothing else happens to the cluster, so
//! nothing excuses a call.

mod judge;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::SIDECARS;
use super::injector::Injector;
use super::run::ends;
use super::table::Figures;
use super::workload::{self, Mix, Workload};
use crate::cluster::{Cluster, Setup};
use crate::history::{Harm, History, Incident, Kind, Older, Schedule};
use crate::process::gateless_bin;
use crate::spec::Spec;

/// Calls that are made between two replacements, by versions that are mixed as they then are.
const MIXED: usize = 600;
/// Name of the trigger, and the seconds between two of its times.
const CLOCK: (&str, u64) = ("clock", 2);
/// A time is on time for so long.
const LATE: u64 = 15;

/// Some of everything, streams of four seconds and keys that are used again among it.
const CALLS: Mix = Mix {
    calls: &[
        (Kind::Get, "work", 30),
        (Kind::Get, "work", 90),
        (Kind::Post, "work", 30),
        (Kind::Get, "calm", 10),
        (Kind::Stream, "calm", 4_000),
        (Kind::Async, "job", 60),
        (Kind::Keyed, "job", 20),
    ],
    // More than there is time for, so that there is always a next one.
    cold: (200, Duration::from_millis(1_700)),
};

/// What came of it.
#[derive(Debug)]
pub struct Upgrade {
    /// Calls, accepted ones among them.
    pub calls: usize,
    pub accepted: usize,
    /// Times of the schedule.
    pub fired: u64,
    /// Parts that were ended and started as another version.
    pub replaced: usize,
    /// Times of calls at all entrances.
    pub figures: Figures,
    /// Every call that was lost, doubled or failed.
    pub losses: Vec<String>,
}

/// A part of a cluster.
#[derive(Debug, Clone, Copy)]
enum Part {
    Server,
    Sidecar(usize),
}

/// Each part once, the server before the sidecars or after them.
fn parts(server_first: bool) -> Vec<Part> {
    let sidecars = (0..SIDECARS).map(Part::Sidecar);
    let mut parts: Vec<Part> = sidecars.collect();
    let at = if server_first { 0 } else { parts.len() };
    parts.insert(at, Part::Server);
    parts
}

/// Goes from `previous` to this version, back, and there again.
///
/// # Panics
/// When a part does not end or does not start.
pub async fn upgrade(previous: PathBuf) -> Upgrade {
    let (this, setup) = (
        gateless_bin(),
        Setup {
            sidecars: SIDECARS,
            capacity: 80,
            ..Setup::default()
        },
    );
    let cluster = Cluster::of_program(setup, previous.clone()).await;
    workload::deploy(&cluster, CALLS).await;
    cluster.deploy("tick", Spec::new().scale(0, 2)).await;
    let (trigger, every) = CLOCK;
    let schedule = format!("*/{every} * * * * *");
    let schedule = json!({"kind": "cron", "function": "tick", "cron": {"schedule": schedule}});
    cluster.trigger(trigger, schedule).await;
    let mut injector = Injector::new(cluster);
    injector.whole(&CALLS.functions()).await;
    let first = seconds() + LATE;
    let load = Workload::start(&injector.cluster, injector.doors(), CALLS);
    load.more(MIXED).await;
    // Either side of the stream of configuration is the newer one for a while, and either writes what the other reads.
    let passes = [(&this, true), (&previous, true), (&this, false)];
    let mut incidents = Vec::new();
    let mut older: Vec<Older> = (0..SIDECARS)
        .map(|n| self::older(&injector, n, Duration::ZERO))
        .collect();
    for (program, server_first) in passes {
        for part in parts(server_first) {
            let incident = replace(&mut injector, part, program, &load).await;
            if let Part::Sidecar(host) = part {
                let of_host = older.iter_mut().filter(|o| o.entrance == host);
                if program == &this {
                    of_host.for_each(|older| older.to = older.to.min(incident.to));
                } else {
                    older.push(self::older(&injector, host, incident.from));
                }
            }
            incidents.push(incident);
            load.more(MIXED).await;
        }
    }
    let last = seconds().saturating_sub(LATE);
    let replaced = incidents.len();
    let calls = load.stop().await;
    let due = (first.next_multiple_of(every), last - last % every);
    let schedule = Schedule {
        trigger: trigger.to_owned(),
        every,
        due,
    };
    let ends = ends(&injector.cluster, &calls).await;
    let concurrency = workload::CONCURRENCY.map(|(name, calls)| (name.to_owned(), calls));
    let history = History {
        seen: injector.cluster.seen(),
        concurrency: BTreeMap::from(concurrency),
        cold: None,
        started: injector.cluster.started(),
        calls,
        incidents,
        ends,
        older,
        schedule: Some(schedule),
    };
    Upgrade {
        calls: history.calls.len(),
        accepted: history.ends.len(),
        fired: (due.1 - due.0) / every + 1,
        replaced,
        figures: Figures::of(&history),
        losses: judge::losses(&history),
    }
}

async fn replace(injector: &mut Injector, part: Part, program: &Path, load: &Workload) -> Incident {
    let from = load.now();
    let hosts = match part {
        Part::Server => {
            injector.replace_server(program).await;
            // What it writes from now on is for sidecars of both versions.
            injector.roll_out().await;
            Vec::new()
        }
        Part::Sidecar(host) => {
            injector.replace(host, program).await;
            vec![host]
        }
    };
    Incident {
        name: format!("{part:?} becomes {}", program.display()),
        harm: Harm::Planned,
        hosts,
        from,
        to: load.now(),
    }
}

/// A sidecar is of the version before from then on.
fn older(injector: &Injector, entrance: usize, from: Duration) -> Older {
    Older {
        entrance,
        node: injector.cluster.sidecars[entrance].node(),
        from,
        to: Duration::MAX,
    }
}

/// Since the epoch.
fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}
