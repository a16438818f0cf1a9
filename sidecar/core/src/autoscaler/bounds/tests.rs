//! Knative's way to minimum, maximum, initial scale and zero, with times in seconds.

use proptest::prelude::*;

use super::*;
use crate::autoscaler::Reason;

fn at(secs: u64) -> Time {
    Time::from_millis(secs * 1000)
}

fn config() -> Config {
    Config::from_scaling(&Scaling::default(), true)
}

fn wants(desired: u32, excess_burst_capacity: i64) -> Option<Decision> {
    Some(Decision {
        desired,
        panic: false,
        excess_burst_capacity,
        reason: Reason::Idle,
    })
}

/// A revision that runs: whatever is answered is ready at the next step.
struct World {
    bounds: Bounds,
    running: u32,
}

impl World {
    fn new(config: Config, running: u32, initialized: bool) -> Self {
        Self {
            bounds: Bounds::new(config, Time::ZERO, running, initialized),
            running,
        }
    }

    #[track_caller]
    fn check(&mut self, t: u64, decision: Option<Decision>, expected: u32, activity: Activity) {
        let decision = decision.as_ref();
        let count = self
            .bounds
            .apply(at(t), decision, self.running, self.running);
        let got = (count, self.bounds.activity());
        assert_eq!(got, (expected, activity), "at {t} s");
        self.running = count;
    }
}

use Activity::{Activating, Active, Inactive};

#[test]
fn minimum_wins_and_no_maximum_is_zero() {
    assert_eq!([0, 3, 9].map(|n| clamp(2, 5, n)), [2, 3, 5]);
    assert_eq!([0, 3, 9].map(|n| clamp(0, 0, n)), [0, 3, 9]);
}

#[test]
fn new_revision_starts_its_initial_scale_before_any_data() {
    let initial = Config {
        initial_scale: 3,
        ..config()
    };
    let mut world = World::new(initial, 0, false);
    world.check(0, None, 3, Activating);
    world.check(2, wants(1, -1), 3, Active);
    assert!(world.bounds.initialized());
    // Reached once, it is forgotten.
    world.check(4, wants(1, -1), 1, Active);
}

#[test]
fn initial_scale_of_zero_starts_nothing() {
    let initial = Config {
        initial_scale: 0,
        ..config()
    };
    let mut world = World::new(initial, 0, false);
    world.check(0, None, 0, Inactive);
    world.check(10, wants(1, -1), 1, Activating);
    world.check(12, wants(1, -1), 1, Active);
}

#[test]
fn initial_scale_is_held_until_all_of_it_was_ready_at_once() {
    let initial = Config {
        initial_scale: 3,
        ..config()
    };
    let mut bounds = Bounds::new(initial, Time::ZERO, 0, false);
    for ready in [0, 1, 2] {
        assert_eq!(bounds.apply(at(2), wants(0, -1).as_ref(), ready, 3), 3);
        assert!(!bounds.initialized());
    }
    bounds.apply(at(4), wants(0, -1).as_ref(), 3, 3);
    assert!(bounds.initialized());
}

#[test]
fn initial_scale_above_the_maximum_is_reached_at_the_maximum() {
    let initial = Config {
        initial_scale: 5,
        max_scale: 2,
        ..config()
    };
    let mut world = World::new(initial, 0, false);
    world.check(0, None, 2, Activating);
    world.check(2, None, 2, Active);
    assert!(world.bounds.initialized());
}

#[test]
fn unreachable_ignores_minimum_initial_scale_and_retention() {
    let unreachable = Config {
        min_scale: 2,
        initial_scale: 3,
        retention: Duration::from_secs(600),
        reachable: false,
        ..config()
    };
    let mut world = World::new(unreachable, 4, true);
    world.check(0, wants(2, -1), 2, Active);
    world.check(60, wants(0, -1), 2, Inactive);
    world.check(62, wants(0, -1), 0, Inactive);
    assert_eq!(
        World::new(unreachable, 0, false)
            .bounds
            .apply(at(0), None, 0, 0),
        0
    );
}

#[test]
fn active_for_less_than_a_stable_window_keeps_one() {
    let mut world = World::new(config(), 3, true);
    world.check(10, wants(2, -1), 2, Active);
    world.check(20, wants(0, -1), 1, Active);
    assert_eq!(world.bounds.next_deadline(), Some(at(70)));
    world.check(69, wants(0, -1), 1, Active);
    world.check(70, wants(0, -1), 1, Inactive);
    // A burst would have been held all the time, so the grace period is over.
    assert_eq!(world.bounds.next_deadline(), Some(at(70)));
    world.check(72, wants(0, -1), 0, Inactive);
    assert_eq!(world.bounds.next_deadline(), None);
}

#[test]
fn grace_counts_from_inactivity_while_bursts_need_no_holding() {
    let mut world = World::new(config(), 1, true);
    world.check(0, wants(1, 0), 1, Active);
    world.check(60, wants(0, 0), 1, Inactive);
    assert_eq!(world.bounds.next_deadline(), Some(at(90)));
    world.check(89, wants(0, 0), 1, Inactive);
    world.check(90, wants(0, 0), 0, Inactive);
}

