//! The task that runs the core's machine of schedules: feeds it, and does what it says.
//!
//! Deliberately decides nothing.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateless_common::header::SCHEDULED_AT;
use gateless_core::name::NodeId;
use gateless_core::time::Time;
use gateless_core::trigger::{
    Action, Cron, Event, Known, Level, Machine, Outcome, SetBack, Ticket, Uid,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::saved::{self, Saved};
use super::table::Table;
use super::under_way::is_under_way;
use super::wire::{self, LEVELS, text};
use super::{Inner, Peers, call, now_ms};
use crate::catalogue::Catalogue;
use crate::catalogue::config::{Source, Trigger};
use crate::clock;
use crate::cluster::Member;
use crate::queue;
use crate::queue::types::Header;

/// The clock is looked at at least this often, in case it was set.
const LOOK: Duration = Duration::from_secs(5);
/// Between two writes of what must not be forgotten.
const BETWEEN_SAVES: Duration = Duration::from_secs(1);
/// Of a question or a message to another sidecar.
pub(super) const SHARE_TIMEOUT: Duration = Duration::from_secs(2);
/// A question that does not get through is asked again so often, after so long each time.
const ASKED_AGAIN: u32 = 4;
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// At the end, for what is under way.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What others want of the machine.
pub(super) enum Command {
    /// A sidecar is about to fire these.
    Claim {
        by: NodeId,
        levels: Vec<(Uid, Option<Known>)>,
        reply: oneshot::Sender<Vec<Level>>,
    },
    /// A sidecar fired these.
    Told(Vec<Level>),
    /// Somebody wants to know which of these this sidecar fires.
    Owned {
        uids: Vec<Uid>,
        reply: oneshot::Sender<Vec<bool>>,
    },
}

pub(super) struct Task {
    pub(super) inner: Arc<Inner>,
    pub(super) catalogue: watch::Receiver<Arc<Catalogue>>,
    pub(super) members: watch::Receiver<Vec<Member>>,
    pub(super) others: Arc<dyn Peers>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) path: PathBuf,
    pub(super) stop: CancellationToken,
}

/// Questions not answered yet; as many as there are sidecars, each asks again only when answered.
type Tickets = HashMap<Ticket, oneshot::Sender<Vec<Level>>>;
/// What is under way, each ending in an event or nothing.
type Work = JoinSet<Option<Event>>;

impl Task {
    /// Until told to stop.
    pub(super) async fn run(
        mut self,
        mut machine: Machine,
        saved: Vec<Level>,
        set_back: Vec<(Uid, SetBack)>,
    ) {
        let inner = self.inner.clone();
        let clock = inner.clock.clone();
        let (mut work, mut tickets) = (Work::new(), Tickets::new());
        let mut asked: Ticket = 0;
        let mut saver = Saver::new(self.path.clone());
        // In this order: with nobody else known, everything would be this sidecar's to fire.
        let mut events = vec![
            Event::Learned(saved),
            self.members(),
            self.set(),
            Event::SetBack(set_back),
        ];
        loop {
            // Who lives is known before anything is fired.
            if self.members.has_changed().unwrap_or(false) {
                events.insert(0, self.members());
            }
            let mut out = Vec::new();
            for event in events.drain(..) {
                machine.on_event(clock.now(), &event, &mut out);
            }
            for action in out {
                saver.dirty |= !matches!(action, Action::Ask { .. });
                self.carry_out(action, &mut work, &mut tickets);
            }
            saver.look(&machine, &inner);
            let deadline = machine.next_deadline();
            tokio::select! {
                changed = self.catalogue.changed() => match changed {
                    Ok(()) => events.push(self.set()),
                    Err(_) => break,
                },
                changed = self.members.changed() => match changed {
                    Ok(()) => events.push(self.members()),
                    Err(_) => break,
                },
                Some(command) = self.commands.recv() => {
                    asked += 1;
                    match command {
                        Command::Claim { by, levels, reply } => {
                            tickets.insert(asked, reply);
                            events.push(Event::Claimed { ticket: asked, by, levels });
                        }
                        Command::Told(levels) => {
                            saver.dirty = true;
                            events.push(Event::Learned(levels));
                        }
                        Command::Owned { uids, reply } => {
                            // Whoever asked may have gone away.
                            let _ = reply.send(uids.iter().map(|uid| machine.owns(uid)).collect());
                        }
                    }
                }
                Some(done) = work.join_next() => match done {
                    Ok(event) => events.extend(event),
                    Err(error) => tracing::error!(%error, "firing a trigger failed"),
                },
                () = clock.sleep_until(deadline) => events.push(Event::Tick),
                () = tokio::time::sleep(LOOK) => events.push(Event::Tick),
                () = saver.due() => {}
                () = self.stop.cancelled() => break,
            }
        }
        // Whoever still asks goes on without an answer.
        drop(tickets);
        self.last_words(machine, work, saver).await;
    }

