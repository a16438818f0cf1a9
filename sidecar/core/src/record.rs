//! What is kept of a call that is over: who called what, where its time went, and how it ended.
//!
//! Which calls are kept is decided in [`pick`], for how long in [`ring`]. Deliberately nothing of a call's body, headers
//! or query: they may hold what only the function is to see.

pub mod pick;
pub mod ring;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::call::Call;
use crate::name::{FunctionName, InstanceId, NodeId, RevisionName};

/// Longest path that is kept, in bytes; what is beyond is cut off.
pub const MAX_PATH: usize = 256;

/// Why a call is on record. Each has its own share of the room for a function's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kept {
    /// It failed: answered with 5xx or 429, by the function or by the sidecar.
    Error,
    /// It waited for an instance.
    Cold,
    /// It took longer than 99 of 100 calls of its function do, or than the threshold that was set.
    Slow,
    /// One of those that are kept of the rest.
    Sample,
}

impl Kept {
    /// Every reason there is.
    pub const ALL: [Self; 4] = [Self::Error, Self::Cold, Self::Slow, Self::Sample];

    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Cold => "cold",
            Self::Slow => "slow",
            Self::Sample => "sample",
        }
    }
}

/// Who made a call, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Anyone outside of the cluster.
    Outside,
    /// Who proved to have the key of this name, or to be this subject of an issuer.
    Key(Arc<str>),
    /// A function; which one, where that is known.
    Function(Option<FunctionName>),
    /// A trigger of the catalogue.
    Trigger,
}

impl Caller {
    /// As the API spells it: `outside`, `key:NAME`, `function`, `function:NAME.NAMESPACE` or `trigger`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Outside => "outside".to_owned(),
            Self::Key(name) => format!("key:{name}"),
            Self::Function(None) => "function".to_owned(),
            Self::Function(Some(name)) => format!("function:{}.{}", name.name(), name.namespace()),
            Self::Trigger => "trigger".to_owned(),
        }
    }
}

/// What led to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Its caller, who named no trace it belongs to.
    Direct,
    /// Another call or program, whose span the call's trace names.
    Parent,
    /// A trigger; which one, where that is known.
    Trigger(Option<Arc<str>>),
    /// Somebody had a finished call of the queue made again.
    Replay,
}

impl Cause {
    /// As the API spells it: `direct`, `parent`, `trigger`, `trigger:NAME` or `replay`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Direct => "direct".to_owned(),
            Self::Parent => "parent".to_owned(),
            Self::Trigger(None) => "trigger".to_owned(),
            Self::Trigger(Some(name)) => format!("trigger:{name}"),
            Self::Replay => "replay".to_owned(),
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered, and with no 5xx.
    Answered,
    /// The function answered with 5xx, or its answer did not come to its end, or there was none.
    Failed,
    /// The sidecar turned it away: the function never saw it.
    Refused,
}

impl Outcome {
    /// Every outcome there is.
    pub const ALL: [Self; 3] = [Self::Answered, Self::Failed, Self::Refused];

    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// What a call was held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldFor {
    /// No instance was ready.
    Instance,
    /// Instances were ready, and all full.
    Room,
}

impl HeldFor {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Room => "room",
        }
    }
}

/// Where a call's time went. They follow each other, but `start`, which is the end of `hold`, and `connect`, which is the
/// beginning of `run`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// From its arrival to where it asked for a place.
    pub route: Duration,
    /// It waited while no instance was ready.
    pub hold: Duration,
    /// Of that, an instance started.
    pub start: Duration,
    /// It waited while every instance was full.
    pub queue: Duration,
    /// From the instance's place to the head of its answer.
    pub run: Duration,
    /// Of that, a connection was made.
    pub connect: Duration,
    /// From the head of the answer to its end.
    pub answer: Duration,
}

/// The trace a call belongs to (W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The trace's id.
    pub id: u128,
    /// The span that the call is a child of.
    pub parent: u64,
    /// Whether whoever began it wants it recorded.
    pub sampled: bool,
}

impl Trace {
    /// Of the text of a valid `traceparent`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-').skip(1);
        let id = u128::from_str_radix(parts.next()?, 16).ok()?;
        let parent = u64::from_str_radix(parts.next()?, 16).ok()?;
        let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
        Some(Self {
            id,
            parent,
            sampled: flags & 1 == 1,
        })
    }
}

/// The call of the queue that an attempt was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The call's id.
    pub call: Arc<str>,
    /// From 1.
    pub number: u32,
}

/// One call that is over, or one attempt of a call of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// As [`id`] makes it: later ones are larger.
    pub id: u128,
    /// The sidecar that it came in at, which has the record.
    pub node: NodeId,
    /// Why it is kept.
    pub kept: Kept,
    /// The function that was called.
    pub function: FunctionName,
    /// The revision it was for, once that was chosen.
    pub revision: Option<RevisionName>,
    /// The instance that had it last.
    pub instance: Option<InstanceId>,
    /// The host of that instance.
    pub host: Option<NodeId>,
    /// Who made it.
    pub caller: Caller,
    /// What led to it.
    pub cause: Cause,
    /// Its trace, if it had got one.
    pub trace: Option<Trace>,
    /// Its method.
    pub method: Arc<str>,
    /// Its path below the function, without its query, at most [`MAX_PATH`] bytes of it.
    pub path: Arc<str>,
    /// When it came, milliseconds since 1970.
    pub at_ms: u64,
    /// Where its time went.
    pub phases: Phases,
    /// From its arrival to its end.
    pub took: Duration,
    /// What it was held for, first of all.
    pub held_for: Option<HeldFor>,
    /// How it ended.
    pub outcome: Outcome,
    /// What its caller was answered.
    pub status: u16,
    /// The code of the problem, where the sidecar answered.
    pub code: Option<&'static str>,
    /// The answer's body broke off.
    pub broken_off: bool,
    /// Bytes of its body; `None`: nobody knows.
    pub bytes_in: Option<u64>,
    /// Bytes of the answer's body that came.
    pub bytes_out: u64,
    /// How often it was sent: more than once when it was refused elsewhere, or sent again.
    pub sends: u32,
    /// Of the queue; `None`: its caller waited for it.
    pub attempt: Option<Attempt>,
}

