//! The values of the async path: ids, records, results, and what is shown of a call.
//!
//! Valid values only; requests are parsed in `http`, disk formats live in `codec`.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use gateless_common::header::TRIGGER;
use gateless_common::name::{check_label, is_hex};
use gateless_core::call::Call;
use gateless_core::keys;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy::Principal;
use gateless_core::time::Time;
use uuid::Uuid;

use super::Error;
use super::clock::{Skew, millis};
use super::token::Proof;

/// `<uuidv7 simple hex>-<node id>`: in order of time, and it names its sidecar. It is no secret and opens nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    uuid: Uuid,
    node: NodeId,
}

impl CallId {
    /// A new id at `now`.
    ///
    /// The 12 bits after the milliseconds are a finer fraction of time (RFC 9562, 6.2,
    /// method 3), so ids of one sidecar sort as they were made; the other 62 are random.
    #[must_use]
    pub fn new(now: Time, node: NodeId) -> Self {
        let fraction = (now.as_nanos() % 1_000_000) * 4096 / 1_000_000;
        let mut random: [u8; 10] = rand::random();
        let [.., high, low] = fraction.to_be_bytes();
        random[0] = high;
        random[1] = low;
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis(now), &random).into_uuid();
        Self { uuid, node }
    }

    /// Of a stored key.
    #[must_use]
    pub(crate) const fn from_key(key: [u8; 16], node: NodeId) -> Self {
        Self {
            uuid: Uuid::from_bytes(key),
            node,
        }
    }

    /// Parses what a caller typed.
    ///
    /// # Errors
    /// [`Error::NotFound`]: no call ever had such an id.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (uuid, node) = text.split_once('-')?;
            if !is_hex(uuid, 32) || check_label(node).is_err() {
                return None;
            }
            Some(Self {
                uuid: Uuid::try_parse(uuid).ok()?,
                node: NodeId::new(node),
            })
        };
        parse().ok_or_else(|| Error::NotFound(text.chars().take(120).collect()))
    }

    /// The sidecar that has the call.
    #[must_use]
    pub const fn node(&self) -> &NodeId {
        &self.node
    }

    #[must_use]
    pub(crate) fn key(&self) -> [u8; 16] {
        self.uuid.into_bytes()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.uuid.simple(), self.node)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A header as it is kept: order and repeats are the sender's.
pub type Header = (String, Bytes);

/// A request to be delivered later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whom to call.
    pub function: FunctionName,
    /// For example `POST`.
    pub method: String,
    /// Path and query as the function shall see them.
    pub path: String,
    /// Without hop-by-hop headers.
    pub headers: Vec<Header>,
    pub body: Bytes,
    /// Where the result goes: an absolute http URL, or a path on this sidecar.
    pub callback: Option<String>,
    /// Makes accepting the same call twice accept it once.
    pub idempotency: Option<Idempotency>,
    /// Whose rights its delivery and its callback have.
    pub principal: Principal,
}

impl Record {
    /// The key it was sent with, as its caller's.
    #[must_use]
    pub fn key_name(&self) -> Option<KeyName> {
        let idempotency = self.idempotency.as_ref()?;
        Some(KeyName {
            function: self.function.clone(),
            caller: keys::scope(&self.principal),
            key: idempotency.key.clone(),
        })
    }

    /// A trigger made it: nobody reads its answer.
    #[must_use]
    pub fn is_of_trigger(&self) -> bool {
        self.trigger().is_some()
    }

    /// The trigger that made it; `None`: a caller.
    #[must_use]
    pub fn trigger(&self) -> Option<String> {
        trigger(self.headers.iter().map(|(name, value)| (&**name, value)))
    }
}

/// The trigger that made a call with these headers.
pub(super) fn trigger<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a Bytes)>,
) -> Option<String> {
    // No caller can send this header: it is not kept.
    let mut headers = headers.into_iter();
    let (_, value) = headers.find(|(name, _)| *name == TRIGGER.as_str())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// An idempotency key and what it was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub key: String,
    /// SHA-256 of method, path and body.
    pub digest: [u8; 32],
}

/// An idempotency key of one caller of one function: what it stands for is one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyName {
    pub function: FunctionName,
    /// [`keys::scope`] of who used it.
    pub caller: String,
    pub key: String,
}

/// A call was accepted, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub id: CallId,
    /// It was accepted before, under the same idempotency key.
    pub replayed: bool,
    /// Reads its status and result.
    pub token: String,
    /// How many sidecars have it on disk; 0: it is not known.
    pub copies: u32,
}

