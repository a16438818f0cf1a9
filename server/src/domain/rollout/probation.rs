//! How long a revision has had its calls, by a clock that nobody sets.
//!
//! Its record says when it became ready by the wall clock of whichever server saw that. Two such moments are compared once only, for
//! what was ready before this server started, and against the moment of that start: whatever the clocks of servers say, and
//! however one is set while it runs, probation lasts as long as it is to, and after a restart no longer than that again.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::PROBATION;
use crate::domain::function::{Function, RevisionHead};

/// What is known of revisions that became ready while this server ran. Times are since its start.
#[derive(Debug)]
pub struct Ages {
    started: Timestamp,
    /// By uid, as far as it matters: older ones are on probation no more, whenever that began.
    ready: BTreeMap<String, (Timestamp, Duration)>,
}

impl Ages {
    /// Of a server that starts now.
    pub fn new(started: Timestamp) -> Self {
        Self {
            started,
            ready: BTreeMap::new(),
        }
    }

    /// A change of the function is heard of. Its newest revision became ready with it, or was so before.
    pub fn changed(&mut self, function: &Function, now: Duration) {
        self.ready
            .retain(|_, (_, at)| now.saturating_sub(*at) < PROBATION);
        let Some(head) = function.latest() else {
            return;
        };
        // Being ready is a change of its own: no other moment is the same.
        let Some(ready) = head.ready_at.filter(|ready| *ready == function.updated_at) else {
            return;
        };
        match self.ready.get(&head.uid) {
            Some((known, _)) if *known == ready => {}
            _ => drop(self.ready.insert(head.uid.clone(), (ready, now))),
        }
    }

    /// For how long a revision has been ready; `None`: it is not.
    pub fn of(&self, head: &RevisionHead, now: Duration) -> Option<Duration> {
        let ready = head.ready_at?;
        Some(match self.ready.get(&head.uid) {
            Some((known, at)) if *known == ready => now.saturating_sub(*at),
            // Before the start, or long enough after it.
            _ => {
                let before = self.started.duration_since(ready);
                Duration::try_from(before).unwrap_or_default() + now
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Apply, apply, ready};
    use super::*;

    const HOUR: i64 = 3_600;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// Its only revision became ready then, by some server's clock.
    fn function(ready_at: i64) -> Function {
        let spec = r#"{"kind": "process", "process": {"command": ["x"]}}"#;
        let wanted = Apply {
            spec: serde_json::from_str(spec).unwrap(),
            labels: BTreeMap::new(),
        };
        let made = apply(None, ("default", "f"), &wanted, (at(0), "u")).function;
        ready(&made, "f-00001", at(ready_at)).unwrap()
    }

    fn age(ages: &Ages, function: &Function, now: u64) -> u64 {
        let head = function.latest().unwrap();
        ages.of(head, secs(now)).unwrap().as_secs()
    }

    #[test]
    fn a_clock_that_is_set_makes_no_revision_older_or_younger() {
        let mut ages = Ages::new(at(10 * HOUR));
        // Ready a second after the start, by clocks that are right, two hours ahead and two hours behind.
        for skew in [0, 2 * HOUR, -2 * HOUR] {
            let function = function(10 * HOUR + 1 + skew);
            ages.changed(&function, secs(1));
            assert_eq!(age(&ages, &function, 60), 59, "{skew}");
            // Heard of again, as after a change of its traffic.
            ages.changed(&function, secs(30));
            assert_eq!(age(&ages, &function, 60), 59, "{skew}");
        }
    }

    #[test]
    fn after_a_restart_probation_lasts_no_longer_than_again() {
        let ages = |started| Ages::new(at(started));
        // By a clock that goes right, by one that was set back before the start, and by one that was set forward.
        let function = function(10 * HOUR);
        assert_eq!(age(&ages(10 * HOUR + 50), &function, 9), 59);
        assert_eq!(age(&ages(8 * HOUR), &function, 9), 9);
        assert_eq!(age(&ages(8 * HOUR), &function, 60), 60);
        assert_eq!(age(&ages(12 * HOUR), &function, 9), 7_209);
    }

    #[test]
    fn what_is_forgotten_is_old_enough_and_what_is_ready_anew_is_young() {
        let mut ages = Ages::new(at(HOUR));
        let first = function(3 * HOUR);
        ages.changed(&first, secs(10));
        let mut other = function(HOUR);
        other.revisions[0].uid = "other".into();
        ages.changed(&other, secs(10 + PROBATION.as_secs()));
        assert!(!ages.ready.contains_key("u"));
        assert!(age(&ages, &first, 71) >= PROBATION.as_secs());
        // It gave its calls back, and has shown since that it works.
        let again = function(3 * HOUR + 1);
        ages.changed(&again, secs(100));
        assert_eq!(age(&ages, &again, 101), 1);
        // A change that made nothing ready is none of this one's business.
        let mut labelled = function(HOUR);
        labelled.updated_at = at(5 * HOUR);
        labelled.revisions[0].uid = "old".into();
        ages.changed(&labelled, secs(100));
        assert!(!ages.ready.contains_key("old"));
    }
}
