//! Where a call's time went, as `server-timing` (W3C) tells it.

use std::time::Duration;

use bytes::BytesMut;
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
    /// Part of `run` in which a connection was made.
    pub(super) connect: Duration,
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
        let mut text = BytesMut::with_capacity(128);
        if let Some(own) = headers.get(SERVER_TIMING) {
            text.extend_from_slice(own.as_bytes());
            text.extend_from_slice(b", ");
        }
        for (name, took) in [
            ("route;dur=", self.route),
            (", hold;dur=", self.hold),
            (", queue;dur=", self.queue),
            (", start;dur=", self.start),
            (", run;dur=", self.run),
        ] {
            text.extend_from_slice(name.as_bytes());
            put_millis(&mut text, took);
        }
        headers::set_bytes(headers, SERVER_TIMING, text.freeze());
    }
}

/// Milliseconds with three decimals, by hand: the formatting machinery costs more than the
/// rest of the header, on every call.
fn put_millis(text: &mut BytesMut, took: Duration) {
    let mut left = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let mut digits = [b'0'; 24];
    let mut at = digits.len();
    while left > 0 || at > digits.len() - 5 {
        at -= 1;
        if at == digits.len() - 4 {
            digits[at] = b'.';
        } else {
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
        }
    }
    text.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_with_three_decimals() {
        for (micros, expected) in [
            (0, "0.000"),
            (7, "0.007"),
            (999, "0.999"),
            (1_000, "1.000"),
            (12_345_678, "12345.678"),
            (u64::MAX, "18446744073709551.615"),
        ] {
            let mut text = BytesMut::new();
            put_millis(&mut text, Duration::from_micros(micros));
            assert_eq!(text, expected.as_bytes(), "{micros}");
        }
    }

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
