//! When this sidecar was away: calls that it had accepted before may have been sent again elsewhere meanwhile.
//!
//! It was away before it started, and whenever nothing in it ran for longer than it takes others to miss it: stopped, frozen,
//! or starved. Whoever looks first notices, so nothing is done between the thaw and the notice.

use std::sync::{Arc, Weak};
use std::time::Duration;

use gateless_core::call::Call;
use gateless_core::keys::Missed;
use gateless_core::time::Time;
use parking_lot::{Mutex, MutexGuard};

use super::Homes;
use crate::clock;
use crate::queue::Copying;
use crate::queue::clock::Clock;

/// How often the time is looked at.
const EVERY: Duration = Duration::from_millis(250);
/// Who did not look for so long was away.
const AWAY: Duration = Duration::from_secs(1);
/// After coming back, others that do not answer are waited for so long.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time between two questions then.
pub(super) const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What was accepted before this is in doubt.
pub(super) struct Doubts {
    /// The queue's.
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    looked: Time,
    back: Time,
    /// In the queue's time.
    before: Time,
}

impl Doubts {
    pub(super) fn new(clock: Clock) -> Self {
        let (now, before) = (clock::now(), clock.now());
        let state = Mutex::new(State {
            looked: now,
            back: now,
            before,
        });
        Self { clock, state }
    }

    fn look(&self, now: Time) -> (Time, Time) {
        let mut state = self.state.lock();
        if now.since(state.looked) >= AWAY {
            (state.back, state.before) = (now, self.clock.now());
        }
        state.looked = now;
        (state.back, state.before)
    }

    #[cfg(test)]
    pub(super) fn came_back(&self) {
        let mut state = self.state.lock();
        (state.back, state.before) = (clock::now(), self.clock.now());
    }

    /// Whether a call that was accepted then is in doubt.
    pub(super) fn is_in(&self, accepted: Time) -> bool {
        accepted < self.look(clock::now()).1
    }

    /// Whether others may still be on their way back to this sidecar.
    pub(super) fn may_wait(&self) -> bool {
        let now = clock::now();
        now.since(self.look(now).0) < PATIENCE
    }
}

impl Homes {
    /// From now on a call is delivered once it is known not to be another's; said once.
    pub(crate) fn wait_for_copies(&self, copying: Arc<Copying>) {
        self.copying.set(copying).ok();
    }

    /// Returns when a call that is about to be attempted may be, as far as another may have taken it on while this sidecar was away. Its
    /// lease is over if one has.
    pub(in crate::queue) async fn may_deliver(&self, call: &Call) {
        if let Some(copying) = self.copying.get() {
            copying.may_deliver(call.since).await;
        }
    }

    /// Notes who has left.
    pub(super) fn look_at_others(&self) -> MutexGuard<'_, Missed> {
        let mut missed = self.missed.lock();
        missed.look(self.others.live(), clock::now());
        missed
    }
}

/// Looks at the time, and at who lives, until `homes` are gone.
pub(super) fn watch(homes: &Arc<Homes>) {
    let homes: Weak<Homes> = Arc::downgrade(homes);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            match homes.upgrade() {
                Some(homes) => {
                    homes.doubts.look(clock::now());
                    drop(homes.look_at_others());
                }
                None => return,
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::clock::Manual;

    #[test]
    fn whatever_was_accepted_before_it_was_away_is_in_doubt() {
        let clock = Manual::new(Time::from_millis(1000));
        let doubts = Doubts::new(Clock::Manual(clock.clone()));
        let start = crate::clock::now();
        assert_eq!(doubts.look(start).1, Time::from_millis(1000));
        clock.advance(Duration::from_secs(5));
        // Looked at often enough, it was not away.
        for step in 1..20_u32 {
            assert_eq!(doubts.look(start + EVERY * step).1, Time::from_millis(1000));
        }
        let thawed = start + EVERY * 19 + AWAY;
        assert_eq!(doubts.look(thawed), (thawed, Time::from_millis(6000)));
        assert_eq!(doubts.look(thawed + EVERY).0, thawed);
    }
}
