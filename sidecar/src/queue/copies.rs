//! Copies of calls at other sidecars, and of theirs here: what `gateless_core::copies` decides is carried out here.
//!
//! Calls are sent to their holders while they are written here; what is held for others is asked about now and then, and what was
//! taken on is told. Everything that is told to another sidecar is on disk before. Deliberately decides nothing.

mod place;
mod serve;
mod wire;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::copies::{
    ASK_AGAIN, Action, Copies, Event, Homecoming, Key, Own, TAKEOVER_AFTER,
};
use gateless_core::name::NodeId;
use gateless_core::time::Time;
use gateless_proto::v1;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tonic::{Code, Status};

pub use self::place::MAX_WAITING_BYTES;
use self::place::Senders;
pub(in crate::queue) use self::place::{Copier, Outgoing};
use super::Error;
use super::local::{CopyOp, Local};
use crate::clock;
use crate::telemetry::metrics::CopyCounts;

/// How often it is looked at who lives and what is due.
const EVERY: Duration = Duration::from_millis(250);
/// For a sidecar to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The other sidecars, as far as copies go.
pub trait Others: Send + Sync + 'static {
    /// Who lives now, this sidecar included.
    fn live(&self) -> Vec<NodeId>;

    /// Whether an operator said that one is gone for good.
    fn is_removed(&self, node: &NodeId) -> bool;

    /// Has one of them hold copies.
    fn hold(
        &self,
        at: &NodeId,
        request: v1::HoldCopiesRequest,
    ) -> BoxFuture<'static, Result<v1::HoldCopiesResponse, Status>>;

    /// Asks one of them how calls stand there.
    fn standings(
        &self,
        at: &NodeId,
        request: v1::StandingsRequest,
    ) -> BoxFuture<'static, Result<v1::StandingsResponse, Status>>;

    /// Tells one of them what was taken on.
    fn claims(
        &self,
        to: &NodeId,
        request: v1::ClaimsRequest,
    ) -> BoxFuture<'static, Result<v1::ClaimsResponse, Status>>;

    /// Asks one of them what it took on of this sidecar's.
    fn taken_on(
        &self,
        at: &NodeId,
        request: v1::TakenOnRequest,
    ) -> BoxFuture<'static, Result<v1::ClaimsRequest, Status>>;
}

/// The copies of one sidecar.
pub struct Copying {
    node: NodeId,
    local: Local,
    others: Arc<dyn Others>,
    counts: CopyCounts,
    machine: Mutex<Copies>,
    home: Mutex<Home>,
    /// Notified when there may be more to do at once.
    eager: Notify,
    senders: Senders,
}

struct Home {
    coming: Homecoming,
    /// What was accepted before, in the queue's time, may be another's by now.
    before: Time,
    is_over: watch::Sender<bool>,
}

impl Copying {
    /// Over this sidecar's queue, which has its calls copied from then on.
    ///
    /// # Errors
    /// The queue cannot read.
    pub async fn start(
        local: &Local,
        others: Arc<dyn Others>,
        counts: CopyCounts,
    ) -> Result<Arc<Self>, Error> {
        Self::with(local, others, counts, TAKEOVER_AFTER).await
    }

    async fn with(
        local: &Local,
        others: Arc<dyn Others>,
        counts: CopyCounts,
        takeover_after: Duration,
    ) -> Result<Arc<Self>, Error> {
        let (node, now) = (local.config().node.clone(), clock::now());
        let mut machine = Copies::new(node.clone(), local.run(), takeover_after, now);
        for event in local.read_copies().await? {
            machine.on_event(now, event, &mut Vec::new());
        }
        let home = Home {
            coming: Homecoming::new(takeover_after, now),
            before: local.config().clock.now(),
            is_over: watch::Sender::new(false),
        };
        let copying = Arc::new(Self {
            senders: Senders::new(node.clone(), others.clone()),
            node,
            local: local.clone(),
            others,
            counts,
            machine: Mutex::new(machine),
            home: Mutex::new(home),
            eager: Notify::new(),
        });
        copying.skip_if_nothing_is_copied();
        local.copy_by(Arc::new(copying.senders.clone()));
        tokio::spawn(run(Arc::downgrade(&copying)));
        Ok(copying)
    }

