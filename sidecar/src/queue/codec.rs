//! How calls lie on disk: a version byte, then protobuf, then raw bytes where there are any.
//!
//! Three values for each call, so that none is rewritten for another's sake: the *head* and the
//! *body* are written once, the small *state* at every step. Protobuf, because fields can be
//! added without a migration; the version byte is for what can't.

mod maker;
mod result;

use std::time::Duration;

use bytes::Bytes;
use gateless_core::call::{Attempt, Call, Reason, State};
use gateless_core::keys;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy::Principal;
use gateless_core::time::Time;
use prost::Message;

pub(super) use self::maker::{caller_function, maker_number, maker_of};
pub(super) use self::result::{result_from_bytes, result_to_bytes};
use super::Error;
use super::types::{self, CallbackState, Header, KeyName, Record};

const VERSION: u8 = 1;

/// What never changes of a call, except its body.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Head {
    #[prost(string, tag = "1")]
    pub(super) function: String,
    #[prost(string, tag = "2")]
    pub(super) method: String,
    #[prost(string, tag = "3")]
    pub(super) path: String,
    #[prost(message, repeated, tag = "4")]
    pub(super) headers: Vec<Pair>,
    #[prost(uint64, tag = "5")]
    pub(super) accepted_at: u64,
    #[prost(string, optional, tag = "6")]
    pub(super) callback: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub(super) idempotency_key: Option<String>,
    #[prost(uint64, tag = "8")]
    pub(super) body_bytes: u64,
    /// 0 in what versions before wrote; 4 where they wrote a key and not who had it.
    #[prost(uint32, tag = "9")]
    maker: u32,
    /// The name of the key that was proved, if there is one.
    #[prost(string, tag = "10")]
    key: String,
    /// The address it came from, if it is known.
    #[prost(string, tag = "11")]
    source: String,
    /// The function that made it, if it was one and known.
    #[prost(string, tag = "12")]
    caller_function: String,
    /// The token that another queue made for it, when it was taken on from there.
    #[prost(string, tag = "100")]
    pub(super) token: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct StateMessage {
    #[prost(string, tag = "1")]
    function: String,
    #[prost(uint32, tag = "2")]
    state: u32,
    #[prost(uint64, tag = "3")]
    at: u64,
    #[prost(uint32, tag = "4")]
    reason: u32,
    #[prost(uint64, tag = "5")]
    since: u64,
    #[prost(uint32, tag = "6")]
    tries: u32,
    #[prost(message, repeated, tag = "7")]
    attempts: Vec<AttemptMessage>,
    #[prost(uint32, tag = "8")]
    callback: u32,
    #[prost(uint32, tag = "9")]
    callback_tries: u32,
    #[prost(uint64, tag = "10")]
    callback_due: u64,
    #[prost(uint64, tag = "11")]
    expires_at: u64,
    #[prost(uint64, tag = "12")]
    stored: u64,
    #[prost(uint32, tag = "13")]
    status: u32,
    #[prost(uint64, tag = "14")]
    result_bytes: u64,
    #[prost(uint64, tag = "15")]
    ttl: u64,
    #[prost(uint32, tag = "16")]
    epoch: u32,
    #[prost(string, tag = "17")]
    callback_error: String,
    #[prost(uint32, tag = "18")]
    interruptions: u32,
    #[prost(bool, tag = "19")]
    suspect: bool,
    #[prost(string, tag = "20")]
    unmade: String,
    #[prost(bool, tag = "21")]
    dropped: bool,
    #[prost(string, tag = "100")]
    origin: String,
    #[prost(uint64, tag = "101")]
    claim: u64,
    #[prost(uint32, tag = "102")]
    copies: u32,
}

#[derive(Clone, PartialEq, Message)]
struct AttemptMessage {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(uint64, tag = "2")]
    started: u64,
    #[prost(uint64, tag = "3")]
    took: u64,
    #[prost(uint32, tag = "4")]
    status: u32,
    #[prost(string, tag = "5")]
    error: String,
}

