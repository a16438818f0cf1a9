//! How much of a revision its callers use: the demand a sidecar reports to the owner.
//!
//! Concurrency is an exact time average (busy time over time), as Knative's queue-proxy
//! reports it (`pkg/http/stats`), counted at the caller from its permit to the last byte.
//! Calls that wait are counted by [`crate::hold`] and told apart.

use std::time::Duration;

use crate::time::Time;

/// Running totals for one revision.
#[derive(Debug, Default, Clone)]
pub struct Usage {
    now_inside: u64,
    /// Sum of the entry times of those inside, so that busy time needs no list of them.
    arrivals: u128,
    busy: u128,
    finished: u64,
    arrived: u64,
    service_time: Option<f64>,
    last: (Time, u128, u64),
}

/// Averages since the sample before.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Calls inside, averaged over the time.
    pub concurrency: f64,
    /// Calls that arrived, per second.
    pub rps: f64,
    /// Of finished calls, exponentially averaged; zero while none finished.
    pub service_time: Duration,
    /// Inside at this moment.
    pub inside: u64,
}

impl Usage {
    /// A call came, and may have to wait.
    pub fn arrive(&mut self) {
        self.arrived += 1;
    }

    /// A call got its permit.
    pub fn enter(&mut self, now: Time) {
        self.now_inside += 1;
        self.arrivals += u128::from(now.as_nanos());
    }

    /// A call that entered at `arrived` is over.
    pub fn leave(&mut self, now: Time, arrived: Time) {
        self.now_inside = self.now_inside.saturating_sub(1);
        self.arrivals = self.arrivals.saturating_sub(u128::from(arrived.as_nanos()));
        let took = now.since(arrived);
        self.busy += took.as_nanos();
        self.finished += 1;
        let took = took.as_secs_f64();
        self.service_time = Some(
            self.service_time
                .map_or(took, |average| average * 0.9 + took * 0.1),
        );
    }

    /// Averages since the last call of this.
    pub fn sample(&mut self, now: Time) -> Sample {
        let inside = u128::from(now.as_nanos()) * u128::from(self.now_inside);
        let busy = self.busy + inside.saturating_sub(self.arrivals);
        let (since, busy_then, arrived_then) =
            std::mem::replace(&mut self.last, (now, busy, self.arrived));
        let nanos = now.since(since).as_nanos();
        let (concurrency, rps) = if nanos == 0 {
            (self.now_inside as f64, 0.0)
        } else {
            let arrived = (self.arrived - arrived_then) as f64;
            (
                busy.saturating_sub(busy_then) as f64 / nanos as f64,
                arrived * 1e9 / nanos as f64,
            )
        };
        Sample {
            concurrency,
            rps,
            service_time: Duration::from_secs_f64(self.service_time.unwrap_or(0.0)),
            inside: self.now_inside,
        }
    }

    /// Inside at this moment.
    #[must_use]
    pub fn inside(&self) -> u64 {
        self.now_inside
    }

    /// Calls that arrived, ever.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrency_is_busy_time_over_time() {
        let mut usage = Usage::default();
        usage.sample(Time::from_millis(1_000));
        usage.arrive();
        usage.arrive();
        usage.enter(Time::from_millis(1_000));
        usage.enter(Time::from_millis(1_500));
        usage.leave(Time::from_millis(1_750), Time::from_millis(1_500));
        let sample = usage.sample(Time::from_millis(2_000));
        assert!((sample.concurrency - 1.25).abs() < 1e-9, "{sample:?}");
        assert!((sample.rps - 2.0).abs() < 1e-9);
        assert_eq!(sample.inside, 1);
        let next = usage.sample(Time::from_millis(3_000));
        assert!(
            (next.concurrency - 1.0).abs() < 1e-9,
            "a long call counts in every period"
        );
    }
}
