//! Who may call what: the one decision every call passes before it is held, queued or sent.
//!
//! A call comes out as [`Admitted`], which nothing else can make: what accepts, holds or sends takes only that,
//! so a way round the policy does not compile. Deliberately no proof of identities: a door, a token or a
//! certificate proves them at the edge, before.

use std::net::IpAddr;
use std::sync::Arc;

use gateless_common::stable_hash;

use crate::access::{Auth, Key};
use crate::config::{Function, Visibility};
use crate::limit::{Buckets, Caller, Left};
use crate::name::{FunctionName, NodeId};
use crate::time::Time;

/// Who makes a call, as the connection or the task it came from proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Anyone: it came through the public door.
    Anonymous,
    /// A function on this host: through the local door, or a component in the sidecar itself. Which one, where that is known: it is
    /// asked only for functions that tell their callers apart.
    Function(Option<FunctionName>),
    /// Another sidecar, which has admitted the call; its node, where it said it.
    Sidecar(Option<NodeId>),
    /// This sidecar's queue: the call was admitted when it was accepted, and is again when it is delivered, with the
    /// rights of whoever made it.
    Queue(Maker),
    /// A trigger of the catalogue, which has the rights of whoever made it.
    Trigger,
}

/// On whose behalf a call was taken for later: what is kept on disk of who made it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Principal {
    /// Whose rights it has.
    pub maker: Maker,
    /// Who it proved to be to the function that was called, and to no other: the name of its key, or
    /// [`crate::access::Issuer::principal`].
    pub key: Option<Arc<str>>,
    /// Where it came from, if that is known.
    pub source: Option<IpAddr>,
}

/// What is kept of an [`Identity`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Maker {
    /// It was taken by a version that did not write it down. Its delivery was admitted then; its callback has nobody's rights.
    #[default]
    Unknown,
    /// A caller from outside, of whom nothing is proved.
    Anonymous,
    /// A function of the cluster; which one, where that was known.
    Function(Option<FunctionName>),
    /// A trigger of the catalogue.
    Trigger,
}

impl Principal {
    /// Whether somebody who shows this made the call, and so may read what became of it: its token, or the key it was made
    /// with. Its id shows nothing.
    #[must_use]
    pub fn is_shown_by(&self, token: bool, key: Option<&str>) -> bool {
        token || (key.is_some() && self.key.as_deref() == key)
    }
}

/// What a caller proved to the function it calls, wherever it called from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The name of the key it has, or [`crate::access::Issuer::principal`].
    pub key: Arc<str>,
    /// Of the key that was shown; `None`: it was a token, or is known by its name alone.
    pub digest: Option<[u8; 32]>,
}

/// For how long what was proved opens the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Until the function's rules change.
    Valid,
    /// So long at most: milliseconds since 1970.
    Until(u64),
    /// No more: the key was revoked or has expired, or the function takes tokens of another issuer.
    Ended,
}

impl Proof {
    /// Whether it still opens a function of these rules, `now` milliseconds after 1970. A token proved who calls when the call
    /// came, and its own end does not end what it opened: it lives for minutes, and nobody can renew one in mid-stream.
    #[must_use]
    pub fn validity(&self, auth: &Auth, now: u64) -> Validity {
        match auth {
            Auth::None => Validity::Valid,
            Auth::Key(keys) => {
                let is_it = |key: &&Key| {
                    key.name == self.key && self.digest.is_none_or(|digest| digest == key.digest)
                };
                let found = keys.iter().find(is_it).filter(|key| key.is_good(now));
                found.map_or(Validity::Ended, |key| {
                    key.expires_at_ms.map_or(Validity::Valid, Validity::Until)
                })
            }
            Auth::Jwt(_) if auth.by_principal(&self.key, now).is_some() => Validity::Valid,
            Auth::Jwt(_) => Validity::Ended,
        }
    }
}

impl From<Maker> for Principal {
    /// One of whom nothing else is known.
    fn from(maker: Maker) -> Self {
        Self {
            maker,
            ..Self::default()
        }
    }
}

impl Maker {
    /// Who a call to another function is made by that is made on behalf of this one: its callback, for example.
    #[must_use]
    pub fn acts_as(self) -> Identity {
        match self {
            Self::Unknown | Self::Anonymous => Identity::Anonymous,
            Self::Function(name) => Identity::Function(name),
            Self::Trigger => Identity::Trigger,
        }
    }
}

impl Identity {
    /// What is kept of it with a call for later.
    #[must_use]
    pub fn maker(&self) -> Maker {
        match self {
            // Whose call another sidecar forwards is not said: so it has nobody's rights.
            Self::Anonymous | Self::Sidecar(_) => Maker::Anonymous,
            Self::Function(name) => Maker::Function(name.clone()),
            Self::Trigger => Maker::Trigger,
            Self::Queue(maker) => maker.clone(),
        }
    }

