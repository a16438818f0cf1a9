//! Where a call's time went, as `server-timing` (W3C) tells it.

use std::fmt::Write as _;
use std::time::Duration;

use gateless_core::time::Time;
use http::HeaderMap;

use super::headers::{self, SERVER_TIMING};

/// Phases of one call.
#[derive(Debug, Default)]
pub(super) struct Timing {
    /// From arrival to asking for a permit.
    pub(super) route: Duration,
    /// Waiting while no instance was ready.
    pub(super) hold: Duration,
    /// Part of `hold` in which the instance started.
    pub(super) start: Duration,
    /// Waiting while instances were full.
    pub(super) queue: Duration,
    /// From forwarding to the response head.
    pub(super) run: Duration,
    /// Whether any instance had to be waited for.
    pub(super) cold: bool,
}

impl Timing {
    /// A wait is over.
    pub(super) fn waited(&mut self, cold: bool, took: Duration) {
        if cold {
            self.cold = true;
            self.hold += took;
        } else {
            self.queue += took;
        }
    }

    /// The function answered; a peer on the way tells its own queue time.
    pub(super) fn answered(&mut self, forwarded: Time, now: Time, queued_at_peer: Duration) {
        self.run = now.since(forwarded).saturating_sub(queued_at_peer);
        self.queue += queued_at_peer;
    }

    /// Adds the header, after what the function itself says.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let mut text = String::with_capacity(96);
        if let Some(own) = headers
            .get(SERVER_TIMING)
            .and_then(|value| value.to_str().ok())
        {
            write!(text, "{own}, ").ok();
        }
        let phases = [
            ("route", self.route),
            ("hold", self.hold),
            ("queue", self.queue),
            ("start", self.start),
            ("run", self.run),
        ];
        for (at, (name, took)) in phases.into_iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            // Whole microseconds as milliseconds: no float formatting on the hot path.
            let micros = took.as_micros();
            write!(
                text,
                "{comma}{name};dur={}.{:03}",
                micros / 1_000,
                micros % 1_000
            )
            .ok();
        }
        headers::set(headers, SERVER_TIMING, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_tells_the_phases_apart() {
        let mut timing = Timing {
            route: Duration::from_micros(12),
            ..Timing::default()
        };
        timing.waited(true, Duration::from_micros(4_500));
        timing.waited(false, Duration::from_millis(2));
        timing.answered(Time::ZERO, Time::from_millis(10), Duration::from_millis(3));
        let mut headers = HeaderMap::new();
        headers::set(&mut headers, SERVER_TIMING, "db;dur=1");
        timing.write(&mut headers);
        assert_eq!(
            headers[SERVER_TIMING],
            "db;dur=1, route;dur=0.012, hold;dur=4.500, queue;dur=5.000, start;dur=0.000, run;dur=7.000"
        );
    }
}
