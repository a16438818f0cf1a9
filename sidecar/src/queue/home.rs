//! Takes calls with idempotency keys in at the keys' home, wherever that is, and asks whether a call was taken elsewhere.
//!
//! Whose home it is, whom to ask and who yields is decided in [`gateless_core::keys`]; here it is carried out, and bounded.
//! What is forwarded is on the home's disk when it is answered, so a 202 means the same wherever a call came in.

mod doubt;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use gateless_core::call::Call;
use gateless_core::config::AsyncPolicy;
use gateless_core::keys::{self, Missed, Next, Standing};
use gateless_core::name::NodeId;
use gateless_core::policy::Admitted;
use gateless_proto::v1;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tonic::{Code as Grpc, Status};

use self::doubt::Doubts;
pub use self::wire::{accepted_response, find, passed, record};
use super::clock::Clock;
use super::types::{Accepted, CallId, KeyName, Known, Record};
use super::{Copying, Error, Queue};

/// Calls forwarded to their keys' homes that are under way at one sidecar.
pub const MAX_FORWARDS: u32 = 256;
/// Their bytes, together.
pub const MAX_FORWARD_BYTES: u32 = 128 << 20;
/// Of one message to a home; what is larger is taken where it came in.
pub const MAX_MESSAGE_BYTES: usize = 72 << 20;
/// For a home to have a call on its disk.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(2);
/// For a sidecar to say what it knows of a key.
const FIND_TIMEOUT: Duration = Duration::from_secs(1);

/// The other sidecars, as far as keys go.
pub trait Others: Send + Sync + 'static {
    /// Who lives now, this sidecar included.
    fn live(&self) -> Vec<NodeId>;

    /// Has one of them take calls in.
    fn accept(
        &self,
        to: &NodeId,
        request: v1::AcceptCallsRequest,
    ) -> BoxFuture<'static, Result<v1::AcceptCallsResponse, Status>>;

    /// Asks one of them what keys were used for there.
    fn find(
        &self,
        at: &NodeId,
        request: v1::FindKeysRequest,
    ) -> BoxFuture<'static, Result<v1::FindKeysResponse, Status>>;
}

/// There are no others.
struct Nobody;

impl Others for Nobody {
    fn live(&self) -> Vec<NodeId> {
        Vec::new()
    }

    fn accept(
        &self,
        _: &NodeId,
        _: v1::AcceptCallsRequest,
    ) -> BoxFuture<'static, Result<v1::AcceptCallsResponse, Status>> {
        Box::pin(async { Err(Status::unavailable("there are no others")) })
    }

    fn find(
        &self,
        _: &NodeId,
        _: v1::FindKeysRequest,
    ) -> BoxFuture<'static, Result<v1::FindKeysResponse, Status>> {
        Box::pin(async { Err(Status::unavailable("there are no others")) })
    }
}

/// Calls were taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// In the order they were given.
    pub accepted: Vec<Accepted>,
    /// A sidecar that may have taken them before did not answer.
    pub unsure: bool,
}

/// Calls that are taken in together, and what their home is chosen by.
pub struct Group {
    pub home: Vec<u8>,
    pub calls: Vec<(Admitted<Record>, AsyncPolicy)>,
}

impl Group {
    /// One call, whose home is that of its key.
    #[must_use]
    pub fn of(record: Admitted<Record>, policy: AsyncPolicy) -> Self {
        let name = record.get().key_name();
        let home = name.map(|name| keys::home(&name.function, &name.caller, &name.key));
        Self {
            home: home.unwrap_or_default(),
            calls: vec![(record, policy)],
        }
    }

    fn names(&self) -> Vec<Option<KeyName>> {
        let records = self.calls.iter();
        records.map(|(record, _)| record.get().key_name()).collect()
    }
}

/// What came of a forward.
enum Forwarded {
    Taken(Taken),
    /// The home says no.
    Refused(Error),
    /// It is of a version that knows no homes.
    Older,
    /// Nobody knows whether it has the calls.
    Silent,
}

