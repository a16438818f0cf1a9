//! How long a connection may be silent, or in the middle of a head: a decision without a clock.
//!
//! Whoever serves it tells what it has seen after every poll, which costs a reading of the clock only where a head
//! begins and does not end, and looks when the time has come. What moves in between is counted and not timed.

use std::time::Duration;

use tokio::time::Instant;

/// For connections without a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the connection to the end of its first request's head, handshake included; and from the first byte of a
    /// later head to its end.
    pub head: Duration,
    /// Without a call. It is noticed up to `head`, or a quarter of it, later.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// 10 s and 75 s: longer than the 60 s for which common load balancers keep theirs.
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
        }
    }
}

/// A connection that is to end gets so long for the first head to come, or for the other end to say goodbye; and as long
/// again while what it was answered goes out.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
/// Without a call, and however much goes out, it ends after this.
const LONGEST_LINGER: Duration = Duration::from_secs(30);

/// A connection as it is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Calls so far, counted round.
    pub(crate) begun: u32,
    pub(crate) under_way: u32,
    /// Reads that brought bytes, counted round.
    pub(crate) reads: u32,
    /// Writes that took bytes, counted round.
    pub(crate) writes: u32,
    /// Of HTTP/2: a frame other than data, or a block of headers, has begun and not ended.
    pub(crate) within_head: bool,
    pub(crate) http2: bool,
    /// Since when a piece of an answer lies here that nobody reads.
    pub(crate) unread_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// No first head, or half of one, for too long.
    NoHead,
    /// No call for too long.
    Idle,
    /// It was to end, and did not by itself.
    Lingered,
    /// An answer was not read for too long.
    Unread,
    Until(Instant),
}

#[derive(Debug)]
pub(crate) struct Deadlines {
    timeouts: Timeouts,
    /// For a piece of an answer to be read; `None`: whoever answers sees to that.
    unread: Option<Duration>,
    opened: Instant,
    /// As last noted.
    noted: Seen,
    /// As it was when it was last looked at.
    looked: Seen,
    idle_since: Option<Instant>,
    head_since: Option<Instant>,
    draining_since: Option<Instant>,
    /// Since then nothing has gone out of a connection that is to end.
    quiet_since: Instant,
}

impl Deadlines {
    pub(crate) fn new(timeouts: Timeouts, unread: Option<Duration>, opened: Instant) -> Self {
        Self {
            timeouts,
            unread,
            opened,
            noted: Seen::default(),
            looked: Seen::default(),
            idle_since: None,
            head_since: None,
            draining_since: None,
            quiet_since: opened,
        }
    }

    /// When to look first.
    pub(crate) fn first(&self) -> Instant {
        self.opened + self.timeouts.head
    }

    /// Takes what there is now.
    pub(crate) fn note(&mut self, seen: Seen, now: impl FnOnce() -> Instant) {
        let called = seen.under_way > 0 || seen.begun != self.noted.begun;
        // Over HTTP/1.1, bytes without a call are part of a head.
        let half = seen.within_head
            || (!called
                && !seen.http2
                && (self.head_since.is_some() || seen.reads != self.noted.reads));
        if !half {
            self.head_since = None;
        } else if self.head_since.is_none() {
            self.head_since = Some(now());
        }
        self.noted = seen;
    }

    /// It is to end from now on. When to look.
    pub(crate) fn drain(&mut self, now: Instant) -> Instant {
        if self.draining_since.is_none() {
            (self.draining_since, self.quiet_since) = (Some(now), now);
        }
        self.quiet_since + LINGER
    }

