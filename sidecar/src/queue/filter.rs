//! Which calls a list is of, newest first, and how far it got.
//!
//! Pure. That a page may end before it is full is on purpose: what is looked at for one page is bounded, and the
//! next one goes on where it stopped, so that calls that are rare are found all the same.

use gateless_core::name::FunctionName;

use super::clock::Skew;
use super::types::{CallId, View};

/// Which calls to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this namespace.
    pub namespace: String,
    /// Of this function only.
    pub function: Option<FunctionName>,
    /// In any of these states; empty: all.
    pub states: Vec<String>,
    /// At most this many.
    pub limit: usize,
    /// Older than this one.
    pub before: Option<CallId>,
    /// Accepted in this millisecond or later, since the Unix epoch; 0: no bound.
    pub since_ms: u64,
    /// Accepted before this millisecond; 0: no bound.
    pub until_ms: u64,
    /// What else is asked of them.
    pub which: Which,
}

/// Conditions that a call itself has to be looked at for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Answered so.
    pub status: Option<Status>,
    /// Made so.
    pub cause: Option<Cause>,
    /// Sent with this idempotency key.
    pub key: Option<String>,
}

/// An answer's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// This one.
    Is(u16),
    /// Of this hundred: 5 is 500 to 599.
    Class(u16),
}

/// What made a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A caller: no trigger.
    Caller,
    /// Any trigger.
    AnyTrigger,
    /// The trigger of this name.
    Trigger(String),
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub calls: Vec<View>,
    /// Older ones than this were not looked at; `None`: there are none.
    pub scanned_to: Option<CallId>,
}

impl Filter {
    /// Whether a call is asked for, by its state.
    pub(super) fn wants_state(&self, state: &str) -> bool {
        self.states.is_empty() || self.states.iter().any(|s| s == state)
    }

    /// Whether every call of those states is all that is asked for.
    pub(super) fn is_only(&self, states: &[&str]) -> bool {
        !self.states.is_empty() && self.states.iter().all(|s| states.contains(&s.as_str()))
    }

    /// The same, its times those of the queue's clock and not those that people see.
    pub(super) fn in_time_of(mut self, skew: Skew) -> Self {
        for bound in [&mut self.since_ms, &mut self.until_ms] {
            if *bound > 0 {
                // None is not what a bound before all times comes to.
                *bound = skew.steady_millis(*bound).max(1);
            }
        }
        self
    }

    /// Keys lie from the first of these to before the second. Ids begin with the millisecond they were made in.
    pub(super) fn keys(&self) -> ([u8; 16], [u8; 16]) {
        let first = |ms: u64| {
            let mut key = [0; 16];
            key[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
            key
        };
        let before = self.before.as_ref().map_or([0xff; 16], CallId::key);
        let until = match self.until_ms {
            0 => [0xff; 16],
            ms => first(ms),
        };
        (first(self.since_ms), before.min(until))
    }

    /// Whether a call is asked for.
    pub(super) fn wants(&self, call: &View) -> bool {
        self.wants_state(call.call.state.as_str()) && self.which.wants(call)
    }
}

impl Which {
    fn wants(&self, call: &View) -> bool {
        let status = |wanted: Status| {
            let last = call.call.attempts.last().and_then(|attempt| attempt.status);
            match (wanted, call.status.or(last)) {
                (Status::Is(wanted), Some(status)) => status == wanted,
                (Status::Class(wanted), Some(status)) => status / 100 == wanted,
                (_, None) => false,
            }
        };
        let cause = |cause: &Cause| match (cause, &call.trigger) {
            (Cause::Caller, made_by) => made_by.is_none(),
            (Cause::AnyTrigger, made_by) => made_by.is_some(),
            (Cause::Trigger(name), made_by) => made_by.as_ref() == Some(name),
        };
        self.status.is_none_or(status)
            && self.cause.as_ref().is_none_or(cause)
            && self
                .key
                .as_ref()
                .is_none_or(|key| call.idempotency_key.as_ref() == Some(key))
    }
}
