//! One call from permit to answer: wait, forward, and try elsewhere when it was refused.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::dispatch::{FULL_FOR, Refusal};
use gateless_core::hold::Origin;
use gateless_core::name::{NodeId, RevisionName};
use gateless_core::policy::{Admitted, Policy};
use gateless_core::time::Time;
use gateless_core::{config, router};
use http::{HeaderMap, Response, Version};

use super::again::Attempts;
use super::bodies::Bodies;
use super::forward::{self, Sent};
use super::headers::MAX_HOPS;
use super::prepare;
use super::request::Call;
use super::timing::Timing;
use super::trail::Trail;
use crate::call::error::{Error, Phase};
use crate::clock;
use crate::endpoint::body::Body;
use crate::runtime::{Ask, Endpoint, Lease, Registry, Relay, Revision, Wait};

/// Revisions a call may see go while it waits.
const MAX_SUCCESSORS: u32 = 3;
/// Of a permit taken ahead at a peer.
const RESERVE_FOR: Duration = Duration::from_secs(5);

/// Takes permits at peers; implemented by the links between sidecars.
pub trait Reserve: Send + Sync + 'static {
    /// The permit's id, or `None` when the peer refused or is out of reach.
    fn reserve(
        &self,
        node: &NodeId,
        revision: &RevisionName,
        ttl: Duration,
    ) -> BoxFuture<'static, Option<String>>;
}

/// What every call needs.
pub struct Proxy {
    /// Functions and endpoints.
    pub registry: Arc<Registry>,
    /// Suffix of function hosts.
    pub domain: String,
    /// Permits at peers.
    pub reserve: Arc<dyn Reserve>,
    /// Who may call what: the sidecar has one, which triggers pass too.
    pub policy: Arc<Policy>,
    /// Memory for bodies that are read whole.
    pub bodies: Bodies,
}

impl Proxy {
    /// Lets a call through the policy, at this moment.
    ///
    /// # Errors
    /// Which rule refused it.
    pub fn admit(&self, call: Call) -> Result<Admitted<Call>, Error> {
        let refused = |call: Call, refused| {
            let error = Error::NotAdmitted(call.function.config.name.clone(), refused);
            self.turn_away(&call, error)
        };
        self.policy.admit_or(call, clock::now(), refused)
    }

    /// Sends a call to a revision of its function and gives back what the caller shall see.
    ///
    /// # Errors
    /// When no answer came from the function.
    pub async fn send(
        &self,
        revision: &Arc<Revision>,
        call: &mut Admitted<Call>,
    ) -> Result<Response<Body>, Error> {
        let call = call.get_mut();
        let mut trail = Trail::default();
        let sent = self.send_on(revision, call, &mut trail).await;
        sent.inspect_err(|error| self.failed(call, &trail, Some(revision.name()), error))
    }

    async fn send_on(
        &self,
        revision: &Arc<Revision>,
        call: &mut Call,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        if call.hops().0 > MAX_HOPS {
            return Err(Error::Loop(MAX_HOPS));
        }
        prepare::prepare(call, trail, &self.domain)?;
        let mut next = self.send_to(revision, call, trail).await;
        for _ in 0..MAX_SUCCESSORS {
            // A rollout took the revision away while the call waited for it.
            let gone = matches!(next, Err(Error::UnknownFunction(_)));
            if !gone || call.origin() == Origin::Peer || call.payload.is_spent() {
                break;
            }
            let Some(function) = self.registry.function(&call.function.config.name) else {
                break;
            };
            call.function = function;
            // Its rules may be others than those it was admitted by.
            let name = &call.function.config.name;
            self.policy
                .check(call)
                .map_err(|refused| Error::NotAdmitted(name.clone(), refused))?;
            let index = pick(&call.function.config, &call.parts.headers);
            let Some(revision) = index.and_then(|index| call.function.revision(index)) else {
                return Err(Error::NoRevision(name.clone()));
            };
            let revision = revision.clone();
            next = Box::pin(self.send_to(&revision, call, trail)).await;
        }
        next
    }

    async fn send_to(
        &self,
        revision: &Arc<Revision>,
        call: &mut Call,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        check_size(call, revision.config.limits.max_request_body)?;
        let few = revision.config.limits.container_concurrency.is_some();
        if few && call.payload.is_small_stream() {
            Box::pin(upload_small(call, &self.bodies)).await?;
        }
        let from_here = call.origin() == Origin::Here;
        let now = clock::now();
        trail.timing = Timing {
            route: now.since(call.arrived),
            ..Timing::default()
        };
        let mut attempts = Attempts {
            asking: Some(now),
            ..Attempts::default()
        };
        loop {
            let (lease, granted) = match call.permit.take() {
                Some(lease) => (lease, now),
                None => {
                    self.permit(revision, call, &mut attempts, &mut trail.timing)
                        .await?
                }
            };
            call.permitted(revision.config.limits.timeout);
            let (way, forwarded) = if lease.is_local() {
                (Way::default(), granted)
            } else {
                let secured = Box::pin(self.secure(&lease, revision, call)).await?;
                let Some(way) = secured else {
                    revision.refused(lease.key());
                    attempts.look_again = true;
                    continue;
                };
                (way, clock::now())
            };
            trail.goes_to(lease.endpoint());
            match forward::forward(self, lease, way, (call, trail), forwarded).await? {
                Sent::Answer(answer) => {
                    let at = answer.at;
                    let response = answer.finish(call, trail, forwarded);
                    return Ok(match from_here {
                        true => self.answered(revision.name(), (call, trail), at, response),
                        false => response,
                    });
                }
                failed => {
                    call.payload.come_back().await;
                    self.try_again(revision, call, &mut attempts, failed)?;
                }
            }
        }
    }

