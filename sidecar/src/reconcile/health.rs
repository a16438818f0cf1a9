//! Carries out what the liveness machine asks for: looks, probes, and what becomes of who is silent.
//!
//! Nothing here waits: a look and a probe are tasks that tell their end.

use gateless_core::host;
use gateless_core::liveness::{Action, Event, Liveness, Rules};
use gateless_core::name::InstanceId;
use gateless_core::time::Time;
use tokio::sync::mpsc;

use super::Reconciler;
use crate::clock;

/// The machine, and what its tasks have found out.
pub(super) struct Health {
    machine: Liveness,
    /// Bounded by one look and one probe for each instance.
    ended: mpsc::UnboundedSender<Event>,
    news: mpsc::UnboundedReceiver<Event>,
}

impl Default for Health {
    fn default() -> Self {
        let (ended, news) = mpsc::unbounded_channel();
        Self {
            machine: Liveness::default(),
            ended,
            news,
        }
    }
}

impl Health {
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.news.recv().await
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.machine.next_deadline()
    }
}

impl Reconciler {
    /// From now on an instance that takes calls is watched.
    pub(super) fn watch(&mut self, id: &InstanceId) {
        let rules = self
            .machines
            .config_of(id)
            .and_then(|config| Rules::of(config));
        if let Some(rules) = rules {
            self.health(Event::Added(id.clone(), rules));
        }
    }

    pub(super) fn health(&mut self, event: Event) {
        let now = clock::now();
        let mut out = Vec::new();
        self.health.machine.on_event(now, event, &mut out);
        for action in out {
            match action {
                Action::Look(id) => {
                    let (drivers, ended) = (self.parts.drivers.clone(), self.health.ended.clone());
                    tokio::task::spawn_blocking(move || {
                        let stopped = drivers.is_stopped(&id);
                        ended.send(Event::Looked(id, stopped)).ok();
                    });
                }
                Action::Probe(id) => {
                    let probe = self.parts.registry.probe(&id);
                    let ended = self.health.ended.clone();
                    tokio::spawn(async move {
                        ended.send(Event::Probed(id, probe.await)).ok();
                    });
                }
                Action::Stand(id, standing) => {
                    tracing::debug!(instance = %id, ?standing, "an instance is silent, or not any more");
                    self.parts.registry.stand(&id, standing);
                }
                Action::Replace {
                    id,
                    cause,
                    answered,
                } => {
                    tracing::warn!(instance = %id, %cause, "an instance does nothing any more and is replaced");
                    let event = host::Event::Unresponsive {
                        id,
                        cause,
                        answered,
                    };
                    self.machines.host(now, event);
                }
            }
        }
    }
}