/// A call with what the queue itself must know of it: the *state* on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) function: FunctionName,
    /// State and attempts.
    pub(super) call: Call,
    /// Of its last lease, or later.
    pub(super) epoch: u32,
    /// `None`: not wanted. `Pending` before the call is finished, too.
    pub(super) callback: CallbackState,
    /// Callback attempts made.
    pub(super) callback_tries: u32,
    /// Why the last of them failed.
    pub(super) callback_error: String,
    /// When the next callback attempt is due.
    pub(super) callback_due: Time,
    /// When a finished call is forgotten.
    pub(super) expires_at: Time,
    /// Bytes counted against the queue's bound.
    pub(super) stored: u64,
    /// Of the kept answer.
    pub(super) status: Option<u16>,
    /// Of the kept answer.
    pub(super) result_bytes: u64,
    /// How long a finished call is kept.
    pub(super) ttl: Duration,
    /// There was an answer, and it was removed to make way.
    pub(super) dropped: bool,
    /// The sidecar that its id names, when it was taken on from there.
    pub(super) origin: Option<NodeId>,
    /// The epoch of the claim under which it is delivered.
    pub(super) claim: u64,
    /// How many sidecars had it on disk when it was accepted, or taken on; 0 in what versions before wrote.
    pub(super) copies: u32,
}

fn versioned(message: &impl Message) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(1 + message.encoded_len());
    buffer.push(VERSION);
    // Encoding into a Vec can't fail: it grows.
    let _ = message.encode(&mut buffer);
    buffer
}

fn unversioned(bytes: &[u8]) -> Result<&[u8], Error> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((version, _)) => Err(Error::Damaged(format!(
            "format version {version} is unknown"
        ))),
        None => Err(Error::Damaged("empty value".into())),
    }
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::Damaged(error.to_string())
}

fn pairs(headers: &[Header]) -> Vec<Pair> {
    let pair = |(name, value): &Header| Pair {
        name: name.clone(),
        value: value.clone(),
    };
    headers.iter().map(pair).collect()
}

fn headers(pairs: Vec<Pair>) -> Vec<Header> {
    pairs.into_iter().map(|p| (p.name, p.value)).collect()
}

impl Head {
    /// Of a record accepted then.
    pub(super) fn new(record: &Record, accepted_at: Time) -> Self {
        Self {
            function: record.function.to_string(),
            method: record.method.clone(),
            path: record.path.clone(),
            headers: pairs(&record.headers),
            accepted_at: accepted_at.as_nanos(),
            callback: record.callback.clone(),
            idempotency_key: record.idempotency.as_ref().map(|i| i.key.clone()),
            body_bytes: record.body.len() as u64,
            maker: maker_number(&record.principal.maker),
            caller_function: caller_function(&record.principal.maker),
            key: record.principal.key.as_deref().unwrap_or("").to_owned(),
            source: record
                .principal
                .source
                .map_or_else(String::new, |at| at.to_string()),
            token: String::new(),
        }
    }

    /// On whose behalf it was accepted. A number of a later version has nobody's rights.
    pub(super) fn principal(&self) -> Principal {
        Principal {
            maker: maker_of(self.maker, &self.caller_function),
            key: (!self.key.is_empty()).then(|| self.key.as_str().into()),
            source: self.source.parse().ok(),
        }
    }

    pub(super) fn trigger(&self) -> Option<String> {
        types::trigger(self.headers.iter().map(|pair| (&*pair.name, &pair.value)))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        versioned(self)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::decode(unversioned(bytes)?).map_err(damaged)
    }

    /// The key it was sent with, as its caller's.
    pub(super) fn key_name(&self) -> Option<KeyName> {
        Some(KeyName {
            function: self.function.parse().ok()?,
            caller: keys::scope(&self.principal()),
            key: self.idempotency_key.clone()?,
        })
    }

    /// The record again, with its body.
    pub(super) fn into_record(self, body: Bytes) -> Result<Record, Error> {
        Ok(Record {
            principal: self.principal(),
            function: self.function.parse().map_err(damaged)?,
            method: self.method,
            path: self.path,
            headers: headers(self.headers),
            body,
            callback: self.callback,
            // What it stands for is kept with the key.
            idempotency: None,
        })
    }
}

impl Stored {
    /// In the dead-letter queue.
    pub(super) const fn is_dead(&self) -> bool {
        matches!(self.call.state, State::Dead(..))
    }

    /// There is an answer, and it is kept.
    pub(super) const fn has_result(&self) -> bool {
        self.status.is_some() && !self.dropped
    }

