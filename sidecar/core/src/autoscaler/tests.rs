//! The situations Knative's `autoscaler_test.go` is about, worked out from the published
//! algorithm.

use super::*;

/// Target as given and 75 % utilization, rates of ten, panic at twice, a window of a minute.
fn config(target: f64, target_burst_capacity: f64) -> Config {
    Config {
        target,
        total: target / 0.75,
        target_burst_capacity,
        max_scale_up_rate: 10.0,
        max_scale_down_rate: 10.0,
        activation_scale: 0,
        ..Config::default()
    }
}

fn at(secs: u64) -> Time {
    Time::from_millis(secs * 1000)
}

/// Second, ready, stable, panic.
type Tick = (u64, u32, f64, f64);

/// Ticks against (desired, in panic mode).
#[track_caller]
fn check(config: Config, initial_ready: u32, ticks: &[(Tick, (u32, bool))]) -> Autoscaler {
    let mut autoscaler = Autoscaler::new(config, Time::ZERO, initial_ready);
    for &((t, ready, stable, panic), expected) in ticks {
        let decision = autoscaler.scale(at(t), ready, stable, panic);
        let got = (decision.desired, decision.panic);
        assert_eq!(got, expected, "at {t} s: {}", decision.reason);
    }
    autoscaler
}

/// One tick of a new autoscaler: excess burst capacity.
#[track_caller]
fn check_excess(config: Config, ready: u32, panic: f64, expected: i64) {
    let decision = Autoscaler::new(config, Time::ZERO, 0).scale(Time::ZERO, ready, panic, panic);
    assert_eq!(decision.excess_burst_capacity, expected);
}

#[test]
fn stable_average_over_target_rounded_up_is_the_count() {
    for (ready, stable, desired) in [(1, 50.0, 5), (1, 50.1, 6), (5, 50.0, 5), (1, 0.0, 0)] {
        check(
            config(10.0, 100.0),
            1,
            &[((0, ready, stable, 10.0), (desired, false))],
        );
    }
    check(
        config(10.0, 101.0),
        1,
        &[
            ((0, 1, 50.0, 10.0), (5, false)),
            ((0, 1, 100.0, 10.0), (10, false)),
        ],
    );
    check(
        config(10.0, 98.0),
        1,
        &[
            ((0, 8, 100.0, 100.0), (10, false)),
            ((2, 8, 50.0, 50.0), (5, false)),
        ],
    );
}

#[test]
fn no_load_goes_to_zero() {
    check(
        config(10.0, 75.0),
        1,
        &[
            ((0, 1, 1.0, 0.0), (1, false)),
            ((2, 1, 0.0, 0.0), (0, false)),
        ],
    );
}

#[test]
fn activation_scale_is_for_any_load_but_none() {
    let config = Config {
        activation_scale: 4,
        ..config(10.0, 75.0)
    };
    check(
        config,
        1,
        &[
            ((0, 1, 0.0, 0.0), (0, false)),
            ((2, 1, 1.0, 0.0), (4, false)),
            ((4, 4, 45.0, 45.0), (5, false)),
            // Not even the rate limit is above it.
            ((6, 0, 1.0, 1.0), (4, false)),
        ],
    );
}

#[test]
fn surge_begins_panic_and_panic_average_counts() {
    check(config(10.0, 84.0), 1, &[((0, 1, 50.0, 100.0), (10, true))]);
    // At the threshold is over it: 2 instances' worth for 1 ready.
    check(config(10.0, 84.0), 1, &[((0, 1, 0.0, 11.0), (2, true))]);
    check(config(10.0, 84.0), 1, &[((0, 1, 0.0, 10.0), (0, false))]);
}

#[test]
fn larger_of_both_averages_counts_in_panic() {
    check(config(1.0, 100.0), 5, &[((5, 5, 50.0, 30.0), (50, true))]);
    check(config(1.0, 100.0), 5, &[((5, 5, 20.0, 30.0), (30, true))]);
}

#[test]
fn panic_follows_exponential_growth() {
    check(
        config(1.0, 101.0),
        1,
        &[
            ((0, 1, 6.0, 6.0), (6, true)),
            ((1, 6, 36.0, 36.0), (36, true)),
            ((2, 36, 216.0, 216.0), (216, true)),
            ((3, 216, 1296.0, 1296.0), (1296, true)),
            ((4, 1296, 1296.0, 1296.0), (1296, true)),
        ],
    );
}

#[test]
fn panic_never_scales_down_and_ends_a_stable_window_after_the_surge() {
    check(
        config(10.0, 93.0),
        1,
        &[
            ((0, 1, 100.0, 100.0), (10, true)),
            ((0, 10, 100.0, 1000.0), (100, true)),
            ((30, 10, 1.0, 1.0), (100, true)),
            ((60, 10, 1.0, 1.0), (100, true)),
            ((61, 10, 1.0, 1.0), (1, false)),
        ],
    );
}

