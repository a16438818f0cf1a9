//! Choice between endpoints: power of two choices on load, and ejection of failing ones.
//!
//! Sources: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001);
//! peak EWMA as in Finagle; ejection after consecutive gateway failures as in Envoy's
//! outlier detection (`consecutive_gateway_failure` 5). It holds no list of endpoints
//! itself: it scores what [`crate::dispatch`] shows it.

use std::time::Duration;

use crate::time::Time;

/// Consecutive failures after which an endpoint is ejected.
pub const EJECT_AFTER: u32 = 5;
/// First ejection; each further one lasts as much longer, up to [`EJECT_MAX`].
pub const EJECT_BASE: Duration = Duration::from_secs(1);
/// An endpoint that fails again and again is left out for at most this long.
pub const EJECT_MAX: Duration = Duration::from_secs(30);
/// Time constant of the latency average.
const DECAY: Duration = Duration::from_secs(10);

/// How a call ended, as far as the endpoint is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint answered, whatever the status, after this time to the response head.
    Answered(Duration),
    /// It could not be reached or broke off before a response.
    Failed,
    /// The caller went away, or a gate refused: says nothing about health.
    Neutral,
}

/// What is remembered of one endpoint.
#[derive(Debug, Clone)]
pub struct Health {
    latency: Option<(f64, Time)>,
    failures: u32,
    ejections: u32,
    ejected_until: Time,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            latency: None,
            failures: 0,
            ejections: 0,
            ejected_until: Time::ZERO,
        }
    }
}

impl Health {
    /// Learns from one ended call.
    pub fn record(&mut self, now: Time, outcome: Outcome) {
        match outcome {
            Outcome::Answered(latency) => {
                self.failures = 0;
                self.ejections = 0;
                self.observe(now, latency.as_secs_f64());
            }
            Outcome::Failed => {
                self.failures += 1;
                if self.failures >= EJECT_AFTER {
                    self.failures = 0;
                    self.ejections = self.ejections.saturating_add(1);
                    self.ejected_until = now + (EJECT_BASE * self.ejections).min(EJECT_MAX);
                }
            }
            Outcome::Neutral => {}
        }
    }

    /// Peak EWMA: a slow answer counts at once, a quick one bit by bit.
    fn observe(&mut self, now: Time, latency: f64) {
        let next = match self.latency {
            Some((average, at)) if latency < average => {
                let keep = (-now.since(at).as_secs_f64() / DECAY.as_secs_f64())
                    .exp()
                    .min(0.95);
                average * keep + latency * (1.0 - keep)
            }
            _ => latency,
        };
        self.latency = Some((next, now));
    }

    /// Whether it should get no calls for now.
    #[must_use]
    pub fn is_ejected(&self, now: Time) -> bool {
        now < self.ejected_until
    }

    /// Lower is better: expected wait for one more call on top of `in_flight`,
    /// spread over `instances`.
    #[must_use]
    pub fn cost(&self, in_flight: u32, instances: u32) -> f64 {
        // An endpoint never heard of competes on its in-flight alone.
        let latency = self.latency.map_or(1e-3, |(average, _)| average.max(1e-5));
        latency * f64::from(in_flight + 1) / f64::from(instances.max(1))
    }
}

/// Power of two choices: the place of the cheaper of two random items among those that pass, without allocating;
/// `random` supplies both choices.
///
/// `None` when none passes.
pub fn pick<T>(
    items: &[T],
    random: u64,
    passes: impl Fn(&T) -> bool,
    cost: impl Fn(&T) -> f64,
) -> Option<usize> {
    let nth = |n: usize| {
        let mut passing = items.iter().enumerate().filter(|(_, item)| passes(item));
        passing.nth(n)
    };
    let count = items.iter().filter(|item| passes(item)).count();
    if count <= 1 {
        return nth(0).map(|(at, _)| at);
    }
    let first = (random as u32 as usize) % count;
    let second = (first + 1 + ((random >> 32) as usize) % (count - 1)) % count;
    let ((one, a), (two, b)) = (nth(first)?, nth(second)?);
    Some(if cost(b) < cost(a) { two } else { one })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_endpoint_is_ejected_and_comes_back() {
        let mut health = Health::default();
        let now = Time::from_millis(5_000);
        for _ in 0..EJECT_AFTER {
            assert!(!health.is_ejected(now));
            health.record(now, Outcome::Failed);
        }
        assert!(health.is_ejected(now) && !health.is_ejected(now + EJECT_BASE));
    }

    #[test]
    fn one_answer_forgives_earlier_failures() {
        let mut health = Health::default();
        for _ in 0..EJECT_AFTER * 3 {
            health.record(Time::ZERO, Outcome::Failed);
            health.record(Time::ZERO, Outcome::Answered(Duration::from_millis(1)));
        }
        assert!(!health.is_ejected(Time::ZERO));
    }

    #[test]
    fn slow_endpoint_is_avoided_quickly_and_trusted_again_slowly() {
        let (mut fast, mut slow) = (Health::default(), Health::default());
        fast.record(Time::ZERO, Outcome::Answered(Duration::from_millis(1)));
        slow.record(Time::ZERO, Outcome::Answered(Duration::from_millis(1)));
        slow.record(
            Time::from_millis(1),
            Outcome::Answered(Duration::from_millis(100)),
        );
        assert!(slow.cost(0, 1) > fast.cost(50, 1));
        for i in 0..400 {
            slow.record(
                Time::from_millis(2 + i),
                Outcome::Answered(Duration::from_millis(1)),
            );
        }
        assert!(slow.cost(0, 1) < fast.cost(2, 1));
    }

    #[test]
    fn pick_spreads_over_equals_and_prefers_the_idle() {
        let loads = [5.0, 5.0, 0.0, 5.0, 0.0];
        let mut hits = [0; 5];
        for seed in 0..1_000_u64 {
            let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            // The last one is idle, too, and does not pass.
            let picked = pick(
                &[0, 1, 2, 3, 4],
                random,
                |at| *at < 4,
                |at: &usize| loads[*at],
            );
            hits[picked.unwrap()] += 1;
        }
        assert!(
            hits[2] > 400 && hits[..4].iter().all(|&n| n > 50),
            "{hits:?}"
        );
        assert_eq!(hits[4], 0);
        assert_eq!(pick(&loads, 7, |_| false, |load| *load), None);
    }
}
