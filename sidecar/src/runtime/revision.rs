//! A revision's lock round the core's `Dispatch`, and the wake-ups that follow from it.

mod liveness;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gateless_core::balancer::Outcome;
use gateless_core::config;
use gateless_core::dispatch::{
    Call, Dispatch, EndpointKey, FULL_FOR, Grants, Pass, Refusal, Released, Supply,
};
use gateless_core::hold::{Caller, Class, Full, Origin, Waiter, WaiterId, fair_share};
use gateless_core::name::{InstanceId, NodeId, RevisionName};
use gateless_core::time::Time;
use gateless_core::usage::Sample;
use http::HeaderValue;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Demand, Endpoint, Lease, Shared, Signal};
use crate::clock;

pub(crate) type Wake = oneshot::Sender<Result<Lease, Refusal>>;
type Core = Dispatch<Wake, Arc<Endpoint>>;

/// A call that asks for a permit, as in [`Call`], plus who forwarded it.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub now: Time,
    /// Sync before async.
    pub class: Class,
    /// Decides which endpoints are allowed.
    pub origin: Origin,
    pub caller: Caller,
    /// The sidecar that forwarded it.
    pub peer: Option<&'a NodeId>,
    /// Bytes kept while it waits.
    pub bytes: u64,
    /// It had a permit before.
    pub again: bool,
    /// Endpoints that failed it already.
    pub avoid: &'a [EndpointKey],
}

/// A revision: its configuration, and the endpoints and waiters behind its lock.
pub struct Revision {
    pub config: Arc<config::Revision>,
    label: HeaderValue,
    /// A lock, because a permit must be taken or a place in the queue found in one step;
    /// held for well below a microsecond.
    core: Mutex<Core>,
    shared: Arc<Shared>,
    /// A `Wanted` is under way: no second one.
    wanted: AtomicBool,
    /// Calls that had come to wait when the last `Wanted` was sent.
    waited_at_signal: AtomicU64,
    retired: AtomicBool,
    /// How long the newest instance here took to start, in nanoseconds.
    last_start: AtomicU64,
    refused_peers: Mutex<BTreeSet<NodeId>>,
    /// Since nobody was to be looked at again. One task looks, while it isn't zero.
    refusals: AtomicU64,
}

/// A call in the waiting room. Dropping it leaves the room.
pub struct Wait {
    revision: Arc<Revision>,
    id: WaiterId,
    bytes: u64,
    receiver: oneshot::Receiver<Result<Lease, Refusal>>,
    /// No instance was ready when it began to wait.
    pub cold: bool,
}

impl Wait {
    /// Until a permit is there, or the reason why there will be none.
    ///
    /// # Errors
    /// The refusal.
    pub async fn granted(&mut self) -> Result<Lease, Refusal> {
        (&mut self.receiver).await.unwrap_or(Err(Refusal::Gone))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        drop(self.revision.core.lock().cancel(self.id));
        self.revision.shared.held.fetch_sub(1, Ordering::Relaxed);
        self.revision
            .shared
            .held_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
        // A lease that was granted meanwhile goes back with the receiver.
    }
}

impl Revision {
    pub(super) fn new(config: Arc<config::Revision>, shared: Arc<Shared>) -> Self {
        let core = Mutex::new(Dispatch::new(&config));
        // A revision's name is a DNS label, so this is never the empty value.
        let label = HeaderValue::from_str(config.name.revision());
        Self {
            config,
            label: label.unwrap_or_else(|_| HeaderValue::from_static("")),
            core,
            shared,
            wanted: AtomicBool::new(false),
            waited_at_signal: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            last_start: AtomicU64::new(0),
            refused_peers: Mutex::default(),
            refusals: AtomicU64::new(0),
        }
    }

    /// Its full name.
    #[must_use]
    pub fn name(&self) -> &RevisionName {
        &self.config.name
    }

    /// Its short name, for answers.
    #[must_use]
    pub fn label(&self) -> HeaderValue {
        self.label.clone()
    }