/// The way to keys' homes.
pub struct Homes {
    node: NodeId,
    queue: Queue,
    others: Arc<dyn Others>,
    doubts: Doubts,
    missed: Mutex<Missed>,
    forwards: Semaphore,
    bytes: Semaphore,
    /// Knows of calls that others took on while this sidecar was away; none: there are no copies.
    copying: OnceLock<Arc<Copying>>,
}

impl Homes {
    /// Over this sidecar's queue, whose clock is given. Looks at the time as long as it is held.
    #[must_use]
    pub fn new(node: NodeId, queue: Queue, clock: Clock, others: Arc<dyn Others>) -> Arc<Self> {
        let homes = Arc::new(Self {
            node,
            queue,
            others,
            doubts: Doubts::new(clock),
            missed: Mutex::default(),
            forwards: Semaphore::new(MAX_FORWARDS as usize),
            bytes: Semaphore::new(MAX_FORWARD_BYTES as usize),
            copying: OnceLock::new(),
        });
        doubt::watch(&homes);
        homes
    }

    /// Of a sidecar that knows no other.
    #[must_use]
    pub fn alone(node: NodeId, queue: Queue, clock: Clock) -> Arc<Self> {
        Self::new(node, queue, clock, Arc::new(Nobody))
    }

    /// Takes calls in at their home, all or none.
    ///
    /// # Errors
    /// As [`super::Inbox::accept_many`], there; or too many are being forwarded.
    pub async fn accept(&self, group: Group) -> Result<Taken, Error> {
        let names = group.names();
        let live = self.others.live();
        let keyless = names.iter().all(Option::is_none);
        if keyless || live.len() < 2 {
            let unsure = !keyless && self.misses(&group.home);
            return self.take_here(group.calls, unsure).await;
        }
        if self.are_settled_here(&names).await? {
            return self.take_here(group.calls, false).await;
        }
        let order = keys::order(&group.home, &live);
        let mut passed = Vec::new();
        while let Next::Forward(home) = keys::next(&order, &self.node, &passed) {
            match self.forward(&home, &group, &passed).await? {
                Forwarded::Taken(taken) => return Ok(taken),
                Forwarded::Refused(error) => return Err(error),
                Forwarded::Older => return self.take_here(group.calls, true).await,
                Forwarded::Silent => {
                    tracing::warn!(%home, "the home of an idempotency key does not answer");
                    passed.push(home);
                }
            }
        }
        self.take(group, &passed).await
    }

    /// Takes calls in here, unless another sidecar has them: this one is their home, or stands in for `passed`.
    ///
    /// # Errors
    /// As [`super::Inbox::accept_many`].
    pub async fn take(&self, group: Group, passed: &[NodeId]) -> Result<Taken, Error> {
        let names = group.names();
        let mut known = self.find_here(&names).await?;
        let mut unsure = !passed.is_empty() || self.misses(&group.home);
        let missing = |at: &usize| names[*at].is_some() && known[*at].is_none();
        let missing: Vec<usize> = (0..names.len()).filter(missing).collect();
        if !missing.is_empty() {
            let asked = missing.iter().filter_map(|at| names[*at].clone()).collect();
            let found = self.find_elsewhere(&group.home, asked, passed).await;
            unsure |= found.silent;
            for (at, found) in missing.into_iter().zip(found.known) {
                // What is known here is found again when it is taken in.
                known[at] = found;
            }
        }
        let mut elsewhere = Vec::with_capacity(known.len());
        for ((record, _), known) in group.calls.iter().zip(known) {
            let digest = record.get().idempotency.as_ref().map(|kept| kept.digest);
            let other = known.filter(|known| *known.accepted.id.node() != self.node);
            let same = other
                .zip(digest)
                .map(|(known, digest)| known.for_same(&digest));
            elsewhere.push(same.transpose()?);
        }
        let mine = group.calls.into_iter().zip(&elsewhere);
        let mine = mine.filter(|(_, elsewhere)| elsewhere.is_none());
        let mine: Vec<_> = mine.map(|(call, _)| call).collect();
        let mut mine = match mine.is_empty() {
            true => Vec::new().into_iter(),
            false => self.queue.inbox.accept_many(mine).await?.into_iter(),
        };
        let accepted = elsewhere.into_iter();
        let accepted = accepted.filter_map(|elsewhere| elsewhere.or_else(|| mine.next()));
        let accepted: Vec<_> = accepted.collect();
        // What was known before is certain.
        unsure &= accepted.iter().any(|accepted| !accepted.replayed);
        Ok(Taken { accepted, unsure })
    }