#[test]
fn grace_counts_from_when_bursts_need_holding() {
    let mut world = World::new(config(), 1, true);
    world.check(0, wants(1, 5), 1, Active);
    world.check(50, wants(1, -5), 1, Active);
    world.check(60, wants(0, -5), 1, Inactive);
    world.check(78, wants(0, -5), 1, Inactive);
    world.check(80, wants(0, -5), 0, Inactive);
}

#[test]
fn call_in_the_last_moment_keeps_the_instance() {
    let mut world = World::new(config(), 1, true);
    world.check(0, wants(1, 0), 1, Active);
    world.check(60, wants(0, 0), 1, Inactive);
    world.check(80, wants(1, 0), 1, Active);
    world.check(100, wants(0, 0), 1, Active);
    world.check(140, wants(0, 0), 1, Inactive);
    world.check(170, wants(0, 0), 0, Inactive);
}

#[test]
fn retention_keeps_what_runs_and_outlasts_grace() {
    let retained = Config {
        retention: Duration::from_secs(100),
        ..config()
    };
    let mut world = World::new(retained, 1, true);
    world.check(0, wants(1, -1), 1, Active);
    world.check(60, wants(0, -1), 1, Inactive);
    assert_eq!(world.bounds.next_deadline(), Some(at(160)));
    world.check(159, wants(0, -1), 1, Inactive);
    world.check(160, wants(0, -1), 0, Inactive);
}

#[test]
fn zero_waits_while_instances_start_until_they_are_given_up() {
    let mut bounds = Bounds::new(config(), Time::ZERO, 0, true);
    assert_eq!(bounds.apply(at(0), wants(1, -1).as_ref(), 0, 0), 1);
    assert_eq!(bounds.apply(at(60), wants(0, -1).as_ref(), 0, 1), 1);
    assert_eq!(bounds.next_deadline(), Some(at(630)));
    assert_eq!(bounds.apply(at(629), wants(0, -1).as_ref(), 0, 1), 1);
    assert_eq!(bounds.apply(at(630), wants(0, -1).as_ref(), 0, 1), 0);
    assert_eq!(bounds.activity(), Inactive);
    // Given up, not for good.
    assert_eq!(bounds.apply(at(700), wants(1, -1).as_ref(), 0, 0), 1);
}

#[test]
fn without_data_what_runs_is_kept_within_bounds() {
    let bounded = Config {
        min_scale: 2,
        max_scale: 4,
        ..config()
    };
    for (current, expected) in [(0, 2), (3, 3), (9, 4)] {
        let mut bounds = Bounds::new(bounded, Time::ZERO, current, true);
        assert_eq!(bounds.apply(at(0), None, current, current), expected);
    }
}

#[test]
fn lost_instances_are_wanted_again() {
    let minimum = Config {
        min_scale: 2,
        ..config()
    };
    let mut bounds = Bounds::new(minimum, Time::ZERO, 2, true);
    assert_eq!(bounds.apply(at(0), wants(0, -1).as_ref(), 2, 2), 2);
    assert_eq!(bounds.apply(at(2), wants(0, -1).as_ref(), 0, 2), 2);
    assert_eq!(bounds.activity(), Activating);
}

proptest! {
    #[test]
    fn never_outside_bounds_and_never_early_to_zero(
        (min_scale, spread, initial_scale) in (0..4u32, 0..4u32, 0..6u32),
        (reachable, retention) in (any::<bool>(), 0..90u64),
        steps in proptest::collection::vec((0..40u64, 0..3u32, -5..5i64, 0..8u32), 1..80),
    ) {
        let config = Config {
            min_scale,
            max_scale: if spread == 0 { 0 } else { min_scale + spread },
            initial_scale,
            reachable,
            retention: Duration::from_secs(retention),
            ..config()
        };
        let mut bounds = Bounds::new(config, Time::ZERO, 0, false);
        let (mut now, mut current, mut wanted_at) = (0, 0, 0);
        for (gap, desired, excess, ready) in steps {
            now += gap;
            let deadline = bounds.next_deadline();
            let before = bounds.activity();
            let count = bounds.apply(at(now), wants(desired, excess).as_ref(), ready, current);
            prop_assert!(config.max_scale == 0 || count <= config.max_scale);
            prop_assert!(count >= config.min());
            prop_assert!(count >= desired || count == config.max_scale);
            if desired > 0 {
                wanted_at = now;
            }
            if count == 0 && current > 0 {
                prop_assert!(before != Active, "an active revision never goes to zero");
                prop_assert!(deadline.is_none_or(|deadline| deadline <= at(now)));
                prop_assert!(before == Activating
                    || now - wanted_at >= config.retention().as_secs().min(now));
            }
            current = count;
        }
    }
}