    /// A permit now, or a place in the waiting room.
    ///
    /// # Errors
    /// Why it may not even wait.
    pub fn ask(self: &Arc<Self>, ask: &Ask<'_>) -> Result<Result<Lease, Wait>, Refusal> {
        let call = Call {
            class: ask.class,
            origin: ask.origin,
            caller: ask.caller,
            bytes: ask.bytes,
            again: ask.again,
            avoid: ask.avoid,
        };
        let now = ask.now;
        let random = rand::random();
        let mut core = self.core.lock();
        if let Some(permit) = core.acquire(now, &call, random) {
            drop(core);
            return Ok(Ok(Lease::new(self.clone(), permit, now)));
        }
        if self.retired.load(Ordering::Relaxed) {
            return Err(Refusal::Gone);
        }
        self.fair(&core, ask.bytes)?;
        let (wake, receiver) = oneshot::channel();
        let cold = core.ready() == 0;
        let admitted = core.wait(now, &call, wake);
        drop(core);
        match admitted {
            Ok(admitted) => {
                self.shared.held.fetch_add(1, Ordering::Relaxed);
                self.shared
                    .held_bytes
                    .fetch_add(ask.bytes, Ordering::Relaxed);
                for evicted in admitted.evicted {
                    evicted.wake.send(Err(Refusal::Full(Full::Requests))).ok();
                }
                self.want();
                let (revision, id, bytes) = (self.clone(), admitted.id, ask.bytes);
                Ok(Err(Wait {
                    revision,
                    id,
                    bytes,
                    receiver,
                    cold,
                }))
            }
            Err((_, refusal)) => {
                if let Some(peer) = ask.peer {
                    self.refused_peers.lock().insert(peer.clone());
                }
                Err(refusal)
            }
        }
    }

    /// One function's flood may not use up the room of all.
    fn fair(&self, core: &Core, bytes: u64) -> Result<(), Refusal> {
        let Shared {
            caps,
            held,
            held_bytes,
            ..
        } = &*self.shared;
        if !fair_share(caps.requests, held.load(Ordering::Relaxed), core.held(), 1) {
            return Err(Refusal::Full(Full::Requests));
        }
        if !fair_share(
            caps.bytes,
            held_bytes.load(Ordering::Relaxed),
            core.held_bytes(),
            bytes,
        ) {
            return Err(Refusal::Full(Full::Bytes));
        }
        Ok(())
    }

    /// Tells the control path that somebody waits, unless it is being told already.
    fn want(&self) {
        if !self.wanted.swap(true, Ordering::AcqRel) {
            self.waited_at_signal
                .store(self.core.lock().waited(), Ordering::Relaxed);
            self.shared
                .signals
                .send(Signal::Wanted(self.name().clone()))
                .ok();
        }
    }

    /// Whether the budget allows a retry; spends it.
    #[must_use]
    pub fn spend_retry(&self) -> bool {
        self.core.lock().budget.try_retry(clock::now())
    }

    /// How long the newest instance on this host took to start.
    #[must_use]
    pub fn last_start(&self) -> Duration {
        Duration::from_nanos(self.last_start.load(Ordering::Relaxed))
    }

    pub(super) fn release(self: &Arc<Self>, pass: Pass, outcome: Outcome) {
        let mut grants = Grants::new();
        let random = rand::random();
        let Released {
            drained,
            room_for_peers,
        } = self
            .core
            .lock()
            .release(clock::now(), pass, outcome, random, &mut grants);
        self.wake(grants);
        if let Some(id) = drained {
            self.shared.signals.send(Signal::Drained(id)).ok();
        }
        if room_for_peers {
            let peers = std::mem::take(&mut *self.refused_peers.lock());
            let signal = Signal::Room(self.name().clone(), peers.into_iter().collect());
            self.shared.signals.send(signal).ok();
        }
    }

    /// A peer's gate refused: don't try it for a moment.
    ///
    /// And look again after that: who waits only because of it is told by nobody else.
    pub fn refused(self: &Arc<Self>, key: EndpointKey) {
        self.core.lock().refused(clock::now(), key);
        if self.refusals.fetch_add(1, Ordering::AcqRel) == 0 {
            tokio::spawn(look_when_rested(Arc::downgrade(self)));
        }
    }

    /// Looks again for those who wait, after a peer was believed full for a moment.
    pub fn look_again(self: &Arc<Self>) {
        self.change(|core, now, random, grants| core.grant(now, random, grants));
    }