    /// The call that a record's key was used for, here or at its home.
    ///
    /// # Errors
    /// The queue cannot read, or the key was used for something else.
    pub async fn find(&self, record: &Record) -> Result<Option<Accepted>, Error> {
        let (Some(name), Some(kept)) = (record.key_name(), &record.idempotency) else {
            return Ok(None);
        };
        let home = keys::home(&name.function, &name.caller, &name.key);
        let known = match self.queue.inbox.find(&name).await? {
            Some(known) => Some(known),
            None => {
                let found = self.find_elsewhere(&home, vec![name], &[]).await;
                found.known.into_iter().next().flatten()
            }
        };
        known.map(|known| known.for_same(&kept.digest)).transpose()
    }

    /// Whether a call that is about to be attempted was taken elsewhere, too, while this sidecar was away: then it is called
    /// off. Asks only for calls with a key that were accepted before the sidecar came back and not begun.
    pub(super) async fn yields(&self, id: &CallId, call: &Call) -> bool {
        if !call.attempts.is_empty() || !self.doubts.is_in(call.since) {
            return false;
        }
        let Ok(view) = self.queue.calls.get(id).await else {
            return false;
        };
        let Some(key) = view.idempotency_key else {
            return false;
        };
        let name = KeyName {
            function: view.function,
            caller: keys::scope(&view.principal),
            key,
        };
        match self.queue.inbox.find(&name).await {
            Ok(Some(ours)) if ours.accepted.id == *id => self.yields_to_other(&ours, name).await,
            _ => false,
        }
    }

    async fn yields_to_other(&self, ours: &Known, name: KeyName) -> bool {
        let id = &ours.accepted.id;
        let home = keys::home(&name.function, &name.caller, &name.key);
        let other = loop {
            let found = self.find_elsewhere(&home, vec![name.clone()], &[]).await;
            let other = found.known.into_iter().next().flatten();
            let is_complete = !found.silent && found.asked > 0;
            if is_complete || other.is_some() || !self.doubts.may_wait() {
                break other;
            }
            tokio::time::sleep(doubt::ASK_AGAIN).await;
        };
        // Not a copy of the same call.
        let is_other = |other: &Known| other.digest == ours.digest && other.accepted.id != *id;
        let Some(theirs) = other.filter(is_other) else {
            return false;
        };
        let (our_id, their_id) = (id.to_string(), theirs.accepted.id.to_string());
        let standing = |id, begun| Standing { id, begun };
        let yields = keys::yields(standing(&our_id, false), standing(&their_id, theirs.begun));
        if yields {
            match self.queue.calls.yield_to_other(id).await {
                Ok(()) => tracing::info!(%id, other = %their_id, "a call was sent again elsewhere"),
                Err(error) => tracing::warn!(%id, %error, "a call that yields could not be ended"),
            }
        }
        yields
    }

    async fn take_here(
        &self,
        calls: Vec<(Admitted<Record>, AsyncPolicy)>,
        unsure: bool,
    ) -> Result<Taken, Error> {
        let accepted = self.queue.inbox.accept_many(calls).await?;
        // What was known before is certain.
        let unsure = unsure && accepted.iter().any(|accepted| !accepted.replayed);
        Ok(Taken { accepted, unsure })
    }

    /// Whether a sidecar that left may have taken calls of this home before, which are about to be taken here.
    fn misses(&self, home: &[u8]) -> bool {
        self.look_at_others().is_ahead(home, &self.node)
    }

