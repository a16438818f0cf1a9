//! One run: a cluster, calls, faults, and the check of it all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::SIDECARS;
use super::fault::Fault;
use super::injector::Injector;
use super::plan::{Plan, Step};
use super::table::Figures;
use super::workload::{self, Mix, USUAL, Workload};
use crate::checker::{Violation, check};
use crate::cluster::{Cluster, Setup};
use crate::history::{Call, Harm, History, Incident, Outcome};
use crate::wait::when;

/// Until a fault that made a noise (connections reset) has no effect any longer.
const LOUD: Duration = Duration::from_millis(1_500);
/// The same for a silent one: until the silence is noticed, or lost frames are sent again.
const SILENT: Duration = Duration::from_secs(4);
/// Calls go on for so long when all is over, and must all succeed.
const CALM: Duration = Duration::from_secs(2);
/// Until every accepted call has ended.
const END: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    pub history: History,
    /// What was wrong.
    pub violations: Vec<Violation>,
    /// Times and counts.
    pub figures: Figures,
}

/// Runs the plan of a seed.
pub async fn run_seed(seed: u64) -> Report {
    run(USUAL, |_| Plan::from_seed(seed).steps).await
}

/// Runs a plan on a new cluster while calls are made.
pub(super) async fn run(mix: Mix, plan: impl FnOnce(&Cluster) -> Vec<Step>) -> Report {
    let cluster = begin(mix).await;
    let cold = workload::cold_start(&cluster).await;
    let before = cluster.started();
    let steps = plan(&cluster);
    let mut injector = Injector::new(cluster);
    let called: BTreeSet<&str> = mix.functions();
    injector.whole(&called).await;
    let load = Workload::start(&injector.cluster, injector.doors(), mix);
    let incidents = inject(&mut injector, &load, &steps).await;
    injector.whole(&called).await;
    let quiet = incidents.iter().map(|incident| incident.to).max();
    let rest = quiet.unwrap_or_default().saturating_sub(load.now()) + CALM;
    tokio::time::sleep(rest).await;
    let calls = load.stop().await;
    let ends = ends(&injector.cluster, &calls).await;
    let concurrency = workload::CONCURRENCY.map(|(name, calls)| (name.to_owned(), calls));
    let history = History {
        seen: injector.cluster.seen(),
        concurrency: BTreeMap::from(concurrency),
        cold: Some(cold),
        started: injector.cluster.started() - before,
        calls,
        incidents,
        ends,
        older: Vec::new(),
        schedule: None,
    };
    Report {
        violations: check(&history),
        figures: Figures::of(&history),
        history,
    }
}

async fn begin(mix: Mix) -> Cluster {
    let cluster = Cluster::on_network(Setup {
        sidecars: SIDECARS,
        capacity: 40,
        ..Setup::default()
    })
    .await;
    workload::deploy(&cluster, mix).await;
    cluster
}

/// Begins and ends each fault in its time.
async fn inject(injector: &mut Injector, load: &Workload, steps: &[Step]) -> Vec<Incident> {
    let begins = steps.iter().enumerate().map(|(n, step)| (step.at, n, true));
    let ends = steps.iter().enumerate();
    let ends = ends.map(|(n, step)| (step.at + step.lasts, n, false));
    let mut events: Vec<_> = begins.chain(ends).collect();
    events.sort();
    let mut incidents: Vec<Incident> = Vec::new();
    let mut going = BTreeMap::<usize, usize>::new();
    for (at, n, begins) in events {
        tokio::time::sleep(at.saturating_sub(load.now())).await;
        let fault = steps[n].fault;
        if begins {
            going.insert(n, incidents.len());
            incidents.push(Incident {
                name: fault.to_string(),
                harm: fault.harm(),
                hosts: fault.hosts(),
                from: load.now(),
                to: Duration::MAX,
            });
            injector.begin(fault, load).await;
        } else {
            injector.end(fault).await;
            incidents[going[&n]].to = load.now() + aftermath(fault);
        }
    }
    incidents
}

fn aftermath(fault: Fault) -> Duration {
    match fault.harm() {
        Harm::Nothing | Harm::ServerAway | Harm::Planned | Harm::Flood => Duration::ZERO,
        Harm::Fault => match fault {
            Fault::KillSidecar(_) | Fault::KillInstances(_) | Fault::FullDisk(_) => LOUD,
            _ => SILENT,
        },
    }
}

/// What became of accepted calls, once they have ended or should have.
pub(super) async fn ends(cluster: &Cluster, calls: &[Call]) -> BTreeMap<String, String> {
    let accepted = calls.iter().filter(|call| call.kind.is_queued());
    let accepted: BTreeMap<String, String> = accepted
        .filter_map(|call| match &call.outcome {
            Outcome::Answered {
                status: 202,
                call: id,
                ..
            } => Some((id.clone(), call.function.clone())),
            _ => None,
        })
        .collect();
    let deadline = tokio::time::Instant::now() + END;
    let callers: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let ask = accepted.into_iter().enumerate().map(|(n, (id, function))| {
        let caller = callers[n % callers.len()].clone();
        async move {
            loop {
                let mut state = caller.state_of(&id).await;
                if state == "unknown" {
                    // Versions before calls had tokens gave none, and this one tells of such calls to roles alone.
                    state = cluster.api.state_of(&function, &id).await;
                }
                let over = when(matches!(state.as_str(), "succeeded" | "dead"), ());
                if over.is_ok() || tokio::time::Instant::now() >= deadline {
                    return (id, state);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    stream::iter(ask).buffer_unordered(64).collect().await
}