    /// The function that calls, if it is one and known.
    #[must_use]
    pub const fn function(&self) -> Option<&FunctionName> {
        match self {
            Self::Function(name) | Self::Queue(Maker::Function(name)) => name.as_ref(),
            _ => None,
        }
    }

    /// Whether it comes from outside of the cluster, whenever it was taken.
    const fn is_from_outside(&self) -> bool {
        matches!(self, Self::Anonymous | Self::Queue(Maker::Anonymous))
    }
}

/// What the policy must know of a call.
pub trait Subject {
    /// The function it is for.
    fn function(&self) -> &Function;
    /// Who makes it.
    fn identity(&self) -> &Identity;
    /// Where it comes from, or whoever it is made on behalf of; `None` where that is not known.
    fn source(&self) -> Option<IpAddr>;
    /// What its maker proved to the function.
    fn proof(&self) -> Option<&Proof>;
    /// Takes something out of the function's buckets at this sidecar; `None` where nothing is limited.
    fn buckets<T>(&self, take: impl FnOnce(&mut Buckets) -> T) -> Option<T>;
}

/// Why a call is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The function is for other functions only.
    #[error("is cluster-only: other functions may call it, nobody outside")]
    ClusterOnly,
    /// The function is for some functions only, and this is none of them.
    #[error("is for the functions in its access.allow, and {0} is none of them")]
    Function(FunctionName),
    /// The function is for some functions only, and nobody knows which one this is.
    #[error(
        "is for the functions in its access.allow, and which function this call comes from is not known here"
    )]
    UnknownFunction,
    /// The function is for those who prove who they are.
    #[error("is for callers who prove who they are, by a key or a token as its access.auth says")]
    Unproven,
    /// The function takes no calls from this network.
    #[error("takes no calls from {0}")]
    Network(IpAddr),
    /// It takes calls from some networks, and nobody knows from which this one is.
    #[error("takes calls from some networks only, and where this one comes from is not known")]
    NoNetwork,
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
        self.admit_or(call, now, |_, refused| refused)
    }

    /// As [`Policy::admit`]; `refuse` makes an error of the refusal, and has the call for that.
    ///
    /// # Errors
    /// What `refuse` makes.
    pub fn admit_or<C: Subject, E>(
        &self,
        call: C,
        now: Time,
        refuse: impl FnOnce(C, Refused) -> E,
    ) -> Result<Admitted<C>, E> {
        match self.left(&call, now) {
            Ok(left) => Ok(Admitted { call, left }),
            Err(refused) => Err(refuse(call, refused)),
        }
    }

    fn left(&self, call: &impl Subject, now: Time) -> Result<Option<Left>, Refused> {
        self.check(call)?;
        let left = match (call.identity(), call.source()) {
            (identity @ (Identity::Anonymous | Identity::Function(_)), Some(client)) => {
                let caller = match (call.proof(), identity.function()) {
                    (Some(proof), _) => Caller::Proven(stable_hash(&[proof.key.as_bytes()])),
                    (None, Some(name)) => Caller::Proven(stable_hash(&[
                        b"function\0",
                        name.namespace().as_bytes(),
                        b"/",
                        name.name().as_bytes(),
                    ])),
                    (None, None) => Caller::at(client),
                };
                call.buckets(|buckets| buckets.take(caller, now))
            }
            _ => None,
        };
        left.transpose().map_err(Refused::Rate)
    }

    /// Whether an admitted call may still be sent: its function's rules may have changed while it waited.
    ///
    /// # Errors
    /// As [`Policy::admit`].
    pub fn check(&self, call: &impl Subject) -> Result<(), Refused> {
        let function = call.function();
        let is_from_outside = call.identity().is_from_outside();
        if is_from_outside && function.visibility == Visibility::ClusterOnly {
            return Err(Refused::ClusterOnly);
        }
        if let Identity::Function(name) | Identity::Queue(Maker::Function(name)) = call.identity()
            && !function.access.allows_function(name.as_ref())
        {
            return Err(name
                .clone()
                .map_or(Refused::UnknownFunction, Refused::Function));
        }
        match (&function.access.auth, call.identity()) {
            (Auth::None, _) => {}
            // What an operator wrote down, or another sidecar has looked at.
            (
                Auth::Key(_) | Auth::Jwt(_),
                Identity::Trigger | Identity::Queue(Maker::Trigger) | Identity::Sidecar(_),
            ) => {}
            (Auth::Key(_) | Auth::Jwt(_), _) if call.proof().is_some() => {}
            (Auth::Key(_) | Auth::Jwt(_), _) => return Err(Refused::Unproven),
        }
        match (is_from_outside, call.source()) {
            (true, Some(client)) if !function.access.allows(client) => {
                Err(Refused::Network(client))
            }
            // A version that did not write it down has let the call itself in, and nothing that follows from it.
            (true, None)
                if *call.identity() == Identity::Anonymous
                    && !function.access.networks.is_empty() =>
            {
                Err(Refused::NoNetwork)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