#[test]
fn slow_growth_does_not_prolong_panic_but_another_surge_does() {
    let first = ((0, 10, 11.0, 25.0), (25, true));
    check(
        config(1.0, 98.0),
        1,
        &[
            first,
            ((30, 40, 30.0, 41.0), (41, true)),
            ((62, 55, 50.0, 56.0), (50, false)),
        ],
    );
    check(
        config(1.0, 98.0),
        1,
        &[
            first,
            ((30, 40, 30.0, 80.0), (80, true)),
            ((62, 80, 50.0, 56.0), (80, true)),
            ((92, 80, 50.0, 56.0), (50, false)),
        ],
    );
}

#[test]
fn more_than_one_instance_at_the_start_is_panic() {
    for ready in [0, 1] {
        check(
            config(100.0, 11.0),
            ready,
            &[((2, ready, 0.0, 0.0), (0, false))],
        );
    }
    check(
        config(100.0, 11.0),
        5,
        &[
            ((2, 5, 0.0, 0.0), (5, true)),
            ((60, 5, 0.0, 0.0), (5, true)),
            ((62, 5, 0.0, 0.0), (0, false)),
            // What was held is forgotten.
            ((64, 1, 0.0, 300.0), (3, true)),
        ],
    );
}

#[test]
fn rates_limit_one_step() {
    check(
        config(10.0, 61.0),
        1,
        &[
            ((0, 1, 1000.0, 1001.0), (10, true)),
            ((2, 10, 1000.0, 1001.0), (100, true)),
        ],
    );
    check(
        config(10.0, 61.0),
        1,
        &[
            ((0, 100, 1.0, 1.0), (10, false)),
            ((2, 10, 1.0, 1.0), (1, false)),
        ],
    );
}

#[test]
fn smallest_rates_still_allow_a_step_of_one() {
    let slow = Config {
        max_scale_up_rate: 1.1,
        max_scale_down_rate: 1.1,
        ..config(1.0, 1982.0)
    };
    check(slow, 1, &[((0, 2, 3.0, 3.1), (3, true))]);
    check(slow, 1, &[((0, 100, 0.1, 0.1), (90, false))]);
    check(slow, 1, &[((0, 10, 0.1, 0.1), (9, false))]);
}

#[test]
fn unreachable_goes_down_at_once() {
    let unreachable = Config {
        reachable: false,
        max_scale_down_rate: 1.1,
        ..config(10.0, 1982.0)
    };
    check(
        unreachable,
        1,
        &[
            ((0, 100, 1.0, 1.0), (1, false)),
            ((2, 100, 0.0, 0.0), (0, false)),
        ],
    );
}

#[test]
fn none_ready_counts_as_one() {
    check(
        config(10.0, 81.0),
        0,
        &[((0, 0, 1000.0, 888.0), (10, true))],
    );
}

#[test]
fn update_takes_effect_at_once() {
    let mut autoscaler = check(config(10.0, 77.0), 1, &[((0, 1, 100.0, 101.0), (10, true))]);
    autoscaler.update(config(1.0, 71.0));
    assert_eq!(autoscaler.scale(at(2), 10, 100.0, 101.0).desired, 100);
}

#[test]
fn excess_burst_capacity_is_what_is_left_beyond_the_burst() {
    check_excess(config(7.5, 5.0), 3, 10.0, 15);
    check_excess(config(7.5, 100.0), 1, 50.0, -140);
    // Floored, also below zero; zero instances have no capacity.
    check_excess(config(7.5, 10.0), 1, 0.5, -1);
    check_excess(config(7.5, 10.0), 0, 0.0, -10);
    check_excess(config(10.0, 0.0), 1, 49.0, 0);
    check_excess(config(10.0, -1.0), 100, 0.0, -1);
    check_excess(Config::default(), 1, 0.0, -111);
}

fn delayed(secs: u64) -> Config {
    Config {
        panic_threshold: 100.0,
        stable_window: Duration::ZERO,
        scale_down_delay: Duration::from_secs(secs),
        ..config(10.0, 0.0)
    }
}

#[test]
fn scale_down_waits_for_the_delay() {
    check(
        delayed(300),
        0,
        &[
            ((2, 0, 40.0, 40.0), (4, false)),
            ((300, 0, 0.0, 0.0), (4, false)),
            ((302, 0, 0.0, 0.0), (0, false)),
            ((540, 0, 40.0, 40.0), (4, false)),
            ((600, 0, 30.0, 30.0), (4, false)),
            ((660, 0, 0.0, 0.0), (4, false)),
            ((840, 0, 0.0, 0.0), (3, false)),
            ((900, 0, 0.0, 0.0), (0, false)),
        ],
    );
}

