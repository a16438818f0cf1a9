//! The control path: one task that feeds the core's owner, host and caller machines and
//! carries out what they say.
//!
//! It is on no warm call's path. Messages to the own node go the same way as to peers, only
//! through a queue in memory. Levels sent last are kept, and sent again to a peer whose link
//! is new. It decides nothing: the machines do.

mod adopt;
mod effects;
mod health;
mod machines;
mod observe;
mod secrets;
mod status;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateless_common::io::unix_now;
use gateless_core::config;
use gateless_core::host;
use gateless_core::liveness;
use gateless_core::message::Load;
use gateless_core::name::{FunctionName, InstanceId, RevisionName};
use gateless_core::time::Time;
use gateless_proto::v1;
use imbl::ordmap::DiffItem;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::catalogue::Catalogue;
use crate::clock;
use crate::cluster;
use crate::instance::{self, Drivers};
use crate::runtime::{Registry, Signal};
use crate::telemetry::metrics::Length;
use crate::telemetry::observe::{Observer, Sampler};
use effects::{Effects, Started};
use health::Health;
use machines::Machines;

/// How often load is sampled.
const SAMPLE: Duration = Duration::from_secs(1);
/// A held call is reported at once, further ones of the same revision after this.
const POKE_GAP: Duration = Duration::from_millis(10);
/// Changes of status are gathered for so long.
const STATUS_DEBOUNCE: Duration = Duration::from_millis(20);
/// Status is sent at least so often.
const STATUS_PERIOD: Duration = Duration::from_secs(10);

/// Calls waiting in the durable queue: due now, per function.
pub trait Backlog: Send + Sync + 'static {
    /// Functions with calls due, and how many.
    fn due(&self) -> Vec<(FunctionName, u32)>;

    /// How long every queue is that isn't empty, for people.
    fn lengths(&self) -> Vec<Length>;
}

/// What the reconciler needs of its surroundings.
pub struct Parts {
    /// The hot path's side.
    pub registry: Arc<Registry>,
    /// Of the registry.
    pub signals: mpsc::UnboundedReceiver<Signal>,
    /// The catalogue, already loaded from disk.
    pub catalogue: watch::Receiver<Arc<Catalogue>>,
    pub peers: cluster::Handle,
    /// Of the peers.
    pub peer_events: mpsc::Receiver<cluster::Event>,
    pub drivers: Arc<Drivers>,
    /// Of the driver.
    pub instance_events: mpsc::Receiver<instance::Event>,
    /// Artifacts and status reports.
    pub control: Arc<crate::catalogue::Handle>,
    /// The durable queue's demand.
    pub backlog: Arc<dyn Backlog>,
    /// Told of what happens here.
    pub observer: Arc<Observer>,
    /// Instances this host may run, unless it drains.
    pub capacity: u32,
    /// Whether it drains.
    pub draining: watch::Receiver<bool>,
    /// How the container engine is, without which there is room for no container.
    pub engine: watch::Receiver<instance::engine::State>,
    /// For functions here: the local listener.
    pub gateless_url: String,
    /// Ends the task.
    pub stop: CancellationToken,
}

struct Reconciler {
    parts: Parts,
    machines: Machines,
    effects: Effects,
    catalogue: Arc<Catalogue>,
    started: mpsc::UnboundedReceiver<Started>,
    health: Health,
    pokes: BTreeMap<RevisionName, Time>,
    /// Last sample of every revision with load.
    sampled: BTreeMap<RevisionName, Load>,
    status: status::Status,
    status_due: Option<Time>,
    /// To make the last report.
    status_took: Duration,
    next_sample: Time,
    /// While somebody watches.
    sampler: Option<Sampler>,
}

/// Adopts what an earlier sidecar left and runs until `stop`.
pub async fn run(parts: Parts) {
    let (started_sender, started) = mpsc::unbounded_channel();
    let node = parts.registry.node().clone();
    let prefix = format!("{node}-{:x}", rand::random::<u32>());
    let effects = Effects::new(&parts, started_sender);
    let mut reconciler = Reconciler {
        machines: Machines::new(node, parts.capacity, parts.drivers.clone(), &prefix),
        effects,
        catalogue: Arc::default(),
        started,
        health: Health::default(),
        pokes: BTreeMap::new(),
        sampled: BTreeMap::new(),
        status: status::Status::default(),
        status_due: None,
        status_took: Duration::ZERO,
        next_sample: clock::now() + SAMPLE,
        sampler: None,
        parts,
    };
    reconciler.drain();
    // First: whoever decides how many are to run must know what does.
    reconciler.adopt().await;
    reconciler.configure();
    loop {
        let deadline = reconciler.next_deadline();
        tokio::select! {
            biased;
            () = reconciler.parts.stop.cancelled() => return,
            Some(event) = reconciler.parts.instance_events.recv() => reconciler.instance(event),
            Some(started) = reconciler.started.recv() => reconciler.started(started),
            Some(event) = reconciler.health.next() => reconciler.health(event),
            Some(signal) = reconciler.parts.signals.recv() => reconciler.signal(signal),
            Some(event) = reconciler.parts.peer_events.recv() => reconciler.peer(event),
            changed = reconciler.parts.catalogue.changed() => {
                if changed.is_err() { return; }
                reconciler.configure();
            }
            Ok(()) = reconciler.parts.draining.changed() => reconciler.drain(),
            Ok(()) = reconciler.parts.engine.changed() => reconciler.drain(),
            () = tokio::time::sleep_until(clock::instant(deadline)) => reconciler.tick(),
        }
        reconciler.settle();
    }
}

