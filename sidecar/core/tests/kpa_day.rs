//! A day of calls to one function: windows, autoscaler and bounds together, second by second.
//!
//! Instances take a few seconds to start and the load doesn't care. Deliberately one
//! revision and no hosts: placement has its own worlds.

use gateless_core::autoscaler::bounds::{self, Bounds};
use gateless_core::autoscaler::{Autoscaler, Config};
use gateless_core::config::Scaling;
use gateless_core::time::Time;
use gateless_core::window::Windows;

const START_SECS: u64 = 4;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Calls in flight: silent until 6 h, a hill until 22 h, and a burst at noon.
fn load(t: u64) -> f64 {
    let hill = if (6 * HOUR..22 * HOUR).contains(&t) {
        let part = (t - 6 * HOUR) as f64 / (16 * HOUR) as f64;
        400.0 * (part * std::f64::consts::PI).sin()
    } else {
        0.0
    };
    let burst = if (12 * HOUR..12 * HOUR + 90).contains(&t) {
        2500.0
    } else {
        0.0
    };
    hill + burst
}

/// What a day came to.
#[derive(Debug, Default)]
struct Day {
    instance_secs: u64,
    ideal_secs: f64,
    overloaded_secs: u64,
    loaded_secs: u64,
    panic_secs: u64,
    changes: u32,
    peak: u32,
    zero_from: Option<u64>,
    ready_at_three: u32,
}

fn run(scaling: &Scaling) -> Day {
    let config = Config::from_scaling(scaling, None, true);
    let limits = bounds::Config::from_scaling(scaling, true);
    let mut windows = Windows::new(config.stable_window, config.panic_window);
    let mut autoscaler = Autoscaler::new(config, Time::ZERO, 0);
    let mut bounds = Bounds::new(limits, Time::ZERO, 0, false);
    // When each running instance is ready.
    let mut instances: Vec<u64> = Vec::new();
    let mut day = Day::default();
    for t in 0..DAY {
        let now = Time::from_millis(t * 1000);
        let load = load(t);
        let ready = instances.iter().filter(|&&at| at <= t).count();
        let ready = u32::try_from(ready).unwrap_or(u32::MAX);
        windows.record(now, load);
        if t % 2 == 0 {
            let current = u32::try_from(instances.len()).unwrap_or(u32::MAX);
            let decision = windows
                .averages(now)
                .map(|(stable, panic)| autoscaler.scale(now, ready, stable, panic));
            let count = bounds.apply(now, decision.as_ref(), ready, current);
            day.changes += u32::from(count != current);
            day.panic_secs += 2 * u64::from(decision.is_some_and(|d| d.panic));
            instances.resize(count as usize, t + START_SECS);
        }
        day.instance_secs += instances.len() as u64;
        day.ideal_secs += (load / config.target).ceil();
        day.loaded_secs += u64::from(load > 0.0);
        day.overloaded_secs += u64::from(load > f64::from(ready) * config.total);
        day.peak = day
            .peak
            .max(u32::try_from(instances.len()).unwrap_or(u32::MAX));
        if !instances.is_empty() {
            day.zero_from = None;
        } else if day.zero_from.is_none() {
            day.zero_from = Some(t);
        }
        if t == 3 * HOUR {
            day.ready_at_three = ready;
        }
    }
    day
}

#[test]
fn day_with_the_defaults_follows_the_load() {
    let day = run(&Scaling::default());
    assert_eq!(day.ready_at_three, 0, "idle at night: {day:?}");
    // The last call ends at 22 h; a stable window later the last instance goes.
    let zero_from = day.zero_from.unwrap_or(DAY);
    let after = zero_from.saturating_sub(22 * HOUR);
    assert!((30..=100).contains(&after), "zero {after} s after: {day:?}");
    // Only starting up from zero and the first seconds of the burst overload anyone.
    assert!(day.overloaded_secs < 30, "{day:?}");
    assert_eq!(day.peak, 42, "(400 + 2500) / 70 rounded up: {day:?}");
    // Panic for the start and the burst, each lasting a stable window beyond.
    assert!((120..=300).contains(&day.panic_secs), "{day:?}");
    let cost = day.instance_secs as f64 / day.ideal_secs;
    assert!((0.95..1.1).contains(&cost), "{cost} of the ideal: {day:?}");
    assert!(day.changes < 60, "it doesn't flap: {day:?}");
}

#[test]
fn bounds_hold_all_day() {
    let day = run(&Scaling {
        min_scale: 2,
        max_scale: Some(5),
        ..Scaling::default()
    });
    assert_eq!(day.peak, 5);
    assert_eq!(day.zero_from, None);
    assert_eq!(day.ready_at_three, 2);
    assert!(
        day.overloaded_secs >= 85,
        "the burst is more than five can take: {day:?}"
    );
}

#[test]
fn scale_down_delay_keeps_instances_for_longer() {
    let eager = run(&Scaling::default());
    let delayed = run(&Scaling {
        scale_down_delay: std::time::Duration::from_secs(600),
        ..Scaling::default()
    });
    let later = delayed.zero_from.unwrap_or(DAY) - eager.zero_from.unwrap_or(0);
    assert!((596..=602).contains(&later), "zero {later} s later");
    assert!(delayed.instance_secs > eager.instance_secs);
    assert!(delayed.overloaded_secs <= eager.overloaded_secs);
}
