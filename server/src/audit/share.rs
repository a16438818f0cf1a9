//! How many requests that changed nothing are recorded: so many of each actor, refused or not, as anybody can make as many as
//! they like. Pure: time comes in.

use std::collections::HashMap;

/// Requests of one actor that are recorded at once.
pub(super) const MAX_BURST: u64 = 60;
/// Seconds until one more may be.
pub(super) const REFILL_SECONDS: u64 = 2;
/// Actors that are told apart; those without a good token are one.
pub(super) const MAX_ACTORS: usize = 1_024;

#[derive(Debug)]
struct Bucket {
    tokens: u64,
    /// When it was last refilled, in seconds.
    at: u64,
    suppressed: u64,
}

/// Who asked how often.
#[derive(Debug, Default)]
pub(super) struct Shares(HashMap<String, Bucket>);

impl Shares {
    /// Whether a request at `now`, in seconds, is recorded; with how many of the same actor were not since the last that was.
    pub(super) fn record(&mut self, actor: &str, now: u64) -> Option<u64> {
        if self.0.len() >= MAX_ACTORS && !self.0.contains_key(actor) {
            self.0.retain(|_, bucket| {
                bucket.refill(now);
                bucket.tokens < MAX_BURST || bucket.suppressed > 0
            });
        }
        // Too many at once share a place.
        let key = match self.0.len() < MAX_ACTORS || self.0.contains_key(actor) {
            true => actor,
            false => "",
        };
        let bucket = self.0.entry(key.to_owned()).or_insert(Bucket {
            tokens: MAX_BURST,
            at: now,
            suppressed: 0,
        });
        bucket.refill(now);
        if bucket.tokens == 0 {
            bucket.suppressed += 1;
            return None;
        }
        bucket.tokens -= 1;
        Some(std::mem::take(&mut bucket.suppressed))
    }
}

impl Bucket {
    fn refill(&mut self, now: u64) {
        let more = now.saturating_sub(self.at) / REFILL_SECONDS;
        self.at += more * REFILL_SECONDS;
        self.tokens = MAX_BURST.min(self.tokens + more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_fills_no_more_than_its_share_and_what_is_left_out_is_counted() {
        let mut shares = Shares::default();
        let recorded = (0..1_000)
            .filter(|_| shares.record("a", 0).is_some())
            .count();
        assert_eq!(recorded as u64, MAX_BURST);
        assert_eq!(shares.record("b", 0), Some(0));
        assert_eq!(shares.record("a", REFILL_SECONDS - 1), None);
        assert_eq!(
            shares.record("a", REFILL_SECONDS),
            Some(1_000 - MAX_BURST + 1)
        );
        assert_eq!(shares.record("a", REFILL_SECONDS), None);
        assert_eq!(shares.record("a", 1_000_000), Some(1));
    }

    #[test]
    fn actors_are_bounded() {
        let mut shares = Shares::default();
        for actor in 0..10 * MAX_ACTORS {
            shares.record(&actor.to_string(), 0);
        }
        assert!(shares.0.len() <= MAX_ACTORS + 1);
        assert_eq!(shares.record("new", 1_000), Some(0));
        assert!(shares.0.len() <= MAX_ACTORS);
    }
}