impl Reconciler {
    fn next_deadline(&self) -> Time {
        let pokes = self.pokes.values().copied();
        let machines = self.machines.next_deadline();
        let all = pokes.chain(machines).chain(self.status_due);
        let all = all.chain(self.health.next_deadline());
        all.fold(self.next_sample, Time::min)
    }

    fn tick(&mut self) {
        let now = clock::now();
        self.machines.tick(now);
        if self.health.next_deadline().is_some_and(|at| at <= now) {
            let seen = self.parts.registry.seen();
            self.health(liveness::Event::Seen(seen));
        }
        let due: Vec<_> = self
            .pokes
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.pokes.remove(&name);
            self.parts.registry.signal_handled(&name);
        }
        if now >= self.next_sample {
            self.next_sample = now + SAMPLE;
            self.sample(now);
        }
        if self.status_due.is_some_and(|due| due <= now) {
            self.status_due = None;
            self.report(now);
        }
    }

    /// Carries out everything the machines asked for, and what follows from that.
    fn settle(&mut self) {
        let now = clock::now();
        while let Some(action) = self.machines.next_action(now) {
            if let machines::Action::Drain(id) = &action {
                self.health(liveness::Event::Removed(id.clone()));
            }
            self.effects
                .act(&self.parts, &self.catalogue, &mut self.machines, action);
        }
        let reports = self.effects.take_status_changed();
        if reports {
            let soon = now + status_pause(self.status_took);
            self.status_due = Some(self.status_due.map_or(soon, |due| due.min(soon)));
        }
    }

    fn configure(&mut self) {
        let now = clock::now();
        let new = self.parts.catalogue.borrow_and_update().clone();
        let old = std::mem::replace(&mut self.catalogue, new.clone());
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        for difference in old.functions.diff(&new.functions) {
            match difference {
                DiffItem::Add(_, function)
                | DiffItem::Update {
                    new: (_, function), ..
                } => {
                    changed.push(function.clone());
                }
                DiffItem::Remove(name, _) => gone.push(name.clone()),
            }
        }
        let registry = &self.parts.registry;
        registry.change(changed.iter().cloned(), gone.iter().cloned());
        for function in &changed {
            self.machines.configure(now, function);
        }
        self.tell_secrets(now, &old, &new, &changed);
        for name in &gone {
            self.machines.forget(now, name);
            self.status.forget(name);
        }
        self.effects.changed();
        self.settle();
    }

    fn instance(&mut self, event: instance::Event) {
        let now = clock::now();
        self.effects.changed();
        match event {
            instance::Event::Ready {
                id,
                target,
                started_in,
            } => {
                self.status.ready(&id, unix_now(), target.address());
                let wanted = self.machines.wanted(&id);
                let observer = &self.parts.observer;
                observer.instance(&id, wanted.as_ref(), "ready", &format!("in {started_in:?}"));
                if let Some(name) = wanted {
                    self.parts
                        .registry
                        .add_local(&name, &id, target, started_in);
                }
                tracing::info!(instance = %id, ?started_in, "instance is ready");
                self.machines.host(now, host::Event::Ready(id.clone()));
                self.watch(&id);
            }
            instance::Event::Exited { id, exit } => {
                self.parts.registry.remove_local(&id);
                self.health(liveness::Event::Removed(id.clone()));
                if exit.reason != instance::ExitReason::Stopped {
                    tracing::warn!(instance = %id, message = exit.message, "instance ended");
                }
                let name = self.machines.revision_of(&id);
                let state = match exit.reason {
                    instance::ExitReason::Stopped => "stopped",
                    _ => "failed",
                };
                let observer = &self.parts.observer;
                observer.instance(&id, name.as_ref(), state, &exit.message);
                self.status.exited(&id, name, &exit);
                let (end, message) = (status::end(exit.reason), exit.message.as_str().into());
                self.machines
                    .host(now, host::Event::Exited { id, end, message });
            }
        }
    }

    fn started(&mut self, started: Started) {
        match started {
            Started::Go { id, request } => {
                if self.effects.is_pending(&id) {
                    self.effects.done(&id);
                    self.parts.drivers.start(*request);
                }
            }
            Started::Failed { id, message } => {
                self.effects.done(&id);
                self.fail(&id, &message);
            }
        }
    }

    fn fail(&mut self, id: &InstanceId, message: &str) {
        tracing::warn!(instance = %id, message, "instance cannot be started");
        let exit = instance::Exit {
            reason: instance::ExitReason::SpawnFailed,
            code: None,
            signal: None,
            message: message.to_owned(),
            last_log_lines: Vec::new(),
            was_ready: false,
        };
        self.instance(instance::Event::Exited {
            id: id.clone(),
            exit,
        });
    }

    fn signal(&mut self, signal: Signal) {
        let now = clock::now();
        match signal {
            Signal::Wanted(name) => {
                if let Some(demand) = self.parts.registry.waiting(&name) {
                    // What is averaged stays as last sampled: only who waits is news.
                    let load = Load {
                        held: u32::try_from(demand.held).unwrap_or(u32::MAX),
                        oldest: demand.oldest,
                        ..self.sampled.get(&name).copied().unwrap_or_default()
                    };
                    self.machines.poke(now, name.clone(), load);
                }
                self.pokes.insert(name, now + POKE_GAP);
            }
            Signal::Silent(address, silent) => self.parts.registry.silence(&address, silent),
            Signal::Drained(id) => self.machines.host(now, host::Event::Drained(id)),
            Signal::Overdue(id) => {
                tracing::warn!(instance = %id, "a call that was given up did not end in its time: the instance is replaced");
                self.machines.host(now, host::Event::Overdue(id));
            }
            Signal::Room(name, nodes) => {
                for node in nodes {
                    let room = v1::Room {
                        revision: name.to_string(),
                    };
                    self.parts
                        .peers
                        .send_down(&node, v1::link_down::Kind::Room(room));
                }
            }
        }
    }

    fn sample(&mut self, now: Time) {
        let mut queued: BTreeMap<RevisionName, u32> = BTreeMap::new();
        for (name, due) in self.parts.backlog.due() {
            let function = self.catalogue.functions.get(&name);
            if let Some(revision) = function.and_then(|function| target(function)) {
                queued.insert(revision, due);
            }
        }
        let samples = self
            .parts
            .registry
            .demand()
            .into_iter()
            .filter_map(|(name, demand)| {
                let load = Load {
                    concurrency: demand.sample.concurrency,
                    rps: demand.sample.rps,
                    held: u32::try_from(demand.held).unwrap_or(u32::MAX),
                    async_queued: queued.get(&name).copied().unwrap_or(0),
                    oldest: demand.oldest,
                    service_time: demand.sample.service_time,
                };
                (!load.is_zero()).then_some((name, load))
            });
        self.sampled = samples.collect();
        let samples = self
            .sampled
            .iter()
            .map(|(name, load)| (name.clone(), *load))
            .collect();
        self.machines.samples(now, samples);
        self.observe(now);
        self.tell_owned();
    }

    fn report(&mut self, now: Time) {
        let held = self.parts.registry.held();
        let queued = self
            .parts
            .backlog
            .due()
            .iter()
            .map(|(_, due)| u64::from(*due))
            .sum();
        let in_flight = |id: &InstanceId| self.parts.registry.in_flight(id);
        let report = self
            .status
            .report((now, unix_now()), &self.machines, in_flight, held, queued);
        let draining = *self.parts.draining.borrow();
        let report = v1::StatusReport {
            draining,
            version: self.catalogue.version,
            ..report
        };
        self.parts.control.report(report);
        self.status_took = clock::now().since(now);
        self.status_due = Some(now + STATUS_PERIOD);
    }
}

/// From a change to the report of it: a report names every instance, and making them may take a
/// hundredth of the time of the thread that also starts instances.
fn status_pause(took: Duration) -> Duration {
    (took * 100).clamp(STATUS_DEBOUNCE, STATUS_PERIOD)
}

/// The revision that queued calls mostly go to.
fn target(function: &config::Function) -> Option<RevisionName> {
    let most = function.traffic.iter().max_by_key(|target| target.percent);
    let index = most.map(|target| target.revision);
    let index = index.or_else(|| gateless_core::router::pick_revision(function, 0))?;
    Some(function.revisions.get(index)?.name.clone())
}
