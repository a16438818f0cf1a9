//! A call on its way: what was asked, by whom, and what it keeps until it is answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gateless_core::config;
use gateless_core::hold::{Caller, Class, Origin};
use gateless_core::limit::Buckets;
use gateless_core::name::NodeId;
use gateless_core::policy::{Identity, Principal, Proof, Subject};
use gateless_core::time::Time;
use http::{Method, request};
use hyper::upgrade::OnUpgrade;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::bodies::{Bodies, Memory};
use super::error::Error;
use super::headers::Hops;
use super::origin::Client;
use super::payload::{Payload, SMALL};
use super::trail::Delivered;
use crate::clock;
use crate::endpoint::body::Body;
use crate::endpoint::patience::Upload;
use crate::endpoint::upload::{REPLAY, Room};
use crate::runtime::{Function, Lease};

/// A call on its way.
pub struct Call {
    /// The function it is for.
    pub function: Arc<Function>,
    /// Who makes it, as its door or task proves.
    pub identity: Identity,
    /// What it proved to the function.
    pub proof: Option<Proof>,
    /// Head, already cleaned for forwarding.
    pub parts: request::Parts,
    pub payload: Payload,
    /// Sync before async.
    pub class: Class,
    pub caller: Caller,
    /// Whose address goes into `forwarded`; `None` when it is in there already.
    pub client: Option<Client>,
    /// Where it comes from as far as proxies in front of the sidecar are believed, or where what it is made on behalf of came from;
    /// `None`: from this process or another sidecar.
    pub source: Option<IpAddr>,
    /// When it came.
    pub arrived: Time,
    /// When it must be over.
    pub deadline: Option<Time>,
    /// Other half of a 101.
    pub upgrade: Option<OnUpgrade>,
    /// The sidecar that holds it, to be told when there is room for it.
    pub holder: Option<NodeId>,
    /// A permit taken ahead.
    pub permit: Option<Lease>,
    /// From the own queue, and waiting for its first permit.
    pub queued: Option<Queued>,
    /// Which attempt it is, if it comes from the own queue.
    pub delivered: Option<Box<Delivered>>,
    /// Whether its caller has its address for itself: no proxy and no other function has it, too.
    pub has_own_address: bool,
    /// It was sent again because a connection that had served others ended under it. No other time is free.
    pub(super) resent: bool,
    /// What its body takes of the memory for bodies.
    pub(super) memory: Option<Memory>,
}

impl Subject for Call {
    fn function(&self) -> &config::Function {
        &self.function.config
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn source(&self) -> Option<IpAddr> {
        self.source
    }

    fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    fn buckets<T>(&self, take: impl FnOnce(&mut Buckets) -> T) -> Option<T> {
        self.function
            .buckets()
            .map(|buckets| take(&mut buckets.lock()))
    }
}

/// What a queued call's time counts from: it may stand in line for long.
pub struct Queued {
    /// When its answer is wanted, from its first permit.
    pub within: Duration,
    /// Told about that.
    pub slot: Slot,
}

/// In the extensions of a request of this process: whoever made it is told when it has its permit.
#[derive(Clone)]
pub struct Told(Arc<Mutex<Option<Slot>>>);

impl Told {
    /// Of a request.
    #[must_use]
    pub fn new(slot: Slot) -> Self {
        Self(Arc::new(Mutex::new(Some(slot))))
    }

    fn found(&self) {
        if let Some(slot) = self.0.lock().take() {
            slot.found();
        }
    }
}

/// Tells that a queued call has its permit and goes out.
pub struct Slot(oneshot::Sender<()>);

impl Slot {
    /// A slot, and what resolves when it is found.
    #[must_use]
    pub fn new() -> (Self, oneshot::Receiver<()>) {
        let (found, told) = oneshot::channel();
        (Self(found), told)
    }

    /// The permit is there.
    pub fn found(self) {
        // Fails only with the attempt given up, and then nobody needs to know.
        self.0.send(()).ok();
    }
}

impl Call {
    /// A sync call without a deadline that arrives now, from an address that is in its headers already.
    #[must_use]
    pub fn new(
        function: Arc<Function>,
        identity: Identity,
        parts: request::Parts,
        payload: Payload,
        caller: Caller,
    ) -> Self {
        Self {
            function,
            identity,
            proof: None,
            parts,
            payload,
            class: Class::Sync,
            caller,
            client: None,
            source: None,
            arrived: clock::now(),
            deadline: None,
            upgrade: None,
            holder: None,
            permit: None,
            queued: None,
            delivered: None,
            has_own_address: false,
            resent: false,
            memory: None,
        }
    }

