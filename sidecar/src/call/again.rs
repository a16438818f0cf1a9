//! What an attempt without an answer means for its call: whether there is another, and whom it avoids.
//!
//! Deliberately nothing of how an attempt is made.

use std::sync::Arc;
use std::time::Duration;

use gateless_core::balancer::Outcome;
use gateless_core::dispatch::EndpointKey;
use gateless_core::time::Time;

use super::broken::Blamed;
use super::forward::Sent;
use super::request::Call;
use super::send::Proxy;
use crate::call::error::Error;
use crate::clock;
use crate::endpoint::unprocessed::Unprocessed;
use crate::runtime::Revision;

/// Sends that reached nobody, per call; each is safe to repeat, but not for ever.
const MAX_UNSENT: u32 = 8;
/// So long at least they are repeated: on a loaded host an instance is seen to have ended, and replaced, only after a while.
const UNSENT_FOR: Duration = Duration::from_secs(5);
/// Hosts that may fall silent over one call.
const MAX_LOST: u32 = 4;

#[derive(Default)]
pub(super) struct Attempts {
    /// Now, as long as nothing has been waited for.
    pub(super) asking: Option<Time>,
    pub(super) avoid: Vec<EndpointKey>,
    pub(super) unsent: u32,
    /// When the first of those was.
    pub(super) unsent_since: Option<Time>,
    /// Until then a function may refuse it, as one that is full.
    pub(super) refused_until: Option<Time>,
    pub(super) seen: u32,
    pub(super) look_again: bool,
}

impl Attempts {
    fn avoid(&mut self, key: EndpointKey) {
        if !self.avoid.contains(&key) {
            self.avoid.push(key);
        }
    }
}

impl Proxy {
    /// What an attempt without an answer means for the next.
    ///
    /// # Errors
    /// When there is to be none.
    pub(super) fn try_again(
        &self,
        revision: &Arc<Revision>,
        call: &mut Call,
        attempts: &mut Attempts,
        failed: Sent,
    ) -> Result<(), Error> {
        match failed {
            Sent::Answer(_) => {}
            Sent::Refused(_) | Sent::NoWay if call.payload.is_spent() => {
                // What went into the connection cannot be sent to another.
                let cause = "refused when its body had been sent".to_owned();
                return Err(Error::Instance { cause, seen: false });
            }
            Sent::Unprocessed { lease, why, error } => {
                let refused = why == Unprocessed::Refused;
                let now = clock::now();
                let until = *attempts
                    .refused_until
                    .get_or_insert(now + revision.config.hold.max_wait);
                attempts.unsent += u32::from(!refused);
                let too_often = attempts.unsent >= MAX_UNSENT || (refused && now >= until);
                if too_often || call.payload.is_spent() {
                    let seen = false;
                    return Err(Error::Instance { cause: error, seen });
                }
                if refused {
                    revision.refused(lease.key());
                }
            }
            // Nobody failed, most likely. If it happens again, it is the call that ends them.
            Sent::Failed { stale: true, .. } if !call.payload.is_spent() => call.resent = true,
            // The next who may know a way is asked at once.
            Sent::NoWay => {}
            Sent::Refused(lease) => revision.refused(lease.key()),
            Sent::Lost(mut lease) => {
                lease.set_outcome(Outcome::Failed);
                let lost = Error::HostLost(lease.node().cloned());
                attempts.seen += 1;
                // The retry budget is for functions that fail: a host that goes is nobody's storm.
                if !call.may_go_again() || attempts.seen >= MAX_LOST {
                    return Err(lost);
                }
                tracing::debug!(revision = %revision.name(), error = %lost, "trying again");
                revision.refused(lease.key());
                attempts.avoid(lease.key());
            }
            Sent::Failed {
                mut lease,
                seen,
                by,
                error,
                ..
            } => {
                lease.set_outcome(Outcome::Failed);
                if !self.may_retry(call, revision, attempts, seen) {
                    return Err(match by {
                        Blamed::Instance => Error::Instance { cause: error, seen },
                        Blamed::Peer => Error::Peer { cause: error },
                    });
                }
                // A peer answers for its instances itself: a broken connection is its own end.
                if !seen || !lease.is_local() {
                    revision.refused(lease.key());
                }
                tracing::debug!(revision = %revision.name(), error, "call failed, trying again");
                attempts.avoid(lease.key());
            }
        }
        attempts.look_again = true;
        Ok(())
    }

    /// A failed send may be repeated when nobody saw it, or when the policy, the budget
    /// and the method allow it.
    fn may_retry(
        &self,
        call: &Call,
        revision: &Revision,
        attempts: &mut Attempts,
        seen: bool,
    ) -> bool {
        if call.payload.is_spent() {
            return false;
        }
        if !seen {
            // Each endpoint rests for a moment after it was tried, so this is no busy loop.
            let now = clock::now();
            let since = *attempts.unsent_since.get_or_insert(now);
            attempts.unsent += 1;
            return attempts.unsent < MAX_UNSENT || now.since(since) < UNSENT_FOR;
        }
        attempts.seen += 1;
        let policy = revision.config.retries;
        call.may_go_again() && attempts.seen < policy.max_attempts && revision.spend_retry()
    }
}
