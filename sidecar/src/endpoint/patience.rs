//! How long an answer may take, and how long it may be silent: a decision without a clock.
//!
//! Whoever watches an answer looks when [`Patience::due`] comes, and is told whether it is over or when
//! to look again. What moves in between is counted and not timed: no frame costs a reading of the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What a request's body has come to, told by who reads it to who watches the answer.
#[derive(Debug, Default)]
pub struct Upload {
    frames: AtomicU64,
    cut: AtomicU8,
}

/// Why a request's body was cut off here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It is larger than the function allows.
    TooLarge,
    /// Its caller sent nothing for too long.
    Stalled,
    /// Its caller broke off, or sent what is no body.
    BrokenOff,
}

impl Upload {
    pub(crate) fn moved(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn cut_off(&self, why: Cut) {
        self.cut.store(why as u8 + 1, Ordering::Relaxed);
    }

    /// Why it was cut off; `None` if it was not.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        match self.cut.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Cut::TooLarge),
            2 => Some(Cut::Stalled),
            _ => Some(Cut::BrokenOff),
        }
    }
}

/// What is found when an answer is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its time is up.
    Over,
    /// Look again then.
    Until(Instant),
}

/// The bounds of one answer, and what has moved of it and of its request.
#[derive(Debug)]
pub(crate) struct Patience {
    deadline: Option<Instant>,
    idle: Option<Duration>,
    /// Silent since then, as far as is known.
    since: Instant,
    frames: u64,
    /// Frames of both directions when `since` was set.
    seen: u64,
    upload: Option<Arc<Upload>>,
}

impl Patience {
    /// Until `deadline`, and at most `idle` without a byte of the answer or of `upload`.
    pub(crate) fn new(
        now: Instant,
        deadline: Option<Instant>,
        idle: Option<Duration>,
        upload: Option<Arc<Upload>>,
    ) -> Self {
        let mut patience = Self {
            deadline,
            idle,
            since: now,
            frames: 0,
            seen: 0,
            upload,
        };
        patience.seen = patience.moved_so_far();
        patience
    }

    fn moved_so_far(&self) -> u64 {
        let uploaded = self.upload.as_ref();
        self.frames + uploaded.map_or(0, |upload| upload.frames.load(Ordering::Relaxed))
    }

    /// When to look; `None`: never.
    pub(crate) fn due(&self) -> Option<Instant> {
        let idle = self.idle.map(|idle| self.since + idle);
        self.deadline.into_iter().chain(idle).min()
    }

    /// A part of the answer went on its way.
    pub(crate) fn moved(&mut self) {
        self.frames += 1;
    }

    /// Whether it is over; `now` is at or after [`Patience::due`], or the answer has nothing at hand.
    pub(crate) fn look(&mut self, now: Instant) -> Option<Found> {
        let moved = self.moved_so_far();
        if moved != self.seen {
            (self.seen, self.since) = (moved, now);
        }
        let due = self.due()?;
        Some(if now >= due {
            Found::Over
        } else {
            Found::Until(due)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(10);

    fn at(began: Instant, seconds: u64) -> Instant {
        began + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_final_whatever_moves() {
        let began = Instant::now();
        let mut patience = Patience::new(began, Some(at(began, 15)), Some(IDLE), None);
        assert_eq!(patience.due(), Some(at(began, 10)));
        patience.moved();
        let found = patience.look(at(began, 10));
        assert_eq!(found, Some(Found::Until(at(began, 15))));
        patience.moved();
        assert_eq!(patience.look(at(began, 15)), Some(Found::Over));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_what_moved_last_in_either_direction() {
        let began = Instant::now();
        let upload = Arc::<Upload>::default();
        let mut patience = Patience::new(began, None, Some(IDLE), Some(upload.clone()));
        for (second, uploads) in [(10, true), (20, false), (30, true)] {
            match uploads {
                true => upload.moved(),
                false => patience.moved(),
            }
            let found = patience.look(at(began, second));
            assert_eq!(found, Some(Found::Until(at(began, second + 10))));
        }
        assert_eq!(patience.look(at(began, 40)), Some(Found::Over));
    }

    #[tokio::test(start_paused = true)]
    async fn without_bounds_nobody_ever_looks() {
        let mut patience = Patience::new(Instant::now(), None, None, None);
        assert_eq!(patience.due(), None);
        assert_eq!(patience.look(Instant::now() + IDLE * 100), None);
    }

    #[test]
    fn upload_tells_why_it_was_cut_off() {
        let upload = Upload::default();
        assert_eq!(upload.cut(), None);
        for why in [Cut::TooLarge, Cut::Stalled, Cut::BrokenOff] {
            upload.cut_off(why);
            assert_eq!(upload.cut(), Some(why));
        }
    }
}