    /// Reads its body whole, up to `limit` bytes.
    ///
    /// # Errors
    /// As [`Payload::make_whole`].
    pub async fn make_whole(&mut self, limit: u64, bodies: &Bodies) -> Result<(), Error> {
        let caller = self.has_own_address.then_some(self.caller.0);
        let account = bodies.of_call(&self.function.config.name, caller);
        if let Some(memory) = self.payload.make_whole(limit, account).await? {
            self.memory = Some(memory);
        }
        Ok(())
    }

    /// Its body to send, as [`Payload::take`].
    pub(super) fn lend(&mut self, limit: u64, bodies: &Bodies) -> (Body, Option<Arc<Upload>>) {
        let caller = self.has_own_address.then_some(self.caller.0);
        let function = &self.function;
        self.payload.take(limit, || {
            let (bodies, function) = (bodies.clone(), function.clone());
            Box::new(move || {
                let account = bodies.to_send_again(&function.config.name, caller);
                let memory = account.open(Some(REPLAY as u64))?;
                Some(Box::new(memory) as Room)
            })
        })
    }

    /// Reads its body whole if it says it is small.
    ///
    /// # Errors
    /// As [`Call::make_whole`].
    pub(super) async fn make_whole_if_small(&mut self, bodies: &Bodies) -> Result<(), Error> {
        match self.payload.is_small_stream() {
            true => self.make_whole(SMALL, bodies).await,
            false => Ok(()),
        }
    }

    /// On whose behalf it is kept for later.
    pub fn principal(&self) -> Principal {
        Principal {
            maker: self.identity.maker(),
            key: self.proof.as_ref().map(|proof| proof.key.clone()),
            source: self.source,
        }
    }

    /// Whether another sidecar holds it and only asks for a permit here.
    pub(super) fn origin(&self) -> Origin {
        match self.identity {
            Identity::Sidecar(_) => Origin::Peer,
            _ => Origin::Here,
        }
    }

    pub(super) fn peer(&self) -> Option<&NodeId> {
        self.holder.as_ref()
    }

    /// What its function's limits and its caller's wishes say: the earlier counts.
    pub fn limit_time(&mut self, timeout: Option<Duration>, wished: Option<Duration>) {
        let limits = timeout.into_iter().chain(wished).min();
        self.deadline = limits.map(|limit| self.arrived + limit);
    }

    /// Resolves when what its caller proved opens the function no more.
    pub(super) fn until_over(&self) -> impl Future<Output = ()> + Send + 'static {
        let over = self.proof.clone().map(|proof| self.function.is_over(proof));
        async move {
            match over {
                Some(over) => over.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Its first permit is there.
    pub(super) fn permitted(&mut self, timeout: Option<Duration>) {
        if let Some(Queued { within, slot }) = self.queued.take() {
            let limit = timeout.map_or(within, |timeout| timeout.min(within));
            self.deadline = Some(clock::now() + limit);
            slot.found();
        }
        if let Some(told) = self.parts.extensions.get::<Told>() {
            told.found();
        }
    }

    /// Components it came through.
    pub(super) fn hops(&self) -> Hops {
        let hops = self.parts.extensions.get();
        hops.copied().unwrap_or_default()
    }

    /// Whether it may be sent again although a function may have seen it.
    pub(super) fn may_go_again(&self) -> bool {
        self.is_idempotent() && self.origin() == Origin::Here && !self.payload.is_spent()
    }

    /// Whether it is sent again, whatever the retry policy says, if a connection that had served others ends under it.
    pub(super) fn is_repeatable(&self) -> bool {
        self.is_idempotent() && !self.resent
    }

    /// Whether a connection that had served others ended under it before.
    pub(super) const fn was_resent(&self) -> bool {
        self.resent
    }

    /// Whether it may run twice.
    pub(super) fn is_idempotent(&self) -> bool {
        let method = &self.parts.method;
        method.is_idempotent() && *method != Method::TRACE
    }
}