    /// Returns when a call that was accepted then may be delivered, as far as others may have taken it on while this sidecar was away.
    pub(in crate::queue) async fn may_deliver(&self, accepted: Time) {
        let mut is_over = {
            let home = self.home.lock();
            if accepted >= home.before {
                return;
            }
            home.is_over.subscribe()
        };
        // Its sender is in what `self` holds, so this cannot fail.
        let _ = is_over.wait_for(|is_over| *is_over).await;
    }

    fn skip_if_nothing_is_copied(&self) {
        if !self.local.has_copied() {
            let home = &mut *self.home.lock();
            home.coming.skip();
            home.is_over.send_replace(true);
        }
    }

    /// One look at the time, at who lives and at what is due.
    async fn step(self: &Arc<Self>) {
        let now = clock::now();
        let is_back = {
            let home = &mut *self.home.lock();
            let is_back = home.coming.look(now);
            if is_back {
                home.before = self.local.config().clock.now();
                home.is_over.send_replace(false);
            }
            is_back
        };
        if is_back {
            self.skip_if_nothing_is_copied();
        }
        self.come_home(now);
        let live: BTreeSet<NodeId> = self.others.live().into_iter().collect();
        let (is_due, removed) = {
            let machine = self.machine.lock();
            self.counts
                .held
                .set(i64::try_from(machine.len()).unwrap_or(i64::MAX));
            let nodes = machine.nodes();
            let removed = nodes.filter(|node| self.others.is_removed(node));
            let removed: BTreeSet<NodeId> = removed.cloned().collect();
            (
                machine.next_deadline().is_some_and(|due| due <= now),
                removed,
            )
        };
        self.event(Event::Members { live, removed }).await;
        if is_due {
            self.event(Event::Tick).await;
        }
    }

    fn come_home(self: &Arc<Self>, now: Time) {
        let live = self.others.live();
        let others: Vec<&NodeId> = live.iter().filter(|node| **node != self.node).collect();
        let home = &mut *self.home.lock();
        for peer in home.coming.to_ask(others.iter().copied()) {
            if self.senders.begin_question(&peer) {
                let this = self.clone();
                tokio::spawn(async move {
                    this.ask_what_was_taken(&peer).await;
                    this.senders.end_question(&peer);
                });
            }
        }
        if home.coming.is_over(others, now) {
            home.is_over
                .send_if_modified(|is_over| !std::mem::replace(is_over, true));
        }
    }