impl Record {
    /// What it takes in memory, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let key = match &self.caller {
            Caller::Key(key) => key.len(),
            _ => 0,
        };
        let call = self
            .attempt
            .as_ref()
            .map_or(0, |attempt| attempt.call.len());
        let texts = self.method.len() + self.path.len() + key + call;
        // Names are shared with the catalogue; what is counted for them stands for what keeping a record costs besides.
        (size_of::<Self>() + texts + 128) as u64
    }
}

/// Whether the attempt of this number that a call of the queue begins is one of those for which somebody had it made again:
/// attempts are counted over its whole life, and its tries since it was accepted or made again.
#[must_use]
pub const fn is_replayed(number: u32, call: &Call) -> bool {
    number > call.tries.saturating_add(call.interruptions)
}

/// The id of a record that is made `unix_ms` milliseconds after 1970: a UUID of version 7, so that later ones are larger.
#[must_use]
pub const fn id(unix_ms: u64, random: u128) -> u128 {
    let random = random & ((1 << 80) - 1);
    let made = ((unix_ms as u128) << 80) | random;
    (made & !(0xf << 76) & !(0x3 << 62)) | (0x7 << 76) | (0x2 << 62)
}

/// A path as it is kept.
#[must_use]
pub fn kept_path(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    &path[..path.floor_char_boundary(MAX_PATH)]
}

/// Which records somebody asks for; what is not set lets all through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The function's namespace.
    pub namespace: String,
    /// The function's name.
    pub function: Option<String>,
    /// One of these.
    pub outcomes: Vec<Outcome>,
    /// Kept for one of these reasons.
    pub kept: Vec<Kept>,
    /// 100 to 599, or 1 to 5 for any of that hundred.
    pub status: Option<u16>,
    /// As [`Cause::text`], or what stands before its colon.
    pub cause: Option<String>,
    /// As [`Caller::text`], or what stands before its colon.
    pub caller: Option<String>,
    /// It took so long at least.
    pub min_took: Duration,
    /// Whether it waited for an instance.
    pub cold: Option<bool>,
    /// It came then or later, milliseconds since 1970; 0: whenever.
    pub since_ms: u64,
    /// It came before; 0: whenever.
    pub until_ms: u64,
    /// Of this trace.
    pub trace: Option<u128>,
    /// Of this call of the queue.
    pub call: Option<String>,
    /// Older than this one: its id, and whose it is.
    pub before: Option<(u128, NodeId)>,
    /// This one alone.
    pub is: Option<(u128, NodeId)>,
}

impl Filter {
    /// Whether a record is asked for.
    #[must_use]
    pub fn lets(&self, record: &Record) -> bool {
        let is = |asked: &Option<String>, text: &dyn Fn() -> String| match asked {
            None => true,
            Some(asked) => {
                let text = text();
                let rest = text.strip_prefix(asked.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            }
        };
        let of = |status: u16| match self.status {
            None => true,
            Some(class @ 0..=9) => status / 100 == class,
            Some(code) => status == code,
        };
        let (before, call) = (&self.before, &self.call);
        let only = self.is.as_ref();
        record.function.namespace() == self.namespace
            && (self.function.as_deref()).is_none_or(|name| name == record.function.name())
            && (self.outcomes.is_empty() || self.outcomes.contains(&record.outcome))
            && (self.kept.is_empty() || self.kept.contains(&record.kept))
            && of(record.status)
            && record.took >= self.min_took
            && self.cold.is_none_or(|cold| cold == record.is_cold())
            && record.at_ms >= self.since_ms
            && (self.until_ms == 0 || record.at_ms < self.until_ms)
            && (self.trace).is_none_or(|id| record.trace.is_some_and(|trace| trace.id == id))
            && only.is_none_or(|only| record.key() == (only.0, &only.1))
            && call.as_ref().is_none_or(|call| record.is_of(call))
            && before
                .as_ref()
                .is_none_or(|before| record.key() < (before.0, &before.1))
            && is(&self.cause, &|| record.cause.text())
            && is(&self.caller, &|| record.caller.text())
    }
}

impl Record {
    /// Whether it waited for an instance.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        self.held_for == Some(HeldFor::Instance) || !self.phases.hold.is_zero()
    }

    fn is_of(&self, call: &str) -> bool {
        (self.attempt.as_ref()).is_some_and(|attempt| &*attempt.call == call)
    }

    /// What it is sorted by, whichever sidecar has it.
    #[must_use]
    pub const fn key(&self) -> (u128, &NodeId) {
        (self.id, &self.node)
    }
}
