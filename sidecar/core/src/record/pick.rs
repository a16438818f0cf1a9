//! Which calls are put on record: all that fail, waited for an instance or took long, and a share of the rest.
//!
//! Most calls are looked at once ([`glance`]) and left alone: what one costs that is not kept is a few comparisons. What
//! may be kept goes through a [`Picker`], of which each function has one: so many of each kind a second, and no more, so that
//! a flood of errors costs little more than the errors themselves.

use std::time::Duration;

use super::Kept;
use crate::time::Time;

/// One in so many calls is kept of those that are neither failed, nor cold, nor slow.
pub const ONE_IN: u32 = 100;
/// A function's records of errors in a second.
pub const MAX_ERRORS_A_SECOND: u16 = 100;
/// A function's records of cold starts in a second.
pub const MAX_COLD_A_SECOND: u16 = 50;
/// A function's records of slow calls in a second, and of the rest.
pub const MAX_OTHERS_A_SECOND: u16 = 20;
/// Of each kind, in the order of [`Kept`].
const MOST: [u16; 4] = [
    MAX_ERRORS_A_SECOND,
    MAX_COLD_A_SECOND,
    MAX_OTHERS_A_SECOND,
    MAX_OTHERS_A_SECOND,
];
/// Each call of so many moves the estimate of what is slow down, unless it was slower. A power of two.
const EVERY: u64 = 64;
/// The share of calls that are slow.
const SLOW_SHARE: f64 = 0.01;
/// How far a call moves the estimate: at first, and at least.
const STEPS: (f64, f64) = (0.5, 0.05);
const SECOND: Duration = Duration::from_secs(1);

/// How calls are picked at this sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// One in so many of the rest is kept, and one a second of each function anyway; 0: none.
    pub one_in: u32,
    /// Calls that take as long are slow; `None`: those that take longer than 99 of 100 do.
    pub slow: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            one_in: ONE_IN,
            slow: None,
        }
    }
}

/// What is known of every call at its end.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// What its caller is answered.
    pub status: u16,
    /// It waited for an instance.
    pub cold: bool,
    /// From its arrival to the head of its answer.
    pub took: Duration,
    /// When that came.
    pub at: Time,
}

impl Ended {
    /// Whether it failed: the function or the sidecar says that it is their fault, or that there was no room.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.status >= 500 || self.status == 429
    }

    const fn nanos(&self) -> u64 {
        self.took.as_nanos() as u64
    }
}

/// What [`glance`] needs of a function's picker, as whoever looks has it at hand.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Slower calls are slow, nanoseconds.
    pub slow: u64,
    /// From then on the next of the rest is kept, whatever its number; nanoseconds.
    pub due: u64,
}

/// Whether a call may be kept, or its picker is to learn from it: the `number`th of its function.
#[must_use]
pub const fn glance(settings: &Settings, line: Line, ended: &Ended, number: u64) -> bool {
    ended.is_error()
        || ended.cold
        || ended.nanos() > line.slow
        || number.is_multiple_of(EVERY)
        || ended.at.as_nanos() >= line.due
        || is_sampled(settings, number)
}

const fn is_sampled(settings: &Settings, number: u64) -> bool {
    // A modulus of 0 is no share at all.
    settings.one_in != 0 && number.is_multiple_of(settings.one_in as u64)
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// It is put on record.
    Keep(Kept),
    /// It would be, but as many of its kind were in this second as may.
    Missed(Kept),
    /// Nobody needs it.
    Leave,
}

/// What is picked of one function's calls.
#[derive(Debug)]
pub struct Picker {
    slow: Slow,
    /// The second that counts, and what was kept in it.
    since: Time,
    kept: [u16; 4],
    due: Time,
}

impl Picker {
    /// One for a function of which no call is known yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            slow: match settings.slow {
                Some(least) => Slow::Set(least.as_nanos() as u64),
                None => Slow::Unknown,
            },
            since: Time::ZERO,
            kept: [0; 4],
            due: Time::ZERO,
        }
    }

    /// What [`glance`] is to look at from now on.
    #[must_use]
    pub fn line(&self, settings: &Settings) -> Line {
        let is_sampling = settings.one_in != 0;
        Line {
            slow: self.slow.line(),
            due: if is_sampling {
                self.due.as_nanos()
            } else {
                u64::MAX
            },
        }
    }

    /// Decides about a call that [`glance`] let through.
    pub fn pick(&mut self, settings: &Settings, ended: &Ended, number: u64) -> Pick {
        let is_slow = ended.nanos() > self.slow.line();
        if !ended.cold && !ended.is_error() {
            // Cold starts are told apart anyway, and would make of a slow call a quick one.
            self.slow.learn(ended.nanos(), number);
        }
        let is_due = settings.one_in != 0 && ended.at >= self.due;
        let kind = match ended {
            _ if ended.is_error() => Kept::Error,
            _ if ended.cold => Kept::Cold,
            _ if is_slow => Kept::Slow,
            _ if is_due || is_sampled(settings, number) => Kept::Sample,
            _ => return Pick::Leave,
        };
        if ended.at.since(self.since) >= SECOND {
            (self.since, self.kept) = (ended.at, [0; 4]);
        }
        let (kept, most) = (&mut self.kept[kind as usize], MOST[kind as usize]);
        if *kept >= most {
            return Pick::Missed(kind);
        }
        *kept += 1;
        if kind == Kept::Sample {
            self.due = ended.at + SECOND;
        }
        Pick::Keep(kind)
    }
}

/// How long a call takes that is slow: what was set, or a running estimate of what 99 of 100 stay below. Each slower call
/// moves it up and each of those that are looked at and are not moves it down, in proportion, so that it rests where one of
/// a hundred is slower. It moves in smaller steps once it goes to and fro.
#[derive(Debug)]
enum Slow {
    /// No call has been seen: none is slow.
    Unknown,
    Set(u64),
    Estimate {
        nanos: f64,
        step: f64,
        up: bool,
    },
}

impl Slow {
    fn line(&self) -> u64 {
        match self {
            Self::Unknown => u64::MAX,
            Self::Set(nanos) => *nanos,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a time, which is rounded"
            )]
            Self::Estimate { nanos, .. } => *nanos as u64,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn learn(&mut self, took: u64, number: u64) {
        match self {
            Self::Set(_) => {}
            Self::Unknown => {
                *self = Self::Estimate {
                    nanos: took.max(1) as f64,
                    step: STEPS.0,
                    up: true,
                };
            }
            Self::Estimate { nanos, step, up } => {
                let goes_up = took as f64 > *nanos;
                if !goes_up && !number.is_multiple_of(EVERY) {
                    return;
                }
                *step = match goes_up == *up {
                    true => (*step * 1.2).min(STEPS.0),
                    false => (*step / 2.0).max(STEPS.1),
                };
                *up = goes_up;
                *nanos *= match goes_up {
                    true => 1.0 + (1.0 - SLOW_SHARE) * *step,
                    false => 1.0 - SLOW_SHARE * EVERY as f64 * *step,
                };
                *nanos = nanos.max(1.0);
            }
        }
    }
}
