//! Whether another sidecar still answers, decided from what it answered and when somebody looked.
//!
//! A connection alone says nothing: a host that was powered off, frozen or cut off resets none. So a
//! sidecar that has calls at a peer asks it again and again, and this says what its silence means.
//! Silence is counted in looks, and a look counts little however late it comes: who was stopped
//! itself, or had no processor, knows nothing of others for that time.

use std::time::Duration;

use crate::time::Time;

/// From an answer to the next question.
pub const ASK_EVERY: Duration = Duration::from_millis(200);
/// Between two looks at what has not been answered.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Silence after which no further call is sent there.
pub const SUSPECT_AFTER: Duration = Duration::from_millis(500);
/// Silence after which the calls that are there are given up.
pub const LOST_AFTER: Duration = Duration::from_millis(1_200);
/// Silence that one look adds at most.
const MOST_A_LOOK: Duration = Duration::from_millis(150);

/// What a peer's silence means for calls to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Calls go there.
    Answers,
    /// Calls that are there go on; new ones go elsewhere.
    Suspect,
    /// Calls that are there have failed.
    Lost,
}

/// The silence of one peer.
#[derive(Debug, Clone)]
pub struct Pulse {
    silent: Duration,
    looked: Time,
}

impl Pulse {
    /// Nothing is held against the peer yet.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            silent: Duration::ZERO,
            looked: now,
        }
    }

    /// The peer gave a sign of life.
    pub fn answered(&mut self, now: Time) {
        *self = Self::new(now);
    }

    /// Nothing came since the last look.
    pub fn look(&mut self, now: Time) -> State {
        self.silent += now.since(self.looked).min(MOST_A_LOOK);
        self.looked = now;
        self.state()
    }

    /// As of the last look.
    #[must_use]
    pub fn state(&self) -> State {
        if self.silent >= LOST_AFTER {
            State::Lost
        } else if self.silent >= SUSPECT_AFTER {
            State::Suspect
        } else {
            State::Answers
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 50 ms for so long.
    fn look_for(pulse: &mut Pulse, now: &mut Time, silence: Duration) -> State {
        let end = *now + silence;
        while *now < end {
            *now += LOOK_EVERY;
            pulse.look(*now);
        }
        pulse.state()
    }

    #[test]
    fn silence_is_first_suspected_and_then_believed() {
        let mut now = Time::from_millis(5_000);
        let mut pulse = Pulse::new(now);
        let ms = Duration::from_millis;
        assert_eq!(look_for(&mut pulse, &mut now, ms(450)), State::Answers);
        assert_eq!(look_for(&mut pulse, &mut now, ms(50)), State::Suspect);
        assert_eq!(look_for(&mut pulse, &mut now, ms(650)), State::Suspect);
        assert_eq!(look_for(&mut pulse, &mut now, ms(50)), State::Lost);
        pulse.answered(now);
        assert_eq!(pulse.state(), State::Answers);
        assert_eq!(look_for(&mut pulse, &mut now, ms(450)), State::Answers);
    }

    #[test]
    fn answers_in_time_are_no_silence_whatever_they_took() {
        let mut now = Time::ZERO;
        let mut pulse = Pulse::new(now);
        for _ in 0..100 {
            let silence = ASK_EVERY + Duration::from_millis(250);
            assert_eq!(look_for(&mut pulse, &mut now, silence), State::Answers);
            pulse.answered(now);
        }
    }

    #[test]
    fn who_was_stopped_itself_holds_nothing_against_others() {
        let mut now = Time::ZERO;
        let mut pulse = Pulse::new(now);
        look_for(&mut pulse, &mut now, Duration::from_millis(200));
        // SIGSTOP, and an hour later SIGCONT.
        now += Duration::from_secs(3_600);
        assert_eq!(pulse.look(now), State::Answers);
    }
}
