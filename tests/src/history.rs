//! What a run has seen from outside: every call and its answer, what was done to the cluster when, what
//! functions wrote down, and what became of accepted calls.
//!
//! Deliberately no judgement; that is the [`checker`](crate::checker).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::Answer;
use crate::cluster::Seen;

/// How a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// May be repeated by the platform.
    Get,
    Post,
    /// Wants a 202 and no more.
    Async,
    /// As `Async`, with an idempotency key, and made again later with the same.
    Keyed,
    /// A GET whose answer goes on for seconds.
    Stream,
    /// One of a flood, which is meant to be turned away.
    Flood,
}

impl Kind {
    /// Whether a 202 is all that is wanted, and the call is for the platform to end.
    #[must_use]
    pub fn is_queued(self) -> bool {
        matches!(self, Self::Async | Self::Keyed)
    }
}

/// What a caller got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Answered {
        status: u16,
        /// Of the problem; empty when the function answered.
        code: String,
        /// Of the problem.
        detail: String,
        /// `x-call-id`.
        call: String,
        /// `x-gateless-idempotency`: whether the key may have made another call.
        unsure: bool,
    },
    /// None: it was broken off, or the caller lost patience.
    Nothing(String),
}

impl Outcome {
    /// From what the client says.
    #[must_use]
    pub fn of(answer: Result<&Answer, String>) -> Self {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Self::Nothing(error),
        };
        let problem = answer.header("content-type") == "application/problem+json";
        let document = if problem {
            answer.json()
        } else {
            serde_json::Value::Null
        };
        let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
        Self::Answered {
            status: answer.status,
            code: text("code"),
            detail: text("detail"),
            call: answer.header("x-call-id").to_owned(),
            unsure: answer.header("x-gateless-idempotency") == "unsure",
        }
    }

    /// Whether the function answered, and well, or the call was accepted.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(
            self,
            Self::Answered {
                status: 200 | 202,
                ..
            }
        )
    }

    /// Whether it says that the call never reached a function.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        const REFUSALS: [&str; 7] = [
            "overflow",
            "function_failing",
            "gate_refused",
            "no_revision",
            "function_not_found",
            "queue_full",
            "queue_unavailable",
        ];
        let Self::Answered { code, detail, .. } = self else {
            return false;
        };
        REFUSALS.contains(&code.as_str())
            || (code == "deadline_exceeded" && !detail.contains("before the function answered"))
    }
}

#[derive(Debug, Clone)]
pub struct Call {
    /// `x-test-id`.
    pub id: String,
    /// How it was made.
    pub kind: Kind,
    pub function: String,
    /// Number of the sidecar it was made at.
    pub entrance: usize,
    /// Since the run began.
    pub began: Duration,
    /// Since the run began.
    pub ended: Duration,
    /// What came of it.
    pub outcome: Outcome,
}

impl Call {
    /// How long its caller waited.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.ended.saturating_sub(self.began)
    }
}

/// What an incident may do to calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Nothing: no call's path leads there.
    Nothing,
    /// Nothing: the server is no part of a call's path.
    ServerAway,
    /// Nothing, but to calls at the entrance that ends.
    Planned,
    /// Nothing to other functions.
    Flood,
    /// Calls inside the hosts, or under way to them, may fail.
    Fault,
}

/// Something that was done to the cluster.
#[derive(Debug, Clone)]
pub struct Incident {
    pub name: String,
    /// What it may do.
    pub harm: Harm,
    /// Sidecars it was done to.
    pub hosts: Vec<usize>,
    /// Since the run began.
    pub from: Duration,
    /// When its effects were over, since the run began.
    pub to: Duration,
}

impl Incident {
    /// Whether it was going on while the call was.
    #[must_use]
    pub fn touches(&self, call: &Call) -> bool {
        self.from <= call.ended && call.began <= self.to
    }
}

/// Instances started by many first calls at once, before anything was done to the cluster.
#[derive(Debug, Clone, Copy)]
pub struct ColdStart {
    pub started: usize,
    /// As many as there should be, at least and at most.
    pub computed: (usize, usize),
}

/// A schedule that fires every so many seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Name of its trigger.
    pub trigger: String,
    /// Seconds from one time to the next.
    pub every: u64,
    /// The first and the last time that must have been fired, in seconds since the epoch.
    pub due: (u64, u64),
}

/// A time in which an entrance was of the version before, for which a key is its sidecar's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Older {
    /// Number of the sidecar.
    pub entrance: usize,
    /// Its node id, which the ids of its calls end in.
    pub node: String,
    /// Since the run began.
    pub from: Duration,
    /// Since the run began.
    pub to: Duration,
}

/// A whole run.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub calls: Vec<Call>,
    /// What was done.
    pub incidents: Vec<Incident>,
    /// What functions wrote down.
    pub seen: Vec<Seen>,
    /// Container concurrency of functions that have one.
    pub concurrency: BTreeMap<String, usize>,
    /// State of each accepted call, by its call id, when the cluster was whole again.
    pub ends: BTreeMap<String, String>,
    /// The first of all calls.
    pub cold: Option<ColdStart>,
    /// Instances started after that.
    pub started: usize,
    /// When entrances were of the version before.
    pub older: Vec<Older>,
    /// What fired meanwhile.
    pub schedule: Option<Schedule>,
}