#[test]
fn no_delay_means_none() {
    check(
        delayed(0),
        0,
        &[
            ((0, 0, 40.0, 40.0), (4, false)),
            ((0, 0, 20.0, 20.0), (2, false)),
        ],
    );
}

#[test]
fn unreachable_does_not_wait_for_the_delay() {
    let ticks = [
        ((2, 0, 40.0, 40.0), (4, false)),
        ((60, 0, 0.0, 0.0), (4, false)),
    ];
    let mut autoscaler = check(delayed(300), 0, &ticks);
    autoscaler.update(Config {
        reachable: false,
        ..delayed(300)
    });
    assert_eq!(autoscaler.scale(at(62), 0, 0.0, 0.0).desired, 0);
    // Reachable again, what was wanted before still counts.
    autoscaler.update(delayed(300));
    assert_eq!(autoscaler.scale(at(64), 0, 0.0, 0.0).desired, 4);
}

#[test]
fn delay_is_read_once() {
    let mut autoscaler = check(delayed(300), 0, &[((2, 0, 40.0, 40.0), (4, false))]);
    autoscaler.update(delayed(0));
    assert_eq!(autoscaler.scale(at(4), 0, 0.0, 0.0).desired, 4);
    let mut autoscaler = check(delayed(0), 0, &[((2, 0, 40.0, 40.0), (4, false))]);
    autoscaler.update(delayed(300));
    assert_eq!(autoscaler.scale(at(4), 0, 0.0, 0.0).desired, 0);
}

#[test]
fn target_is_utilization_of_the_smaller_of_target_and_container_concurrency() {
    let check = |metric, target, limit, percent, expected: (f64, f64)| {
        let scaling = Scaling {
            metric,
            target,
            target_utilization_percent: percent,
            ..Scaling::default()
        };
        let config = Config::from_scaling(&scaling, limit, true);
        assert_eq!((config.target, config.total), expected);
    };
    check(Metric::Concurrency, 100.0, None, 70.0, (70.0, 100.0));
    check(Metric::Concurrency, 100.0, Some(10), 70.0, (7.0, 10.0));
    check(Metric::Concurrency, 5.0, Some(10), 80.0, (4.0, 5.0));
    check(Metric::Rps, 200.0, Some(10), 70.0, (140.0, 200.0));
    check(Metric::Concurrency, 0.01, None, 10.0, (TARGET_MIN, 0.01));
}

#[test]
fn settings_become_ratios_and_windows() {
    let config = Config::default();
    assert_eq!((config.target, config.total), (70.0, 100.0));
    assert_eq!(config.panic_threshold, 2.0);
    assert_eq!(config.panic_window, Duration::from_secs(6));
    let bounded = Config {
        min_scale: 2,
        max_scale: 5,
        ..config
    };
    assert_eq!([0, 3, 9].map(|n| bounded.clamp(n)), [2, 3, 5]);
    let unreachable = Config {
        reachable: false,
        ..bounded
    };
    assert_eq!([0, 3, 9].map(|n| unreachable.clamp(n)), [0, 3, 5]);
}

#[test]
fn reasons_say_what_decided() {
    let reason = |config: Config, initial, ready, stable, panic| {
        let mut autoscaler = Autoscaler::new(config, Time::ZERO, initial);
        autoscaler
            .scale(at(2), ready, stable, panic)
            .reason
            .to_string()
    };
    let base = config(7.0, 0.0);
    assert_eq!(
        reason(base, 0, 1, 0.0, 0.0),
        "idle: no load in the stable window"
    );
    assert_eq!(
        reason(base, 0, 2, 12.0, 12.0),
        "stable: 6.0 in flight per instance, target 7.0"
    );
    assert_eq!(
        reason(base, 0, 2, 5.0, 24.0),
        "panic: 12.0 in flight per instance, target 7.0"
    );
    assert!(reason(base, 0, 1, 700.0, 1.0).ends_with("max_scale_up_rate allows 10 in this step"));
    assert!(reason(base, 0, 50, 1.0, 1.0).ends_with("max_scale_down_rate keeps 5 in this step"));
    assert!(reason(base, 3, 3, 1.0, 1.0).starts_with("panic: holding 3 though 1 would do"));
    let activation = Config {
        activation_scale: 3,
        metric: Metric::Rps,
        ..base
    };
    assert_eq!(
        reason(activation, 0, 1, 1.0, 1.0),
        "activation_scale: any load starts 3"
    );
    assert!(reason(activation, 0, 1, 28.0, 1.0).contains("28.0 calls a second per instance"));
}
