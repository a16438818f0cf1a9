//! The life of one async call, as a state machine.
//!
//! ```text
//! queued ──start──> running ──answer──> succeeded
//!    ^                 │ └─ failure ──> retrying ──start──> running
//!    │                 └─── not made, interrupted ──^ (the function is not to blame)
//!    │                 │                   │
//!    └──── replay ── dead <── out of attempts or age, function deleted
//!    └──── replay ── cancelled, succeeded
//! ```
//!
//! An attempt counts when the function had it. One that never left, or whose end is lost with a sidecar, does not.
//! When an instance breaks off every call inside it may be the cause: each is a suspect, which is tried alone from
//! then on, so that the one that did it finds itself and takes no other along.
//!
//! Its time is [`Time`] since the Unix epoch: a call outlives the process, and the monotonic clock does not.
//! Whoever feeds it takes care that it goes on at its pace when the wall clock is set. Deliberately knows nothing of storage, of the request, or of
//! who runs it; whoever does writes every change to disk before acting on it.

pub mod callback;
pub mod waits;

use std::time::Duration;

use crate::config::AsyncPolicy;
use crate::retry::Backoff;
use crate::time::Time;

/// Attempts remembered with a call; older ones are forgotten, their numbers go on.
pub const ATTEMPTS_KEPT: usize = 20;

/// Attempts of one call that may be interrupted, all in all; the next one ends it.
pub const MAX_INTERRUPTIONS: u32 = 10;

/// The last attempt of a call that is asked to wait longer than it may become old: so long before that, or a quarter
/// of `max_age` where that is less.
const LAST_BEFORE: Duration = Duration::from_secs(1);

/// Longest error text remembered with an attempt, bytes.
pub const ERROR_BYTES: usize = 300;

/// Where a call is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Accepted, never tried since it was accepted or replayed.
    Queued,
    /// An attempt is under way since then.
    Running(Time),
    /// Failed, and tried again from then on.
    Retrying(Time),
    /// The function answered with something that is a result, at that time.
    Succeeded(Time),
    /// In the dead-letter queue since then.
    Dead(Time, Reason),
    /// Called off then.
    Cancelled(Time),
}

impl State {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running(_) => "running",
            Self::Retrying(_) => "retrying",
            Self::Succeeded(_) => "succeeded",
            Self::Dead(..) => "dead",
            Self::Cancelled(_) => "cancelled",
        }
    }

    /// When it ended, if it has.
    #[must_use]
    pub const fn finished_at(self) -> Option<Time> {
        match self {
            Self::Succeeded(at) | Self::Dead(at, _) | Self::Cancelled(at) => Some(at),
            Self::Queued | Self::Running(_) | Self::Retrying(_) => None,
        }
    }
}

/// Why a call is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Every attempt failed.
    MaxAttempts,
    /// It became too old first.
    MaxAge,
    /// It failed in a way no further attempt can mend.
    NotRetryable,
    /// There is nothing left to call.
    FunctionDeleted,
}

impl Reason {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxAttempts => "max_attempts",
            Self::MaxAge => "max_age",
            Self::NotRetryable => "not_retryable",
            Self::FunctionDeleted => "function_deleted",
        }
    }
}

/// One delivery to the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from 1 over the whole life of the call, replays included.
    pub number: u32,
    /// Recorded on disk then, dispatched right after.
    pub started: Time,
    /// Zero while it runs.
    pub took: Duration,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// Empty while it runs and after an answer that is a result.
    pub error: String,
}

/// One call. Fields are public for storage; change them through [`Call::on_event`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where it is.
    pub state: State,
    /// Accepted or last replayed: its age counts from here.
    pub since: Time,
    /// Attempts begun since then.
    pub tries: u32,
    /// Newest last, at most [`ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
    /// Attempts since then whose end nobody knows: they don't count as tries.
    pub interruptions: u32,
    /// It was inside an instance that broke off: it is to be tried alone.
    pub suspect: bool,
    /// Why the last attempt was not made; empty once one was.
    pub unmade: String,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// There is a slot for an attempt.
    Start,
    /// The attempt got an answer, whole.
    Answered {
        /// HTTP status of the function's answer.
        status: u16,
        /// What it asked for.
        retry_after: Option<Duration>,
    },
    /// The attempt got an answer, whole, that [`is_refusal`], and nobody reads it: a trigger made the
    /// call, and only the function's acceptance ends it well.
    Refused {
        /// HTTP status of the function's answer.
        status: u16,
    },
    /// The attempt got no answer.
    Failed {
        /// Whether another could.
        retryable: bool,
        /// What went wrong, at most [`ERROR_BYTES`] of it.
        error: String,
    },
    /// The instance broke off while the attempt was in it: it counts, and the call is a suspect.
    Crashed {
        /// What went wrong, at most [`ERROR_BYTES`] of it.
        error: String,
    },
    /// What was between broke, and nobody knows how the attempt ended: it doesn't count, within
    /// [`MAX_INTERRUPTIONS`].
    Interrupted {
        /// What went wrong, at most [`ERROR_BYTES`] of it.
        error: String,
    },
    /// The attempt never left, for want of room or of an instance: it doesn't count.
    NotMade {
        /// What went wrong, at most [`ERROR_BYTES`] of it.
        error: String,
    },
    /// Somebody calls it off.
    Cancel,
    /// Somebody wants it run again.
    Replay,
    /// Its function is gone.
    FunctionDeleted,
}

