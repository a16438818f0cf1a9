//! A clock since the Unix epoch that nobody can set: it begins at the wall clock's time and goes on by what the
//! kernel counts since the boot, sleep included.
//!
//! So `max_age`, back-off and `result_ttl` are of time gone by, however the wall clock is stepped. Over a restart
//! an [`Anchor`], kept with the calls, carries it on: within one boot exactly; over a reboot by the wall clock's
//! difference, which is all there is, and never backwards. Deliberately no I/O; `crate::clock` reads what the kernel counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gateless_core::time::Time;
#[cfg(test)]
use parking_lot::Mutex;

use super::{millis, wall};
use crate::clock;

/// Below this a difference is the adjustment every wall clock gets all the time, and nobody is to see it.
const SHOWN_FROM: i64 = 2_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// The machine's clocks at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::queue) struct Reading {
    /// Names the boot; empty when it can't be told.
    pub(in crate::queue) boot: String,
    pub(in crate::queue) since_boot: Duration,
    pub(in crate::queue) wall: Time,
}

/// What a queue's time was at a moment of the machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::queue) struct Anchor {
    pub(in crate::queue) at: Reading,
    pub(in crate::queue) time: Time,
}

impl Anchor {
    /// The queue's time at a later moment, perhaps of another boot.
    fn carried_on(&self, to: &Reading) -> Time {
        let same_boot = !to.boot.is_empty() && to.boot == self.at.boot;
        let gone_by = match to.since_boot.checked_sub(self.at.since_boot) {
            Some(gone_by) if same_boot => gone_by,
            // As long as it was off, as far as anybody knows; a clock set back meanwhile makes no call younger.
            _ => to.wall.since(self.at.wall),
        };
        self.time + gone_by
    }
}

/// Where the machine's clocks are read.
#[derive(Debug, Clone, Default)]
pub(in crate::queue) enum Machine {
    #[default]
    Real,
    /// One whose clocks are what a test says.
    #[cfg(test)]
    Fake(Arc<Mutex<Reading>>),
}

impl Machine {
    fn since_boot(&self) -> Duration {
        match self {
            Self::Real => clock::since_boot(),
            #[cfg(test)]
            Self::Fake(reading) => reading.lock().since_boot,
        }
    }

    fn wall(&self) -> Time {
        match self {
            Self::Real => wall(),
            #[cfg(test)]
            Self::Fake(reading) => reading.lock().wall,
        }
    }

    /// Goes to a file for the boot's name.
    fn read(&self) -> Reading {
        match self {
            Self::Real => Reading {
                boot: gateless_common::io::boot_id(),
                since_boot: self.since_boot(),
                wall: self.wall(),
            },
            #[cfg(test)]
            Self::Fake(reading) => reading.lock().clone(),
        }
    }
}

/// Such a clock. Cheap to clone; clones tell the same time.
#[derive(Debug, Clone)]
pub struct Steady {
    machine: Machine,
    /// What is to be added to the nanoseconds since the boot.
    offset: Arc<AtomicI64>,
}

impl Default for Steady {
    fn default() -> Self {
        Self::on(Machine::Real)
    }
}

impl Steady {
    /// Of that machine, at its wall clock's time.
    pub(in crate::queue) fn on(machine: Machine) -> Self {
        let steady = Self {
            offset: Arc::default(),
            machine,
        };
        steady.set(steady.machine.wall(), steady.machine.since_boot());
        steady
    }

    /// Goes on from where it was noted; without a note, from the wall clock. Only before anybody asked for the time.
    pub(in crate::queue) fn resume(&self, noted: Option<&Anchor>) {
        let now = self.machine.read();
        let time = noted.map_or(now.wall, |noted| noted.carried_on(&now));
        self.set(time, now.since_boot);
    }

    /// To be kept with what has its times.
    pub(in crate::queue) fn anchor(&self) -> Anchor {
        let at = self.machine.read();
        let time = self.at(at.since_boot);
        Anchor { at, time }
    }

    /// Since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Time {
        self.at(self.machine.since_boot())
    }

    /// How far the wall clock is ahead of it.
    #[must_use]
    pub fn skew(&self) -> Skew {
        Skew::between(self.now(), self.machine.wall())
    }

    fn at(&self, since_boot: Duration) -> Time {
        let nanos = nanos(since_boot).saturating_add(self.offset.load(Ordering::Relaxed));
        Time::from_nanos(u64::try_from(nanos).unwrap_or_default())
    }

    fn set(&self, time: Time, since_boot: Duration) {
        let time = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        let offset = time.saturating_sub(nanos(since_boot));
        self.offset.store(offset, Ordering::Relaxed);
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// How far the wall clock is ahead of a steady one, in whole seconds; nothing for what is below two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skew {
    seconds: i64,
}

