//! What must hold of the autoscaler in any situation.

use proptest::prelude::*;

use super::*;

/// Gap to the tick before in seconds, ready, stable, panic.
type Tick = (u64, u32, f64, f64);

prop_compose! {
    fn any_config()(
        target in 0.5..50.0f64,
        up in 1.01..20.0f64,
        down in 1.01..20.0f64,
        threshold in 1.1..5.0f64,
        burst in -1.0..300.0f64,
        stable_window in 6..120u64,
        delay in 0..60u64,
        activation_scale in 0..6u32,
        reachable: bool,
    ) -> Config {
        Config {
            target,
            total: target / 0.7,
            max_scale_up_rate: up,
            max_scale_down_rate: down,
            panic_threshold: threshold,
            target_burst_capacity: burst,
            stable_window: Duration::from_secs(stable_window),
            scale_down_delay: Duration::from_secs(delay),
            activation_scale,
            reachable,
            ..Config::default()
        }
    }
}

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    proptest::collection::vec((0..20u64, 0..80u32, 0.0..900.0f64, 0.0..900.0f64), 1..60)
}

fn run(autoscaler: &mut Autoscaler, ticks: &[Tick]) -> Time {
    let mut now = Time::ZERO;
    for &(gap, ready, stable, panic) in ticks {
        now += Duration::from_secs(gap);
        autoscaler.scale(now, ready, stable, panic);
    }
    now
}

proptest! {
    #[test]
    fn more_load_never_wants_fewer(
        config in any_config(),
        ticks in ticks(),
        (ready, stable, panic) in (0..80u32, 0.0..900.0f64, 0.0..900.0f64),
        (more_stable, more_panic) in (0.0..200.0f64, 0.0..200.0f64),
    ) {
        let mut calm = Autoscaler::new(config, Time::ZERO, 0);
        let now = run(&mut calm, &ticks) + TICK;
        let mut busy = calm.clone();
        let calm = calm.scale(now, ready, stable, panic);
        let busy = busy.scale(now, ready, stable + more_stable, panic + more_panic);
        prop_assert!(calm.desired <= busy.desired, "{calm:?} {busy:?}");
        prop_assert!(calm.panic <= busy.panic);
        prop_assert!(calm.excess_burst_capacity >= busy.excess_burst_capacity);
    }

    #[test]
    fn rates_hold_in_every_step(config in any_config(), ticks in ticks()) {
        let mut autoscaler = Autoscaler::new(config, Time::ZERO, 0);
        let (mut now, mut largest) = (Time::ZERO, 0);
        for (gap, ready, stable, panic) in ticks {
            now += Duration::from_secs(gap);
            let decision = autoscaler.scale(now, ready, stable, panic);
            let ready = f64::from(ready.max(1));
            let most = whole((config.max_scale_up_rate * ready).ceil());
            let least = whole((ready / config.max_scale_down_rate).floor());
            // What was wanted before may be held, by panic or delay; it was within its own rates.
            largest = largest.max(most).max(config.activation_scale);
            prop_assert!(decision.desired <= largest);
            prop_assert!(!config.reachable || decision.desired >= least.min(most));
        }
    }

    #[test]
    fn panic_never_scales_down(config in any_config(), ticks in ticks(), initial in 0..9u32) {
        // A delay outlasting panic is another reason for holding on; look at panic alone.
        let config = Config { scale_down_delay: Duration::ZERO, ..config };
        let mut autoscaler = Autoscaler::new(config, Time::ZERO, initial);
        let (mut now, mut held) = (Time::ZERO, None);
        for (gap, ready, stable, panic) in ticks {
            now += Duration::from_secs(gap);
            let decision = autoscaler.scale(now, ready, stable, panic);
            if let Some(held) = held.filter(|_| decision.panic) {
                prop_assert!(decision.desired >= held);
            }
            held = decision.panic.then_some(decision.desired);
        }
    }

    #[test]
    fn any_numbers_at_all_are_survived(
        config in any_config(),
        values in proptest::collection::vec((any::<u64>(), any::<u32>(), any::<f64>(), any::<f64>()), 1..20),
    ) {
        let mut autoscaler = Autoscaler::new(config, Time::ZERO, u32::MAX);
        for (t, ready, stable, panic) in values {
            autoscaler.scale(Time::from_nanos(t), ready, stable, panic);
        }
    }
}
