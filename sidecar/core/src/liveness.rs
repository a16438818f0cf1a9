//! Whether an instance on this host still does something, decided from what it was seen to do.
//!
//! An open connection proves nothing: a process that was stopped, or whose only thread waits for a lock, still
//! accepts. A sign of life is an answer's head, its bytes, or an answer to a probe, whatever the status. While calls get
//! those no probe is needed. One that says nothing is asked; while it does not answer, calls go to others, and when it
//! has not for [`Rules::threshold`] probes it is replaced. Two things keep a busy instance alive: work is allowed to take
//! [`Rules::work`], so silence with calls inside is no fault before that, and an instance that never answered yet has
//! [`Rules::first`]. A process the kernel has stopped is no such case: it is certain to do nothing, and is replaced at once.
//!
//! Silence is counted in looks, as in [`crate::pulse`]: a sidecar that was stopped itself holds nothing against others.
//! Deliberately no sockets and no processes: asking, looking and ending are for the shell.

mod instance;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Readiness, Revision, Runtime};
use crate::name::InstanceId;
use crate::time::Time;
use instance::Instance;

/// Between two [`Event::Seen`].
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Silence that one look adds at most.
const MOST_A_LOOK: Duration = Duration::from_millis(500);
/// Where calls may take for ever, so may an instance with calls inside say nothing for so long.
const LONGEST_WORK: Duration = Duration::from_secs(3600);

/// What is demanded of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// From a sign of life to a probe.
    pub period: Duration,
    /// Probes in a row without an answer.
    pub threshold: u32,
    /// With calls inside it may be silent for so long.
    pub work: Duration,
    /// After it was added it may be silent for so long, when it has never answered.
    pub first: Duration,
}

impl Rules {
    /// Those of a revision; `None` when its instances are not watched.
    #[must_use]
    pub fn of(revision: &Revision) -> Option<Self> {
        let (ready, start_timeout) = match &revision.runtime {
            Runtime::Process(process) => (&process.ready, process.start_timeout),
            Runtime::Container(container) => (&container.ready, container.start_timeout),
            Runtime::Wasm(_) => return None,
        };
        Some(Self {
            period: revision.liveness.period?,
            threshold: revision.liveness.failure_threshold,
            work: revision.limits.timeout.unwrap_or(LONGEST_WORK),
            // Who was found ready by an answer has given one.
            first: match ready {
                Readiness::Tcp => start_timeout,
                Readiness::Answer | Readiness::Http(_) => Duration::ZERO,
            },
        })
    }
}

/// What an instance was doing when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub id: InstanceId,
    /// Calls inside; a probe is none.
    pub in_flight: u32,
    /// Signs of life that calls got of it so far.
    pub heard: u64,
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// With an answer.
    Answered,
    /// Without one; says why, for people.
    Silent(Arc<str>),
    /// It was not sent: calls take all the places there are.
    NoPlace,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An instance takes calls from now on.
    Added(InstanceId, Rules),
    /// It takes none any more.
    Removed(InstanceId),
    /// All of them were looked at; due at [`Liveness::next_deadline`].
    Seen(Vec<Seen>),
    /// [`Action::Look`] was carried out: whether the kernel keeps its processes from running.
    Looked(InstanceId, bool),
    /// [`Action::Probe`] has ended.
    Probed(InstanceId, Probe),
}

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask the kernel for its processes; [`Event::Looked`] follows.
    Look(InstanceId),
    /// Ask it something, within the revision's time; [`Event::Probed`] follows.
    Probe(InstanceId),
    /// From now on calls treat it so.
    Stand(InstanceId, Standing),
    /// It does nothing any more: end it, and run another. It is forgotten here.
    Replace {
        /// Which.
        id: InstanceId,
        /// For people.
        cause: Arc<str>,
        /// It has answered something, once.
        answered: bool,
    },
}

/// What calls make of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// They go there.
    #[default]
    Serving,
    /// They go there when there is no other.
    Suspect,
    /// None goes there. Those inside go on.
    Shut,
}

/// The machine; see the module.
#[derive(Debug, Default)]
pub struct Liveness {
    instances: BTreeMap<InstanceId, Instance>,
    looks: Option<Time>,
}

impl Liveness {
    /// Takes an event; what it means for the world goes to `out`.
    pub fn on_event(&mut self, now: Time, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Added(id, rules) => {
                self.looks.get_or_insert(now + LOOK_EVERY);
                self.instances.insert(id, Instance::new(now, rules));
            }
            Event::Removed(id) => drop(self.instances.remove(&id)),
            Event::Seen(all) => {
                self.looks = Some(now + LOOK_EVERY);
                for seen in &all {
                    self.with(&seen.id, out, |one, out| one.seen(now, seen, out));
                }
            }
            Event::Looked(id, stopped) => {
                self.with(&id, out, |one, _| one.looked(stopped));
            }
            Event::Probed(id, probe) => {
                self.with(&id, out, |one, _| one.probed(probe));
            }
        }
        if self.instances.is_empty() {
            self.looks = None;
        }
    }

    /// When [`Event::Seen`] is due; `None` while there is nobody to look at.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.looks
    }

    fn with(
        &mut self,
        id: &InstanceId,
        out: &mut Vec<Action>,
        act: impl FnOnce(&mut Instance, &mut Vec<Action>),
    ) {
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        act(instance, out);
        let stands = instance.standing();
        if let Some(cause) = instance.verdict() {
            let answered = instance.has_answered();
            self.instances.remove(id);
            let id = id.clone();
            out.push(Action::Stand(id.clone(), Standing::Shut));
            out.push(Action::Replace {
                id,
                cause,
                answered,
            });
        } else if instance.stood != stands {
            instance.stood = stands;
            out.push(Action::Stand(id.clone(), stands));
        }
    }
}