impl Skew {
    fn between(steady: Time, wall: Time) -> Self {
        let ahead = i128::from(wall.as_nanos()) - i128::from(steady.as_nanos());
        let ahead = i64::try_from(ahead).unwrap_or_default();
        let seconds = match ahead.abs() < SHOWN_FROM {
            true => 0,
            false => ahead / SECOND,
        };
        Self { seconds }
    }

    /// A steady time as the wall clock of now spells it: whole milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self, steady: Time) -> u64 {
        millis(steady).saturating_add_signed(self.seconds.saturating_mul(1000))
    }

    /// And back: what the steady clock's time was when the wall clock of now would have said this.
    #[must_use]
    pub const fn steady_millis(self, wall_ms: u64) -> u64 {
        wall_ms.saturating_add_signed(self.seconds.saturating_mul(-1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn reading(boot: &str, since_boot: u64, wall: u64) -> Reading {
        Reading {
            boot: boot.into(),
            since_boot: Duration::from_secs(since_boot),
            wall: secs(wall),
        }
    }

    fn secs(secs: u64) -> Time {
        Time::from_millis(secs * 1000)
    }

    fn machine(at: Reading) -> (Arc<Mutex<Reading>>, Machine) {
        let fake = Arc::new(Mutex::new(at));
        (fake.clone(), Machine::Fake(fake))
    }

    #[test]
    fn its_time_goes_on_by_itself_while_the_wall_clock_is_set() {
        let (fake, machine) = machine(reading("a", 100, 50 * HOUR));
        let clock = Steady::on(machine);
        assert_eq!(clock.now(), secs(50 * HOUR));
        for wall in [52 * HOUR, 48 * HOUR, 0] {
            *fake.lock() = reading("a", 101, wall);
            assert_eq!(clock.now(), secs(50 * HOUR + 1));
        }
        *fake.lock() = reading("a", 160, 52 * HOUR);
        assert_eq!(clock.now(), secs(50 * HOUR + 60));
    }

    #[test]
    fn a_restart_carries_it_on_and_the_wall_clock_counts_only_over_a_reboot() {
        let noted = Anchor {
            at: reading("a", 100, 50 * HOUR),
            time: secs(40 * HOUR),
        };
        let check = |now: Reading, expected: u64| {
            let clock = Steady::on(machine(now.clone()).1);
            clock.resume(Some(&noted));
            assert_eq!(clock.now(), secs(expected), "{now:?}");
        };
        // The same boot: what the wall clock says is nothing.
        check(reading("a", 130, 52 * HOUR), 40 * HOUR + 30);
        check(reading("a", 130, 0), 40 * HOUR + 30);
        // Another one: as long as it was off, and never back.
        check(reading("b", 5, 51 * HOUR), 41 * HOUR);
        check(reading("b", 5, 3), 40 * HOUR);
        // Nobody can tell whether it is the same.
        check(reading("", 130, 51 * HOUR), 41 * HOUR);
        // One that claims to be the same and cannot be.
        check(reading("a", 99, 50 * HOUR + 7), 40 * HOUR + 7);
        let new = Steady::on(machine(reading("a", 7, 9)).1);
        new.resume(None);
        assert_eq!(new.now(), secs(9));
    }

    #[test]
    fn an_anchor_says_what_the_time_was() {
        let (fake, machine) = machine(reading("a", 100, 50 * HOUR));
        let clock = Steady::on(machine);
        *fake.lock() = reading("a", 110, 40 * HOUR);
        let expected = Anchor {
            at: reading("a", 110, 40 * HOUR),
            time: secs(50 * HOUR + 10),
        };
        assert_eq!(clock.anchor(), expected);
    }

    #[test]
    fn people_see_the_wall_clocks_time_without_its_adjustments() {
        let (fake, machine) = machine(reading("a", 100, 50 * HOUR));
        let clock = Steady::on(machine);
        let at = clock.now();
        let shown = |wall: u64| {
            *fake.lock() = reading("a", 100, wall);
            clock.skew().millis(at)
        };
        assert_eq!(shown(50 * HOUR + 1), millis(at));
        assert_eq!(shown(50 * HOUR + 2), millis(at) + 2000);
        assert_eq!(shown(48 * HOUR), millis(at) - 2 * HOUR * 1000);
        assert_eq!(shown(52 * HOUR), millis(at) + 2 * HOUR * 1000);
        assert!(clock::since_boot() > Duration::ZERO);
    }
}