    async fn ask_what_was_taken(&self, peer: &NodeId) {
        let mut after = Vec::new();
        loop {
            let asked = self.others.taken_on(peer, v1::TakenOnRequest { after });
            let answer = match timeout(TIMEOUT, asked).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(status)) if is_older(&status) => break,
                Ok(Err(_)) | Err(_) => {
                    tokio::time::sleep(ASK_AGAIN).await;
                    return;
                }
            };
            after = answer
                .claims
                .last()
                .map(|claim| claim.key.clone())
                .unwrap_or_default();
            let more = answer.more && !answer.claims.is_empty();
            if let Err(error) = self.judge(answer).await {
                tracing::warn!(%peer, %error, "calls that another sidecar took on are not given up yet");
                tokio::time::sleep(ASK_AGAIN).await;
                return;
            }
            if !more {
                break;
            }
        }
        self.home.lock().coming.answered(peer.clone());
    }

    /// Lets the machine decide, and carries out what it says until that leads to nothing more.
    async fn event(self: &Arc<Self>, event: Event) {
        let mut events = vec![event];
        while !events.is_empty() {
            let mut actions = Vec::new();
            {
                let mut machine = self.machine.lock();
                for event in events.drain(..) {
                    machine.on_event(clock::now(), event, &mut actions);
                }
                if machine
                    .next_deadline()
                    .is_some_and(|due| due <= clock::now())
                {
                    self.eager.notify_one();
                }
            }
            let (mut ops, mut keys) = (Vec::new(), Vec::new());
            for action in actions {
                let (key, op) = match action {
                    Action::Ask(peer, asked) => {
                        self.ask(peer, asked);
                        continue;
                    }
                    Action::Tell(peer, claims) => {
                        self.tell(peer, claims);
                        continue;
                    }
                    Action::Drop(key) => (key, CopyOp::Drop(key)),
                    Action::Follow(key, claim) => (key, CopyOp::Follow(key, claim)),
                    Action::TakeOn(key, claim) => (key, CopyOp::TakeOn(key, claim)),
                    Action::HandOver(key, claim) => (key, CopyOp::HandOver(key, claim)),
                    Action::End(key) => (key, CopyOp::End(key)),
                    Action::Known(key) => (key, CopyOp::Known(key)),
                };
                keys.push(key);
                ops.push(op);
            }
            if ops.is_empty() {
                return;
            }
            match self.write(ops).await {
                Ok(written) => events = written,
                Err(error) => {
                    tracing::warn!(%error, "copies of calls stay as they are");
                    events.extend(keys.into_iter().map(Event::Unchanged));
                }
            }
        }
    }

    async fn write(&self, ops: Vec<CopyOp>) -> Result<Vec<Event>, Error> {
        let written = self.local.write_copies(ops).await?;
        let taken_on = written
            .iter()
            .filter(|event| matches!(event, Event::TakenOn(..)));
        let taken_on = taken_on.count() as u64;
        if taken_on > 0 {
            tracing::info!(calls = taken_on, "took on calls whose sidecar is gone");
            self.counts.taken_on.inc_by(taken_on);
        }
        Ok(written)
    }

    fn ask(self: &Arc<Self>, peer: NodeId, keys: Vec<Key>) {
        let this = self.clone();
        tokio::spawn(async move {
            let asked = this.others.standings(&peer, wire::standings_request(&keys));
            let event = match timeout(TIMEOUT, asked).await {
                Ok(Ok(answer)) => wire::answered(peer, &keys, answer),
                Ok(Err(status)) if is_older(&status) => Event::Alive(peer),
                Ok(Err(_)) | Err(_) => Event::Unanswered(peer),
            };
            this.event(event).await;
        });
    }

    fn tell(self: &Arc<Self>, peer: NodeId, claims: Vec<(Key, gateless_core::copies::Claim)>) {
        let this = self.clone();
        tokio::spawn(async move {
            let keys = claims.iter().map(|(key, _)| *key).collect();
            let event = match this.local.own(keys).await {
                Err(_) => Event::Untold(peer),
                Ok(own) => {
                    let over = own.iter().map(|(_, own, ..)| *own != Own::Open);
                    let claims = claims.iter().zip(over);
                    let claims = claims.map(|((key, claim), over)| wire::claim(key, claim, over));
                    let request = v1::ClaimsRequest {
                        claims: claims.collect(),
                        more: false,
                    };
                    match timeout(TIMEOUT, this.others.claims(&peer, request)).await {
                        Ok(Ok(answer)) => wire::told(peer, answer),
                        Ok(Err(status)) if is_older(&status) => Event::Alive(peer),
                        Ok(Err(_)) | Err(_) => Event::Untold(peer),
                    }
                }
            };
            this.event(event).await;
        });
    }
}

/// Looks at the time and at who lives until nobody needs it.
async fn run(copying: Weak<Copying>) {
    loop {
        let Some(copying) = copying.upgrade() else {
            return;
        };
        copying.step().await;
        // Whichever comes first.
        let _ = timeout(EVERY, copying.eager.notified()).await;
    }
}

/// Whether it is of a version that holds no copies: then it refuses by role, or by name.
fn is_older(status: &Status) -> bool {
    matches!(status.code(), Code::Unimplemented | Code::PermissionDenied)
}