    /// An attempt was begun, or it is over.
    pub(super) fn is_begun(&self) -> bool {
        !self.call.attempts.is_empty() || self.call.state.finished_at().is_some()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (state, at, reason) = match self.call.state {
            State::Queued => (1, Time::ZERO, 0),
            State::Running(at) => (2, at, 0),
            State::Retrying(at) => (3, at, 0),
            State::Succeeded(at) => (4, at, 0),
            State::Dead(at, Reason::MaxAttempts) => (5, at, 1),
            State::Dead(at, Reason::MaxAge) => (5, at, 2),
            State::Dead(at, Reason::NotRetryable) => (5, at, 3),
            State::Dead(at, Reason::FunctionDeleted) => (5, at, 4),
            State::Cancelled(at) => (6, at, 0),
        };
        let attempt = |a: &Attempt| AttemptMessage {
            number: a.number,
            started: a.started.as_nanos(),
            took: nanos(a.took),
            status: a.status.map_or(0, u32::from),
            error: a.error.clone(),
        };
        versioned(&StateMessage {
            function: self.function.to_string(),
            state,
            at: at.as_nanos(),
            reason,
            since: self.call.since.as_nanos(),
            tries: self.call.tries,
            attempts: self.call.attempts.iter().map(attempt).collect(),
            callback: match self.callback {
                CallbackState::None => 0,
                CallbackState::Pending => 1,
                CallbackState::Delivered => 2,
                CallbackState::Failed => 3,
            },
            callback_tries: self.callback_tries,
            callback_error: self.callback_error.clone(),
            callback_due: self.callback_due.as_nanos(),
            expires_at: self.expires_at.as_nanos(),
            stored: self.stored,
            status: self.status.map_or(0, u32::from),
            result_bytes: self.result_bytes,
            ttl: nanos(self.ttl),
            epoch: self.epoch,
            interruptions: self.call.interruptions,
            suspect: self.call.suspect,
            unmade: self.call.unmade.clone(),
            dropped: self.dropped,
            origin: self
                .origin
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            claim: self.claim,
            copies: self.copies,
        })
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let message = StateMessage::decode(unversioned(bytes)?).map_err(damaged)?;
        let at = Time::from_nanos(message.at);
        let state = match (message.state, message.reason) {
            (1, _) => State::Queued,
            (2, _) => State::Running(at),
            (3, _) => State::Retrying(at),
            (4, _) => State::Succeeded(at),
            (5, 1) => State::Dead(at, Reason::MaxAttempts),
            (5, 2) => State::Dead(at, Reason::MaxAge),
            (5, 3) => State::Dead(at, Reason::NotRetryable),
            (5, 4) => State::Dead(at, Reason::FunctionDeleted),
            (6, _) => State::Cancelled(at),
            (state, reason) => return Err(damaged(format!("state {state}/{reason} is unknown"))),
        };
        let attempt = |a: AttemptMessage| Attempt {
            number: a.number,
            started: Time::from_nanos(a.started),
            took: Duration::from_nanos(a.took),
            status: status(a.status),
            error: a.error,
        };
        Ok(Self {
            function: message.function.parse().map_err(damaged)?,
            call: Call {
                state,
                since: Time::from_nanos(message.since),
                tries: message.tries,
                attempts: message.attempts.into_iter().map(attempt).collect(),
                interruptions: message.interruptions,
                suspect: message.suspect,
                unmade: message.unmade,
            },
            callback: match message.callback {
                0 => CallbackState::None,
                1 => CallbackState::Pending,
                2 => CallbackState::Delivered,
                _ => CallbackState::Failed,
            },
            callback_tries: message.callback_tries,
            callback_error: message.callback_error,
            callback_due: Time::from_nanos(message.callback_due),
            expires_at: Time::from_nanos(message.expires_at),
            stored: message.stored,
            status: status(message.status),
            result_bytes: message.result_bytes,
            ttl: Duration::from_nanos(message.ttl),
            epoch: message.epoch,
            dropped: message.dropped,
            origin: Some(message.origin)
                .filter(|node| !node.is_empty())
                .map(|node| NodeId::new(&node)),
            claim: message.claim,
            copies: message.copies,
        })
    }
}

fn status(number: u32) -> Option<u16> {
    u16::try_from(number).ok().filter(|n| *n != 0)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