    fn change(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Core, Time, u64, &mut Grants<Wake, Arc<Endpoint>>),
    ) {
        let mut grants = Grants::new();
        change(
            &mut self.core.lock(),
            clock::now(),
            rand::random(),
            &mut grants,
        );
        self.wake(grants);
    }

    fn wake(self: &Arc<Self>, grants: Grants<Wake, Arc<Endpoint>>) {
        if grants.is_empty() {
            return;
        }
        let now = clock::now();
        for (waiter, permit) in grants {
            // Refused by a caller that went away, the lease comes back and is dropped: that
            // gives the permit to the next.
            drop(waiter.wake.send(Ok(Lease::new(self.clone(), permit, now))));
        }
    }

    pub(super) fn add_local(self: &Arc<Self>, id: InstanceId, endpoint: Endpoint, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.last_start.store(nanos, Ordering::Relaxed);
        let endpoint = Arc::new(endpoint);
        self.change(|core, now, random, grants| core.add_local(now, id, endpoint, random, grants));
    }

    pub(super) fn close_local(&self, id: &InstanceId) -> bool {
        let (drained, turned_away) = self.core.lock().close_local(id);
        Self::refuse_all(turned_away, || Refusal::NoInstance);
        drained
    }

    /// An instance does not come to an end with a call: no other comes in, before its permit is given back.
    pub(super) fn overdue(&self, id: &InstanceId) {
        self.close_local(id);
        self.shared.signals.send(Signal::Overdue(id.clone())).ok();
    }

    pub(super) fn remove_local(&self, id: &InstanceId) {
        let turned_away = self.core.lock().remove_local(id);
        Self::refuse_all(turned_away, || Refusal::NoInstance);
    }

    pub(super) fn in_flight(&self, id: &InstanceId) -> u32 {
        let core = self.core.lock();
        core.locals()
            .find(|(known, ..)| *known == id)
            .map_or(0, |(_, count, _)| count)
    }

    pub(super) fn set_endpoints(
        self: &Arc<Self>,
        remotes: Vec<(NodeId, u32, Arc<Endpoint>)>,
        supply: Supply,
    ) {
        let reason = supply.failure.clone();
        let mut turned_away = Vec::new();
        let silent = remotes
            .iter()
            .filter(|(_, _, endpoint)| endpoint.is_silent());
        let silent: Vec<_> = silent.map(|(node, ..)| node.clone()).collect();
        self.change(|core, now, random, grants| {
            core.set_remotes(now, remotes, random, grants);
            for node in &silent {
                core.silence(now, node, true, random, grants);
            }
            turned_away = core.set_supply(supply);
        });
        let reason = reason.unwrap_or_default();
        Self::refuse_all(turned_away, || Refusal::Failing(reason.clone()));
    }

    pub(super) fn silence(self: &Arc<Self>, node: &NodeId, silent: bool) {
        self.change(|core, now, random, grants| core.silence(now, node, silent, random, grants));
    }

    pub(super) fn room(self: &Arc<Self>, node: &NodeId) {
        self.change(|core, now, random, grants| core.room(now, node, random, grants));
    }

    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        let turned_away = self.core.lock().turn_away();
        Self::refuse_all(turned_away, || Refusal::Gone);
    }

    fn refuse_all(waiters: Vec<Waiter<Wake>>, refusal: impl Fn() -> Refusal) {
        for waiter in waiters {
            waiter.wake.send(Err(refusal())).ok();
        }
    }

    /// Demand since the last sample.
    pub(super) fn demand(&self, now: Time) -> Demand {
        let mut core = self.core.lock();
        let sample = core.usage.sample(now);
        waiting(&core, now, sample)
    }

    pub(super) fn waiting(&self, now: Time) -> Demand {
        waiting(&self.core.lock(), now, Sample::default())
    }

    pub(super) fn signal_handled(&self) {
        self.wanted.store(false, Ordering::Release);
        // Who came while the flag was set told nobody.
        let core = self.core.lock();
        let news =
            core.held() > 0 && core.waited() != self.waited_at_signal.load(Ordering::Relaxed);
        drop(core);
        if news {
            self.want();
        }
    }

    /// Instances a call from here can reach.
    #[must_use]
    pub fn ready(&self) -> u32 {
        self.core.lock().ready()
    }
}

/// Looks for who waits until no endpoint rests any more.
async fn look_when_rested(revision: Weak<Revision>) {
    loop {
        let Some(seen) = revision
            .upgrade()
            .map(|r| r.refusals.load(Ordering::Acquire))
        else {
            return;
        };
        tokio::time::sleep(FULL_FOR).await;
        let Some(revision) = revision.upgrade() else {
            return;
        };
        revision.look_again();
        let (ended, read) = (Ordering::AcqRel, Ordering::Acquire);
        if revision
            .refusals
            .compare_exchange(seen, 0, ended, read)
            .is_ok()
        {
            return;
        }
    }
}

fn waiting(core: &Core, now: Time, sample: Sample) -> Demand {
    Demand {
        sample,
        held: core.held_here(),
        oldest: core
            .oldest_held()
            .map_or_else(Default::default, |since| now.since(since)),
    }
}
