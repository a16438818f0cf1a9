//! Who may call what: the one decision every call passes before it is held, queued or sent.
//!
//! A call comes out as [`Admitted`], which nothing else can make: what accepts, holds or sends takes only that,
//! so a way round the policy does not compile. Deliberately no proof of identities: a door, a token or a
//! certificate proves them at the edge, before.

use std::net::IpAddr;
use std::sync::Arc;

use gateless_common::stable_hash;

use crate::access::Auth;
use crate::config::{Function, Visibility};
use crate::limit::{Buckets, Caller, Left};
use crate::name::NodeId;
use crate::time::Time;

/// Who makes a call, as the connection or the task it came from proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Anyone: it came through the public door.
    Anonymous,
    /// A function on this host: through the local door, or a component in the sidecar itself.
    Function,
    /// Another sidecar, which has admitted the call; its node, where it said it.
    Sidecar(Option<NodeId>),
    /// This sidecar's queue: the call was admitted when it was accepted, and is again when it is delivered, with the
    /// rights of whoever made it.
    Queue(Principal),
    /// A trigger of the catalogue, which has the rights of whoever made it.
    Trigger,
}

/// On whose behalf a call was taken for later: what is kept of an [`Identity`] on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Principal {
    /// It was taken by a version that did not write it down. Its delivery was admitted then; its callback has nobody's rights.
    #[default]
    Unknown,
    /// A caller from outside, of whom nothing is proved.
    Anonymous,
    /// A function of the cluster.
    Function,
    /// A trigger of the catalogue.
    Trigger,
    /// Whoever has the key of this name.
    Key(Arc<str>),
}

/// What a caller proved to the function it calls, wherever it called from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The name of the key it has.
    pub key: Arc<str>,
}

impl Principal {
    /// Who a call to another function is made by that is made on behalf of this one: its callback, for example.
    #[must_use]
    pub const fn acts_as(&self) -> Identity {
        match self {
            // A key is one function's: to another its holder is anyone.
            Self::Unknown | Self::Anonymous | Self::Key(_) => Identity::Anonymous,
            Self::Function => Identity::Function,
            Self::Trigger => Identity::Trigger,
        }
    }
}

impl Identity {
    /// What is kept of it with a call for later.
    #[must_use]
    pub fn principal(&self) -> Principal {
        match self {
            // Whose call another sidecar forwards is not said: so it has nobody's rights.
            Self::Anonymous | Self::Sidecar(_) => Principal::Anonymous,
            Self::Function => Principal::Function,
            Self::Trigger => Principal::Trigger,
            Self::Queue(principal) => principal.clone(),
        }
    }
}

/// What the policy must know of a call.
pub trait Subject {
    /// The function it is for.
    fn function(&self) -> &Function;
    /// Who makes it.
    fn identity(&self) -> &Identity;
    /// Where it comes from, if it comes from outside of this process.
    fn source(&self) -> Option<IpAddr>;
    /// What its maker proved to the function.
    fn proof(&self) -> Option<&Proof>;
    /// Takes something out of the function's buckets at this sidecar; `None` where nothing is limited.
    fn buckets<T>(&self, take: impl FnOnce(&mut Buckets) -> T) -> Option<T>;
}

/// Why a call is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The function is for other functions only.
    #[error("is cluster-only: other functions may call it, nobody outside")]
    ClusterOnly,
    /// The function is for those who have one of its keys.
    #[error("is for callers with one of its keys")]
    Unproven,
    /// The function takes no calls from this network.
    #[error("takes no calls from {0}")]
    Network(IpAddr),
    /// Too many calls came in too short a time.
    #[error("takes {} calls at once, and no more before the time in retry-after", .0.limit)]
    Rate(Left),
}

/// A call that the policy has let through. Made by [`Policy::admit`] alone.
#[derive(Debug)]
pub struct Admitted<C> {
    call: C,
    left: Option<Left>,
}

impl<C> Admitted<C> {
    /// What was let through.
    pub fn get(&self) -> &C {
        &self.call
    }

    /// What its caller has left of the function's limits, where there are any.
    #[must_use]
    pub const fn left(&self) -> Option<Left> {
        self.left
    }

    /// The call, to send it.
    pub fn get_mut(&mut self) -> &mut C {
        &mut self.call
    }

    /// The call in another form: what is kept of it in a queue.
    pub fn map<D>(self, convert: impl FnOnce(C) -> D) -> Admitted<D> {
        Admitted {
            call: convert(self.call),
            left: self.left,
        }
    }

    /// A copy of the call in another form, where the call itself goes on.
    ///
    /// # Errors
    /// Those of the conversion.
    pub fn try_copy<D, E>(
        &self,
        convert: impl FnOnce(&C) -> Result<D, E>,
    ) -> Result<Admitted<D>, E> {
        Ok(Admitted {
            call: convert(&self.call)?,
            left: self.left,
        })
    }

    /// The call alone, which nobody takes any more.
    pub fn into_inner(self) -> C {
        self.call
    }
}

/// The rules of this sidecar. Every door, class and protocol passes the same.
#[derive(Debug, Default)]
pub struct Policy {}

impl Policy {
    /// Lets a call through or refuses it. One that comes in here is counted, `now`, in the function's limits; one
    /// that was counted where it came in is not counted again.
    ///
    /// # Errors
    /// Which rule refused it. Nothing of the call was kept.
    pub fn admit<C: Subject>(&self, call: C, now: Time) -> Result<Admitted<C>, Refused> {
        self.check(&call)?;
        let left = match (call.identity(), call.source()) {
            (Identity::Anonymous | Identity::Function, Some(client)) => {
                let caller = match call.proof() {
                    Some(proof) => Caller::Proven(stable_hash(&[proof.key.as_bytes()])),
                    None => Caller::at(client),
                };
                call.buckets(|buckets| buckets.take(caller, now))
            }
            _ => None,
        };
        let left = left.transpose().map_err(Refused::Rate)?;
        Ok(Admitted { call, left })
    }

    /// Whether an admitted call may still be sent: its function's rules may have changed while it waited.
    ///
    /// # Errors
    /// As [`Policy::admit`].
    pub fn check(&self, call: &impl Subject) -> Result<(), Refused> {
        let function = call.function();
        match (function.visibility, call.identity()) {
            (
                Visibility::ClusterOnly,
                Identity::Anonymous | Identity::Queue(Principal::Anonymous),
            ) => return Err(Refused::ClusterOnly),
            (Visibility::Public | Visibility::ClusterOnly, _) => {}
        }
        match (&function.access.auth, call.identity()) {
            (Auth::None, _) => {}
            // What an operator wrote down, or another sidecar has looked at.
            (
                Auth::Key(_),
                Identity::Trigger | Identity::Queue(Principal::Trigger) | Identity::Sidecar(_),
            ) => {}
            (Auth::Key(_), _) if call.proof().is_some() => {}
            (Auth::Key(_), _) => return Err(Refused::Unproven),
        }
        match (call.identity(), call.source()) {
            (Identity::Anonymous, Some(client)) if !function.access.allows(client) => {
                Err(Refused::Network(client))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
