//! What sidecars report becomes catalogue: a revision that was ready gets its traffic. And waiting for it.

use std::time::Duration;

use gateless_proto::v1::RevisionStatus;
use serde::Deserialize;
use utoipa::ToSchema;

use super::commit::{Decision, Versioned, change, keys, parse, put};
use super::functions::{Name, View};
use super::{Error, Result, Service};
use crate::clock;
use crate::domain::function::Function;
use crate::domain::rollout::{self, status::State};
use crate::events::Action;
use crate::store::Expect;

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The newest revision is ready and every connected sidecar has the function as it is.
    Ready,
    /// The function is gone.
    Deleted,
}

/// How a wait ended.
#[derive(Debug)]
pub enum Waited {
    /// What was waited for is so; no function when it was its deletion.
    Met(Option<Box<View>>),
    /// The time ran out; the function as it was then, if it is there.
    TimedOut(Option<Box<View>>),
}

impl Service {
    /// Marks a revision ready that a sidecar saw ready while it had `applied` the catalogue's version.
    ///
    /// A report from before the revision existed (of a deleted function of the same name) is ignored.
    ///
    /// # Errors
    /// The store's.
    pub async fn observe(&self, status: &RevisionStatus, applied: u64) -> Result<()> {
        if !status.was_ready {
            return Ok(());
        }
        let (ns, name) = (status.namespace.as_str(), status.function.as_str());
        let key = keys::function(ns, name);
        let (committed, ()) = change!(self, key, {
            let Some(entry) = self.store.get(&key).await? else {
                return Ok(());
            };
            let function: Versioned<Function> = parse(&entry)?;
            let now = clock::now();
            let Some(ready) = rollout::ready(&function.value, &status.revision, now) else {
                return Ok(());
            };
            // Its record is written once, before the function names it and after an earlier one of that name went.
            let head = function.value.revision(&status.revision);
            let uid = head.map_or("", |head| head.uid.as_str());
            let made = self.store.get(&keys::revision(ns, name, uid)).await?;
            if made.is_none_or(|made| made.revision > applied) {
                return Ok(());
            }
            // It gave its calls back: what a sidecar says of the time before counts no more.
            let gave_back = head.is_some_and(|head| head.gave_back.is_some());
            if gave_back && function.version > applied {
                return Ok(());
            }
            // Before anybody can hear of it: it may end at once.
            self.pushed.changed(&ready);
            let swap = put(&key, &ready, Expect::At(function.version))?;
            (Decision::swap(swap), ())
        });
        if committed.is_some() {
            tracing::info!(
                function = key,
                revision = status.revision,
                "revision is ready"
            );
            let message = format!("{} was ready for the first time", status.revision);
            let events = self.events();
            events.function((ns, name), Action::Ready, &status.revision, message);
        }
        Ok(())
    }

    /// Lets a revision give its calls back of which a sidecar saw an instance end by itself that had been ready, while it had
    /// `applied` the catalogue's version.
    ///
    /// What was seen before the function changed last may be of another revision of that name, or of a time since which this
    /// one gave its calls back and showed anew that it works. The sidecar says it again once it knows of the change, if it
    /// still holds.
    ///
    /// # Errors
    /// The store's.
    pub async fn observe_death(&self, status: &RevisionStatus, applied: u64) -> Result<()> {
        if !status.died {
            return Ok(());
        }
        let (ns, name) = (status.namespace.as_str(), status.function.as_str());
        let key = keys::function(ns, name);
        let cause = match status.message.as_str() {
            "" => "it ended by itself",
            message => message,
        };
        let (committed, ()) = change!(self, key, {
            let Some(entry) = self.store.get(&key).await? else {
                return Ok(());
            };
            let function: Versioned<Function> = parse(&entry)?;
            if function.version > applied {
                return Ok(());
            }
            let now = clock::now();
            let head = function.value.revision(&status.revision);
            let Some(age) = head.and_then(|head| self.pushed.age(head)) else {
                return Ok(());
            };
            let death = rollout::Death {
                cause,
                never_answered: status.never_answered,
                age,
            };
            let Some(back) = rollout::died(&function.value, &status.revision, death, now) else {
                return Ok(());
            };
            let swap = put(&key, &back, Expect::At(function.version))?;
            (Decision::swap(swap), ())
        });
        if committed.is_some() {
            tracing::warn!(
                function = key,
                revision = status.revision,
                cause,
                "a revision gives its calls back"
            );
            let message = format!("{} gives its calls back: {cause}", status.revision);
            let events = self.events();
            events.function((ns, name), Action::Failed, &status.revision, message);
        }
        Ok(())
    }

    /// Waits until a condition is met or the time is up. Woken by changes; it never polls.
    ///
    /// # Errors
    /// [`Error::NotFound`] when waiting for a function that is not there (any more) to be ready, or
    /// the store's.
    pub async fn wait(
        &self,
        name: Name<'_>,
        condition: Condition,
        timeout: Duration,
    ) -> Result<Waited> {
        let deadline = clock::instant() + timeout;
        let mut changes = self.changes.subscribe();
        loop {
            // Mark what is known as seen first: what comes after it wakes `changed` below.
            changes.borrow_and_update();
            let found = match self.function(name).await {
                Ok(view) => Some(Box::new(view)),
                Err(Error::NotFound { .. }) if condition == Condition::Deleted => None,
                Err(error) => return Err(error),
            };
            let met = match &found {
                None => true,
                Some(view) => condition == Condition::Ready && rolled_out(view),
            };
            if met {
                return Ok(Waited::Met(found));
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return Ok(Waited::TimedOut(found)),
                changed = changes.changed() => if changed.is_err() {
                    return Ok(Waited::TimedOut(found));
                },
            }
        }
    }
}

/// The newest revision is ready for good, whether it gets calls or not. A sidecar that refused it does not
/// hold it up.
fn rolled_out(view: &View) -> bool {
    matches!(view.rollout.state, State::Serving | State::NoTraffic)
}