    /// What to do with a connection as last noted.
    pub(crate) fn look(&mut self, now: Instant) -> Found {
        let Timeouts { head, idle } = self.timeouts;
        let mut next = now + head.min(idle / 4);
        let mut over = |since: Instant, bound: Duration| {
            next = next.min(since + bound);
            now >= since + bound
        };
        if let Some(since) = self.head_since
            && over(since, head)
        {
            return Found::NoHead;
        }
        if let (Some(bound), Some(since)) = (self.unread, self.noted.unread_since)
            && over(since, bound)
        {
            return Found::Unread;
        }
        let has_served = self.noted.begun > 0;
        if !has_served && over(self.opened, head) {
            return Found::NoHead;
        }
        let before = std::mem::replace(&mut self.looked, self.noted);
        let was_called = self.noted.under_way > 0 || self.noted.begun != before.begun;
        if was_called || !has_served {
            self.idle_since = has_served.then_some(now);
        }
        if was_called || self.noted.writes != before.writes {
            self.quiet_since = now;
        }
        match (self.draining_since, self.idle_since) {
            (Some(_), _) if self.noted.under_way > 0 => over(now, LINGER),
            (Some(since), _) if over(self.quiet_since, LINGER) || over(since, LONGEST_LINGER) => {
                return Found::Lingered;
            }
            (None, Some(since)) if over(since, idle) => return Found::Idle,
            _ => false,
        };
        Found::Until(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
    };
    const H1: Seen = Seen {
        begun: 0,
        under_way: 0,
        reads: 0,
        writes: 0,
        within_head: false,
        http2: false,
        unread_since: None,
    };
    const H2: Seen = Seen { http2: true, ..H1 };

    /// What is seen from which second on, and in which second it is over.
    #[track_caller]
    fn check(events: &[(u64, Seen)], expected: Option<(u64, Found)>) {
        let opened = Instant::now();
        let mut deadlines = Deadlines::new(TIMEOUTS, None, opened);
        let mut due = deadlines.first();
        let mut events = events.iter().peekable();
        for second in 0..1_000 {
            let now = opened + Duration::from_secs(second);
            while let Some((_, seen)) = events.next_if(|(at, _)| *at == second) {
                deadlines.note(*seen, || now);
            }
            if now >= due {
                match deadlines.look(now) {
                    Found::Until(at) => due = at,
                    over => return assert_eq!(Some((second, over)), expected),
                }
            }
        }
        assert_eq!(None, expected);
    }

    fn called(seen: Seen, begun: u32, under_way: u32, reads: u32) -> Seen {
        Seen {
            begun,
            under_way,
            reads,
            ..seen
        }
    }

    #[test]
    fn first_head_has_come_in_time_however_it_trickles() {
        check(&[], Some((10, Found::NoHead)));
        let trickle = |seen| (0..10).map(move |n| (u64::from(n), called(seen, 0, 0, n)));
        check(&trickle(H1).collect::<Vec<_>>(), Some((10, Found::NoHead)));
        check(&trickle(H2).collect::<Vec<_>>(), Some((10, Found::NoHead)));
    }

    #[test]
    fn later_head_has_its_time_from_its_first_byte() {
        let mut events = vec![(1, called(H1, 1, 1, 1)), (2, called(H1, 1, 0, 1))];
        events.extend((30..60).map(|n| (u64::from(n), called(H1, 1, 0, n))));
        check(&events, Some((40, Found::NoHead)));
        let half = Seen {
            within_head: true,
            ..called(H2, 1, 1, 2)
        };
        // Over HTTP/2 also while other calls are under way.
        check(
            &[(1, called(H2, 1, 1, 1)), (20, half)],
            Some((30, Found::NoHead)),
        );
    }

    #[test]
    fn idle_connection_ends_and_a_used_one_does_not() {
        for seen in [H1, H2] {
            let once = [(1, called(seen, 1, 1, 1)), (1, called(seen, 1, 0, 1))];
            check(&once, Some((85, Found::Idle)));
            check(&[(1, called(seen, 1, 1, 1))], None);
            let each = (0..95).map(|n| (n * 10, called(seen, n as u32 + 1, 0, n as u32 + 1)));
            check(&each.collect::<Vec<_>>(), None);
        }
    }

    #[test]
    fn pings_do_not_keep_a_connection_without_calls() {
        let mut events = vec![(1, called(H2, 1, 0, 1))];
        events.extend((2..200).map(|n| (u64::from(n), called(H2, 1, 0, n))));
        check(&events, Some((85, Found::Idle)));
    }

    #[test]
    fn answer_that_nobody_reads_ends_and_one_that_is_read_slowly_does_not() {
        let opened = Instant::now();
        let at = |seconds| opened + Duration::from_secs(seconds);
        let unread = Some(Duration::from_secs(60));
        let given = |second: Option<u64>| Seen {
            unread_since: second.map(at),
            ..called(H2, 1, 1, 1)
        };
        let mut deadlines = Deadlines::new(TIMEOUTS, unread, opened);
        let mut second = 1;
        while second < 600 {
            deadlines.note(given(Some(second)), || at(second));
            assert!(matches!(deadlines.look(at(second + 50)), Found::Until(_)));
            second += 50;
        }
        deadlines.note(given(Some(600)), || at(600));
        assert_eq!(deadlines.look(at(655)), Found::Until(at(660)));
        assert_eq!(deadlines.look(at(660)), Found::Unread);
        // What waits for its own next piece is silent, and not unread.
        deadlines.note(given(None), || at(660));
        assert!(matches!(deadlines.look(at(2_000)), Found::Until(_)));
        let mut elsewhere = Deadlines::new(TIMEOUTS, None, opened);
        elsewhere.note(given(Some(1)), || at(1));
        assert!(matches!(elsewhere.look(at(2_000)), Found::Until(_)));
    }

    #[test]
    fn connection_that_is_to_end_gets_a_moment_for_a_first_head_and_as_long_as_its_answer_takes() {
        let opened = Instant::now();
        let at = |seconds| opened + Duration::from_secs(seconds);
        let mut deadlines = Deadlines::new(TIMEOUTS, None, opened);
        assert_eq!(deadlines.drain(at(3)), at(4));
        deadlines.note(called(H1, 1, 1, 1), || at(3));
        assert_eq!(deadlines.look(at(4)), Found::Until(at(5)));
        deadlines.note(called(H1, 1, 0, 1), || at(5));
        // What was answered goes out slowly.
        for second in 5..9 {
            let writes = second as u32;
            deadlines.note(
                Seen {
                    writes,
                    ..called(H1, 1, 0, 1)
                },
                || at(second),
            );
            assert_eq!(deadlines.look(at(second)), Found::Until(at(second + 1)));
        }
        assert_eq!(deadlines.look(at(9)), Found::Lingered);
    }

    #[test]
    fn silent_connection_that_is_to_end_ends() {
        let opened = Instant::now();
        let at = |seconds| opened + Duration::from_secs(seconds);
        let mut deadlines = Deadlines::new(TIMEOUTS, None, opened);
        assert_eq!(deadlines.drain(at(3)), at(4));
        assert_eq!(deadlines.look(at(4)), Found::Lingered);
    }
}