    /// Whether calls of these keys were begun here, as by a version for which a key was its sidecar's: they never yield, so
    /// nobody else needs to be asked, and who is the home by now may not know them.
    async fn are_settled_here(&self, names: &[Option<KeyName>]) -> Result<bool, Error> {
        let known = self.find_here(names).await?;
        let is_begun = |known: Option<Known>| known.is_some_and(|known| known.begun);
        let mut keyed = names.iter().zip(known).filter(|(name, _)| name.is_some());
        Ok(keyed.all(|(_, known)| is_begun(known)))
    }

    async fn find_here(&self, names: &[Option<KeyName>]) -> Result<Vec<Option<Known>>, Error> {
        let mut known = Vec::with_capacity(names.len());
        for name in names {
            known.push(match name {
                Some(name) => self.queue.inbox.find(name).await?,
                None => None,
            });
        }
        Ok(known)
    }

    async fn find_elsewhere(&self, home: &[u8], names: Vec<KeyName>, passed: &[NodeId]) -> Found {
        let order = keys::order(home, &self.others.live());
        let (request, keys) = (wire::find_request(&names), names.len());
        let asked = keys::to_ask(&order, &self.node, passed);
        let asks = asked.iter().map(|node| {
            let asked = self.others.find(node, request.clone());
            async move {
                match timeout(FIND_TIMEOUT, asked).await {
                    Ok(Ok(answer)) => Some(wire::known(answer, keys)),
                    Ok(Err(status)) if is_older(&status) => Some(vec![None; keys]),
                    Ok(Err(status)) => {
                        tracing::debug!(%node, %status, "a sidecar does not say what it knows of a key");
                        None
                    }
                    Err(_) => None,
                }
            }
        });
        let mut found = Found {
            known: vec![None; keys],
            silent: false,
            asked: asked.len(),
        };
        for answer in join_all(asks).await {
            let Some(answer) = answer else {
                found.silent = true;
                continue;
            };
            for (kept, new) in found.known.iter_mut().zip(answer) {
                *kept = kept.take().or(new);
            }
        }
        found
    }

    async fn forward(
        &self,
        home: &NodeId,
        group: &Group,
        passed: &[NodeId],
    ) -> Result<Forwarded, Error> {
        let request = wire::accept_request(group, passed);
        let size = request.encoded_len();
        if size > MAX_MESSAGE_BYTES {
            return Ok(Forwarded::Older);
        }
        let _permits = self.permits(size)?;
        let answer = timeout(ACCEPT_TIMEOUT, self.others.accept(home, request)).await;
        Ok(match answer {
            Ok(Ok(response)) => match wire::taken(response, group.calls.len()) {
                Some(taken) => Forwarded::Taken(taken),
                None => Forwarded::Silent,
            },
            Ok(Err(status)) if is_older(&status) => Forwarded::Older,
            Ok(Err(status)) => match super::wire::remote(&status) {
                Error::Remote { code, .. } if is_of_the_way(code) => Forwarded::Silent,
                refused => Forwarded::Refused(refused),
            },
            Err(_) => Forwarded::Silent,
        })
    }

    fn permits(&self, bytes: usize) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), Error> {
        let full = |bound, limit: u32| Error::Full {
            bound,
            limit: limit.into(),
        };
        let forward = self.forwards.try_acquire();
        let forward = forward.map_err(|_| full("queue.forwards", MAX_FORWARDS))?;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let memory = self.bytes.try_acquire_many(bytes);
        let memory = memory.map_err(|_| full("queue.forward_bytes", MAX_FORWARD_BYTES))?;
        Ok((forward, memory))
    }
}

/// What others know of keys.
struct Found {
    /// One for each key.
    known: Vec<Option<Known>>,
    /// One of them did not answer.
    silent: bool,
    /// How many were asked.
    asked: usize,
}

/// Whether it is of a version that does not know what it was asked: then it refuses by role, or by name.
fn is_older(status: &Status) -> bool {
    matches!(status.code(), Grpc::Unimplemented | Grpc::PermissionDenied)
}

/// Whether it says nothing of the calls: it did not answer, or cannot take any.
fn is_of_the_way(code: gateless_common::problem::Code) -> bool {
    use gateless_common::problem::Code;
    matches!(
        code,
        Code::PeerUnavailable | Code::PeerFailed | Code::QueueUnavailable
    )
}