/// What to do, after the call's new state is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Deliver it, as attempt of this number.
    Dispatch(u32),
    /// Put it (back) in line, due at this time.
    Enqueue(Time),
    /// It ended by itself: keep the answer, if any, and queue the callback.
    Finish,
    /// It was cancelled while an attempt ran: stop that, then as [`Action::Finish`].
    Abort,
}

/// The event doesn't fit the call's state; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call is {0}")]
pub struct Conflict(pub &'static str);

impl Call {
    /// A call just accepted.
    #[must_use]
    pub const fn new(now: Time) -> Self {
        Self {
            state: State::Queued,
            since: now,
            tries: 0,
            attempts: Vec::new(),
            interruptions: 0,
            suspect: false,
            unmade: String::new(),
        }
    }

    /// A call accepted while its first attempt is under way already.
    #[must_use]
    pub fn under_way(now: Time) -> Self {
        let mut call = Self::new(now);
        call.begin_attempt(now);
        call
    }

    /// When something is to be done without an event: an attempt is due.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Time> {
        match self.state {
            State::Queued => Some(self.since),
            State::Retrying(until) => Some(until),
            _ => None,
        }
    }

    /// A call whose attempt has lost its lease, as every attempt has when its sidecar is killed: nobody will
    /// ever report how that attempt ended. That is not the call's doing, so it is due again at once. Whether it
    /// has attempts left is decided when it starts, with the policy of then.
    pub fn recover(&mut self, now: Time) {
        if let State::Running(_) = self.state {
            self.interrupted(now, "interrupted: the sidecar stopped");
            self.state = State::Retrying(now);
        }
    }

    /// Takes one step. `random` is uniform over all of `u64`. At most one action comes of
    /// an event, so it is the answer instead of a list.
    ///
    /// # Errors
    /// When the event doesn't fit the state: a late answer to a cancelled call, cancelling a
    /// finished one, replaying one that isn't finished.
    pub fn on_event(
        &mut self,
        now: Time,
        event: &Event,
        policy: &AsyncPolicy,
        random: u64,
    ) -> Result<Action, Conflict> {
        match (event, self.state) {
            (Event::Start, State::Queued | State::Retrying(_)) => Ok(self.start(now, policy)),
            (
                Event::Answered {
                    status,
                    retry_after,
                },
                State::Running(_),
            ) => Ok(self.answered(now, *status, *retry_after, policy, random)),
            (Event::Refused { status }, State::Running(_)) => {
                self.end_attempt(now, Some(*status), "the function did not accept it");
                Ok(self.die(now, Reason::NotRetryable))
            }
            (Event::Failed { retryable, error }, State::Running(_)) => {
                self.suspect = false;
                self.end_attempt(now, None, error);
                if *retryable {
                    Ok(self.retry_or_die(now, None, policy, random))
                } else {
                    Ok(self.die(now, Reason::NotRetryable))
                }
            }
            (Event::Crashed { error }, State::Running(_)) => {
                self.suspect = true;
                self.end_attempt(now, None, error);
                Ok(self.retry_or_die(now, None, policy, random))
            }
            (Event::Interrupted { error }, State::Running(_)) => {
                self.interrupted(now, error);
                Ok(self.retry_or_die(now, None, policy, random))
            }
            (Event::NotMade { error }, State::Running(_)) => {
                self.attempts.pop();
                self.tries = self.tries.saturating_sub(1);
                cut(error).clone_into(&mut self.unmade);
                Ok(self.retry_or_die(now, None, policy, random))
            }
            (Event::Cancel, State::Queued | State::Retrying(_)) => {
                self.state = State::Cancelled(now);
                Ok(Action::Finish)
            }
            (Event::Cancel, State::Running(_)) => {
                self.end_attempt(now, None, "cancelled");
                self.state = State::Cancelled(now);
                Ok(Action::Abort)
            }
            (Event::Replay, State::Succeeded(_) | State::Dead(..) | State::Cancelled(_)) => {
                self.state = State::Queued;
                self.since = now;
                (self.tries, self.interruptions) = (0, 0);
                self.unmade.clear();
                Ok(Action::Enqueue(now))
            }
            (Event::FunctionDeleted, State::Queued | State::Retrying(_)) => {
                Ok(self.die(now, Reason::FunctionDeleted))
            }
            (_, state) => Err(Conflict(state.as_str())),
        }
    }

    fn start(&mut self, now: Time, policy: &AsyncPolicy) -> Action {
        if now >= self.since + policy.max_age {
            return self.die(now, Reason::MaxAge);
        }
        if self.is_spent(policy) {
            return self.die(now, Reason::MaxAttempts);
        }
        Action::Dispatch(self.begin_attempt(now))
    }

    fn begin_attempt(&mut self, now: Time) -> u32 {
        let number = self
            .attempts
            .last()
            .map_or(0, |a| a.number)
            .saturating_add(1);
        if self.attempts.len() >= ATTEMPTS_KEPT {
            self.attempts.remove(0);
        }
        self.attempts.push(Attempt {
            number,
            started: now,
            took: Duration::ZERO,
            status: None,
            error: String::new(),
        });
        self.tries = self.tries.saturating_add(1);
        self.state = State::Running(now);
        number
    }

    fn answered(
        &mut self,
        now: Time,
        status: u16,
        retry_after: Option<Duration>,
        policy: &AsyncPolicy,
        random: u64,
    ) -> Action {
        self.suspect = false;
        if retryable_status(status) {
            self.end_attempt(now, Some(status), "the function's answer asks for a retry");
            return self.retry_or_die(now, retry_after, policy, random);
        }
        self.end_attempt(now, Some(status), "");
        self.state = State::Succeeded(now);
        Action::Finish
    }

    fn retry_or_die(
        &mut self,
        now: Time,
        retry_after: Option<Duration>,
        policy: &AsyncPolicy,
        random: u64,
    ) -> Action {
        if self.is_spent(policy) {
            return self.die(now, Reason::MaxAttempts);
        }
        let backoff = Backoff {
            base: policy.backoff_base,
            max: policy.backoff_max,
        };
        let end = self.since + policy.max_age;
        let last = end - LAST_BEFORE.min(policy.max_age / 4);
        let wished = now + backoff.delay(self.tries, random, retry_after);
        // Whatever was asked for, one last attempt is made shortly before the call is too old, and none after it.
        let until = match wished < end {
            true => wished,
            false if now < last => last,
            false => return self.die(now, Reason::MaxAge),
        };
        self.state = State::Retrying(until);
        Action::Enqueue(until)
    }

    /// No further attempt is to begin, by their number.
    const fn is_spent(&self, policy: &AsyncPolicy) -> bool {
        self.tries >= policy.max_attempts || self.interruptions > MAX_INTERRUPTIONS
    }

    fn interrupted(&mut self, now: Time, error: &str) {
        self.end_attempt(now, None, error);
        self.tries = self.tries.saturating_sub(1);
        self.interruptions = self.interruptions.saturating_add(1);
    }

    fn die(&mut self, now: Time, reason: Reason) -> Action {
        self.state = State::Dead(now, reason);
        Action::Finish
    }

    fn end_attempt(&mut self, now: Time, status: Option<u16>, error: &str) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.took = now.since(attempt.started);
            attempt.status = status;
            cut(error).clone_into(&mut attempt.error);
        }
        self.unmade.clear();
    }
}

fn cut(error: &str) -> &str {
    &error[..error.floor_char_boundary(ERROR_BYTES)]
}

/// Whether an answer of this status is a failure worth another attempt, not a result.
///
/// 408 and 425 ask for it, 429 too (later), and every 5xx: a function that throws answers
/// 500, and whether the cause will pass can't be seen from here. All others are results,
/// 4xx among them: the same request would fail the same way.
#[must_use]
pub const fn retryable_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// Neither an acceptance (2xx) nor a request for a retry.
#[must_use]
pub const fn is_refusal(status: u16) -> bool {
    !matches!(status, 200..=299) && !retryable_status(status)
}

#[cfg(test)]
mod tests;
