//! Waits between attempts to reconnect: exponential, full jitter, capped.
//!
//! Only for the shell's own connections; retries of calls are decided in the core.

use std::time::Duration;

/// How long to wait before the next attempt.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    pub(crate) fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            attempt: 0,
        }
    }

    /// Anything from zero to `min(cap, base * 2^attempt)`, so that sidecars that lost the
    /// same server do not come back in step.
    pub(crate) fn next(&mut self) -> Duration {
        let factor = 1_u32 << self.attempt.min(16);
        self.attempt = self.attempt.saturating_add(1);
        let bound = self.base.saturating_mul(factor).min(self.cap);
        bound.mul_f64(rand::random_range(0.0..=1.0))
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_below_the_cap() {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        assert!(backoff.next() <= Duration::from_millis(50));
        for _ in 0..100 {
            assert!(backoff.next() <= Duration::from_secs(1));
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(50));
    }
}