    /// What is fired already is finished, told and saved.
    async fn last_words(mut self, mut machine: Machine, mut work: Work, mut saver: Saver) {
        self.commands.close();
        let clock = self.inner.clock.clone();
        // Nothing else is fired; what was is told to those next in order.
        let finish = async {
            while let Some(done) = work.join_next().await {
                let mut out = Vec::new();
                if let Ok(Some(event @ Event::Fired { .. })) = done {
                    machine.on_event(clock.now(), &event, &mut out);
                }
                let share = |action: &Action| matches!(action, Action::Share { .. });
                for action in out.into_iter().filter(share) {
                    self.carry_out(action, &mut work, &mut Tickets::new());
                }
            }
        };
        if tokio::time::timeout(LAST_WORDS, finish).await.is_err() {
            tracing::warn!("some triggers did not finish firing");
        }
        saver.finish(&machine, &self.inner).await;
    }

    fn set(&mut self) -> Event {
        let table = Table::new(self.catalogue.borrow_and_update().clone());
        let crons = table.crons();
        self.inner.stats.retain(|uid| table.by_uid(uid).is_some());
        self.inner.table.store(Arc::new(table));
        Event::Set(crons)
    }

    fn members(&mut self) -> Event {
        let members = self.members.borrow_and_update();
        Event::Members(members.iter().map(|m| m.node.clone()).collect())
    }

    fn carry_out(&self, action: Action, work: &mut Work, tickets: &mut Tickets) {
        match action {
            Action::Fire {
                uid,
                at,
                again,
                after,
            } => {
                let (inner, others) = (self.inner.clone(), self.others.clone());
                let members = self.members.clone();
                work.spawn(async move {
                    let outcome = match after {
                        Some(call) if is_under_way(&inner, &*others, &members, &call).await => {
                            Outcome::Busy
                        }
                        _ => inner.fire(&uid, at, again).await,
                    };
                    Some(Event::Fired { uid, at, outcome })
                });
            }
            Action::Skipped { uid, at } => {
                if let Some(trigger) = self.inner.table.load().by_uid(&uid) {
                    let scheduled_at = text(at);
                    tracing::info!(trigger = %trigger.name, scheduled_at, "the call before is not over");
                    self.inner.stats.skipped(trigger, &scheduled_at);
                }
            }
            Action::Passed { uid, at } => {
                if let Some(trigger) = self.inner.table.load().by_uid(&uid) {
                    let scheduled_at = text(at);
                    tracing::warn!(trigger = %trigger.name, scheduled_at, "a trigger's time was missed");
                    self.inner.stats.missed(trigger, &scheduled_at);
                }
            }
            Action::Ask { to, levels } => {
                let asked: Vec<Uid> = levels.iter().map(|(uid, _)| uid.clone()).collect();
                let told = self.share(to.clone(), true, levels);
                work.spawn(async move {
                    // One that cannot be asked is gone, or as good as.
                    let levels = told.await.unwrap_or_default();
                    let from = to;
                    Some(Event::Answered {
                        from,
                        asked,
                        levels,
                    })
                });
            }
            Action::Share { to, levels } => {
                let uids: Vec<Uid> = levels.iter().map(|(uid, _)| uid.clone()).collect();
                let levels = levels
                    .into_iter()
                    .map(|(uid, known)| (uid, Some(known)))
                    .collect();
                let told = self.share(to.clone(), false, levels);
                work.spawn(async move {
                    let failed = told.await.is_none();
                    failed.then_some(Event::ShareFailed { to, uids })
                });
            }
            Action::Answer { ticket, levels } => {
                if let Some(reply) = tickets.remove(&ticket) {
                    // Whoever asked may have given up.
                    let _ = reply.send(levels);
                }
            }
        }
    }

    /// Sends what may be several messages, one after the other; `None` when one failed.
    fn share(
        &self,
        to: NodeId,
        claim: bool,
        levels: Vec<(Uid, Option<Known>)>,
    ) -> impl Future<Output = Option<Vec<Level>>> + use<> {
        let (others, node) = (self.others.clone(), self.inner.node.clone());
        async move {
            let mut answers = Vec::new();
            for part in levels.chunks(LEVELS) {
                let message = wire::message(&node, claim, part.iter().cloned());
                let answer = tokio::time::timeout(SHARE_TIMEOUT, async {
                    let mut tries = if claim { ASKED_AGAIN } else { 0 };
                    loop {
                        match others.share(&to, message.clone()).await {
                            Ok(answer) => return Some(answer),
                            Err(status) if tries == 0 => {
                                tracing::debug!(peer = %to, %status, "no word with a peer");
                                return None;
                            }
                            // It may be about to start, or the link to it be new.
                            Err(_) => tokio::time::sleep(ASK_AGAIN).await,
                        }
                        tries -= 1;
                    }
                });
                answers.extend(wire::levels(answer.await.ok()??));
            }
            Some(answers)
        }
    }
}