    /// Waits for a permit, at most until the deadline or the hold limit; says when it came.
    async fn permit(
        &self,
        revision: &Arc<Revision>,
        call: &mut Call,
        attempts: &mut Attempts,
        timing: &mut Timing,
    ) -> Result<(Lease, Time), Error> {
        let began = attempts.asking.take().unwrap_or_else(clock::now);
        let ask = Ask {
            now: began,
            class: call.class,
            origin: call.origin(),
            caller: call.caller,
            peer: call.peer(),
            bytes: call.payload.bytes() + 1_024,
            again: attempts.look_again,
            avoid: &attempts.avoid,
        };
        let origin = call.origin();
        let refused = |refusal| match origin {
            Origin::Here => Error::refused(revision.name().function(), refusal),
            Origin::Peer => Error::Gate(refusal),
        };
        match revision.ask(&ask).map_err(refused)? {
            Ok(lease) => Ok((lease, began)),
            // Boxed, as most calls need no room for it.
            Err(wait) => {
                let deadline = call.deadline;
                let waiting = wait_for_permit(wait, revision, deadline, attempts, began, timing);
                let (granted, at) = Box::pin(waiting).await?;
                granted.map(|lease| (lease, at)).map_err(refused)
            }
        }
    }

    /// Before a body goes to another host: it must be safe to be refused there. A host that does not
    /// answer is reached by way of a third that it may answer.
    ///
    /// `None` when the peer refused, or there is no way to it.
    async fn secure(
        &self,
        lease: &Lease,
        revision: &Revision,
        call: &mut Call,
    ) -> Result<Option<Way>, Error> {
        let Endpoint::Remote { node, pool } = &**lease.endpoint() else {
            return Ok(Some(Way::default()));
        };
        call.make_whole_if_small(&self.bodies).await?;
        if !pool.answers() {
            // Neither an upgrade nor a body that can be sent but once: nobody gives permits by proxy.
            let can_be_relayed = call.payload.is_whole() && call.upgrade.is_none();
            let relay = can_be_relayed
                .then(|| self.registry.relay_to(node))
                .flatten();
            return Ok(relay.map(Way::by));
        }
        if call.payload.is_whole() {
            return Ok(Some(Way::default()));
        }
        let permit = self
            .reserve
            .reserve(node, revision.name(), RESERVE_FOR)
            .await;
        Ok(permit.map(Way::with))
    }
}

/// Where places are few, a small body has come before its call takes one: a caller that stalls keeps none.
async fn upload_small(call: &mut Call, bodies: &Bodies) -> Result<(), Error> {
    let deadline = call.deadline;
    let whole = call.make_whole_if_small(bodies);
    match deadline {
        Some(end) => tokio::time::timeout_at(clock::instant(end), whole)
            .await
            .unwrap_or(Err(Error::Deadline(Phase::Upload))),
        None => whole.await,
    }
}

/// Waits for a permit; says when it came, or its refusal.
async fn wait_for_permit(
    mut wait: Wait,
    revision: &Arc<Revision>,
    deadline: Option<Time>,
    attempts: &Attempts,
    began: Time,
    timing: &mut Timing,
) -> Result<(Result<Lease, Refusal>, Time), Error> {
    let end = began + revision.config.hold.max_wait;
    let end = deadline.map_or(end, |deadline| deadline.min(end));
    let timeout = tokio::time::sleep_until(clock::instant(end));
    tokio::pin!(timeout);
    let granted = loop {
        tokio::select! {
            biased;
            granted = wait.granted() => break granted,
            () = &mut timeout => {
                timing.waited(wait.cold, clock::now().since(began));
                return Err(Error::Deadline(match wait.cold {
                    // It has been tried, and could be no more.
                    _ if attempts.seen > 0 => Phase::Run,
                    true => Phase::Hold,
                    false => Phase::Queue,
                }));
            }
            () = tokio::time::sleep(FULL_FOR), if attempts.look_again => revision.look_again(),
        }
    };
    let at = clock::now();
    let took = at.since(began);
    timing.waited(wait.cold, took);
    if wait.cold {
        timing.start = revision.last_start().min(took);
    }
    Ok((granted, at))
}

/// How a call gets to its host.
#[derive(Default)]
pub(super) struct Way {
    /// Taken ahead at the peer, if one was needed.
    pub(super) permit: Option<String>,
    /// Passes it on, as the host does not answer this one.
    pub(super) relay: Option<Arc<Relay>>,
}

impl Way {
    fn by(relay: Relay) -> Self {
        let relay = Some(Arc::new(relay));
        Self {
            permit: None,
            relay,
        }
    }

    fn with(permit: String) -> Self {
        let permit = Some(permit);
        Self {
            permit,
            relay: None,
        }
    }
}

fn check_size(call: &Call, limit: u64) -> Result<(), Error> {
    if content_length(call).is_some_and(|size| size > limit) {
        return Err(Error::BodyTooLarge(limit));
    }
    Ok(())
}

fn content_length(call: &Call) -> Option<u64> {
    super::headers::number(&call.parts.headers, &http::header::CONTENT_LENGTH)
}

/// Whether a request came over HTTP/2.
pub(super) fn is_h2(version: Version) -> bool {
    version == Version::HTTP_2
}

/// The revision a call without a tag goes to: by its sticky key, or by chance.
#[must_use]
pub fn pick(function: &config::Function, headers: &HeaderMap) -> Option<usize> {
    if function.traffic.len() < 2 {
        return router::pick_revision(function, 0);
    }
    let sticky = headers.get(super::headers::STICKY);
    let ticket = sticky.map_or_else(rand::random, |key| router::sticky_ticket(key.as_bytes()));
    router::pick_revision(function, ticket)
}