/// What a key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The call, as one that was accepted before.
    pub accepted: Accepted,
    /// As in [`Idempotency`].
    pub digest: [u8; 32],
    /// An attempt of it was begun, or it is over.
    pub begun: bool,
}

impl Known {
    /// The call, if the key is used for the same again.
    ///
    /// # Errors
    /// [`Error::IdempotencyConflict`].
    pub fn for_same(self, digest: &[u8; 32]) -> Result<Accepted, Error> {
        match self.digest == *digest {
            true => Ok(self.accepted),
            false => Err(Error::IdempotencyConflict),
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With a whole answer.
    Answered {
        answer: CallResult,
        /// What its `retry-after` asks for.
        retry_after: Option<Duration>,
    },
    /// With a whole answer that nobody reads and that does not accept the call.
    Refused { answer: CallResult },
    Failed {
        /// Whether another attempt could do better.
        retryable: bool,
        error: String,
    },
    /// The instance broke off with it inside.
    Crashed { error: String },
    /// What was between broke.
    Interrupted { error: String },
    /// It found no room and never left.
    NotMade { error: String },
}

/// A function's answer, kept for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallResult {
    pub status: u16,
    /// Without hop-by-hop headers.
    pub headers: Vec<Header>,
    /// At most `max_result`.
    pub body: Bytes,
    /// The body was longer than that.
    pub truncated: bool,
}

/// How far a callback is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackState {
    /// Nobody asked for one.
    None,
    /// The call isn't finished, or the callback isn't delivered.
    Pending,
    /// Somebody took it with a 2xx.
    Delivered,
    Failed,
}

impl CallbackState {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// What is shown of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub id: CallId,
    /// What its times are to be shown with: they are the queue's.
    pub skew: Skew,
    /// Whom it is for.
    pub function: FunctionName,
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The trigger that made it; `None`: a caller.
    pub trigger: Option<String>,
    /// When it was accepted.
    pub accepted_at: Time,
    /// State and attempts.
    pub call: Call,
    /// Status of the kept answer.
    pub status: Option<u16>,
    /// Where the result goes.
    pub callback: Option<String>,
    /// How far that is.
    pub callback_state: CallbackState,
    /// Why its last attempt failed; empty when none has, or a later one did not.
    pub callback_error: String,
    pub idempotency_key: Option<String>,
    /// Who made it.
    pub principal: Principal,
    /// Of the request.
    pub body_bytes: u64,
    /// Of the kept answer.
    pub result_bytes: u64,
    /// SHA-256 of the token that its origin made for it, when it was taken on from there.
    pub proof: Option<Proof>,
    /// How many sidecars had it on disk when it was accepted, or taken on; 0: it is not known.
    pub copies: u32,
    /// It is a copy of a call that another sidecar delivers.
    pub is_copy: bool,
}

impl View {
    /// Why it is dead or cancelled; empty otherwise.
    #[must_use]
    pub fn reason(&self) -> String {
        use gateless_core::call::State;
        let last = self.call.attempts.last().map_or("", |a| a.error.as_str());
        let last = match self.call.unmade.as_str() {
            "" => last,
            unmade => unmade,
        };
        match self.call.state {
            State::Dead(_, reason) if last.is_empty() => reason.as_str().to_owned(),
            State::Dead(_, reason) => format!("{}: {last}", reason.as_str()),
            State::Cancelled(_) if self.call.unmade.is_empty() => "cancelled".to_owned(),
            State::Cancelled(_) => format!("cancelled: {}", self.call.unmade),
            _ => String::new(),
        }
    }
}

/// One function's queue on this sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    pub function: FunctionName,
    /// Accepted, not tried.
    pub queued: u64,
    pub running: u64,
    /// To be tried again.
    pub retrying: u64,
    /// In the dead-letter queue.
    pub dead: u64,
    /// Due now: queued, or retrying and its time has come. This is demand.
    pub due: u64,
    /// For how long the one longest due has been.
    pub oldest: Duration,
}

/// A callback to make.
#[derive(Debug)]
pub struct Callback {
    /// Of this call.
    pub id: CallId,
    pub function: FunctionName,
    pub url: String,
    /// Whose rights it has.
    pub principal: Principal,
    /// From 1; one that never got away was none.
    pub attempt: u32,
    /// When the call ended.
    pub finished: Time,
    /// The call's state.
    pub state: &'static str,
    /// The answer, unless there was none.
    pub result: Option<CallResult>,
    /// How long the last attempt took.
    pub took: Duration,
}
