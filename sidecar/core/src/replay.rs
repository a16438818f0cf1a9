//! Which of a sender's numbered datagrams were there before: each is taken once, whoever sends it again.
//!
//! Deliberately no keys and no clock: that a number is the sender's own was proven before, and times come in.

use std::time::Duration;

/// How far datagrams may overtake each other.
pub const WINDOW: u64 = 64;
/// A sender that is not known yet is only believed when its clock says about the same as ours: else all that it ever
/// sent could be sent again to who has just started.
pub const MAX_SKEW: Duration = Duration::from_secs(300);

/// What has come of one sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    highest: u64,
    /// Bit n: `highest - n` has come.
    seen: u64,
}

impl Window {
    /// With the first number that came.
    #[must_use]
    pub const fn new(first: u64) -> Self {
        Self {
            highest: first,
            seen: 1,
        }
    }

    /// Whether a number is new; it is not any more then. One too far behind counts as old.
    pub fn take(&mut self, number: u64) -> bool {
        if number > self.highest {
            let ahead = number - self.highest;
            self.seen = if ahead < WINDOW {
                self.seen << ahead
            } else {
                0
            };
            self.seen |= 1;
            self.highest = number;
            return true;
        }
        let behind = self.highest - number;
        if behind >= WINDOW || self.seen & (1 << behind) != 0 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

/// Whether a sender that is not known says about the time that it is. Both in milliseconds since 1970.
#[must_use]
pub const fn is_fresh(now_ms: u64, sent_ms: u64) -> bool {
    Duration::from_millis(now_ms.abs_diff(sent_ms)).as_millis() <= MAX_SKEW.as_millis()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_number_is_taken_twice_and_none_within_the_window_is_lost(
            numbers in prop::collection::vec(0_u64..200, 1..300),
        ) {
            let mut window = Window::new(numbers[0]);
            let mut taken = BTreeSet::from([numbers[0]]);
            for number in &numbers[1..] {
                let highest = taken.last().copied().unwrap_or(0);
                let expected = !taken.contains(number) && number + WINDOW > highest;
                prop_assert_eq!(window.take(*number), expected, "{}", number);
                if expected {
                    taken.insert(*number);
                }
            }
        }
    }

    #[test]
    fn far_jump_forgets_what_was_before_it() {
        let mut window = Window::new(1);
        assert!(window.take(u64::MAX) && !window.take(u64::MAX) && !window.take(1));
        assert!(window.take(u64::MAX - 63) && !window.take(u64::MAX - 64));
    }

    #[test]
    fn stranger_of_another_time_is_not_believed() {
        assert!(is_fresh(300_000, 0) && is_fresh(0, 300_000));
        assert!(!is_fresh(300_001, 0) && !is_fresh(0, 300_001));
    }
}