impl Inner {
    /// Puts the call of a scheduled time into the queue.
    async fn fire(&self, uid: &str, at: Time, again: Option<u32>) -> Outcome {
        let nothing = Outcome::Settled(None);
        let table = self.table.load_full();
        let Some(trigger) = table.by_uid(uid) else {
            return nothing;
        };
        let Some(function) = table.function(trigger) else {
            let error = format!("there is no function {}", trigger.function);
            self.fire_failed(trigger, at, &error);
            return nothing;
        };
        let Some(record) = record(trigger, at, again) else {
            return nothing;
        };
        let record = match call::admit(&self.policy, function, record) {
            Ok(record) => record,
            Err(refused) => {
                self.fire_failed(trigger, at, &refused);
                return nothing;
            }
        };
        match self.queue.accept(record, &function.async_policy).await {
            Ok(accepted) => {
                let scheduled_at = text(at);
                tracing::info!(trigger = %trigger.name, scheduled_at, call = %accepted.id,
                    replayed = accepted.replayed, "trigger fired");
                self.stats.fired(trigger, &accepted, now_ms(&self.clock));
                Outcome::Settled(Some(accepted.id.to_string().into()))
            }
            Err(error) => {
                self.fire_failed(trigger, at, &error.to_string());
                // Nothing else gets better by waiting.
                let passing = matches!(
                    error,
                    queue::Error::Full { .. } | queue::Error::Unavailable(_)
                );
                match passing {
                    true => Outcome::Failed,
                    false => nothing,
                }
            }
        }
    }

    fn fire_failed(&self, trigger: &Trigger, at: Time, error: &str) {
        let scheduled_at = text(at);
        tracing::warn!(trigger = %trigger.name, scheduled_at, error, "trigger could not fire");
        self.stats.failed(trigger, error, now_ms(&self.clock));
    }
}

fn record(trigger: &Trigger, at: Time, again: Option<u32>) -> Option<queue::types::Record> {
    let Source::Cron {
        body, content_type, ..
    } = &trigger.source
    else {
        return None;
    };
    let mut headers: Vec<Header> = Vec::new();
    headers.extend(content_type.clone().map(|v| ("content-type".to_owned(), v)));
    headers.push((SCHEDULED_AT.as_str().to_owned(), text(at).into()));
    let key = Cron::idempotency_key(&trigger.uid, at, again);
    Some(call::record(trigger, headers, body.clone(), key, None))
}

/// Saves, a second after something changed.
struct Saver {
    path: PathBuf,
    dirty: bool,
    not_before: Time,
    /// Says whether it worked.
    writing: Option<JoinHandle<bool>>,
}

impl Saver {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            dirty: false,
            not_before: clock::now(),
            writing: None,
        }
    }

    /// Returns when it is time to save; never while there is nothing to.
    async fn due(&mut self) {
        self.written().await;
        if !self.dirty {
            return std::future::pending().await;
        }
        tokio::time::sleep_until(clock::instant(self.not_before)).await;
    }

    /// Waits for the write under way.
    async fn written(&mut self) {
        if let Some(writing) = &mut self.writing {
            let done = writing.await.unwrap_or(false);
            self.writing = None;
            self.dirty |= !done;
        }
    }

    fn look(&mut self, machine: &Machine, inner: &Inner) {
        self.dirty |= inner.stats.changed();
        if !self.dirty || self.writing.is_some() || clock::now() < self.not_before {
            return;
        }
        self.dirty = false;
        self.not_before = clock::now() + BETWEEN_SAVES;
        let saved = Saved::new(machine.levels(), machine.set_back(), inner.stats.all());
        let path = self.path.clone();
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let done = saved::save(&path, &saved);
            if let Err(error) = &done {
                tracing::error!(%error, "what triggers fired cannot be saved; it is tried again");
            }
            done.is_ok()
        }));
    }

    async fn finish(&mut self, machine: &Machine, inner: &Inner) {
        self.written().await;
        (self.dirty, self.not_before) = (true, clock::now());
        self.look(machine, inner);
        self.written().await;
    }
}
