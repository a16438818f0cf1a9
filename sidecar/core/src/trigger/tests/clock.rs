//! Clocks that are set.

use super::*;

#[test]
fn clock_set_forward_fires_once() {
    let mut world = World::new(2, vec![cron("t", 1, T0), cron("m", 60, T0)]);
    world.run(secs(10));
    let before = (world.times("t").len(), world.times("m").len());
    world.skew = 3600;
    world.run(Duration::from_millis(900));
    // The last of 3600, and perhaps the one that is on time meanwhile.
    assert!(
        world.times("t").len() - before.0 <= 2,
        "{:?}",
        world.times("t")
    );
    assert_eq!(world.times("m").len() - before.1, 1);
}

#[test]
fn clock_set_back_a_little_fires_no_fixed_time_again() {
    let mut fixed = cron("t", 10, T0);
    fixed.schedule = Arc::new(Fixed(Every(10)));
    let mut world = World::new(2, vec![fixed]);
    world.run(secs(100));
    world.skew = -60;
    world.run(secs(120));
    let mut times = world.times("t");
    let count = times.len();
    times.dedup();
    assert_eq!(times.len(), count);
    world.exactly_once("t", 10, T0, world.clock() - secs(1));
}

#[test]
fn intervals_go_by_a_clock_that_is_set_back_at_once_and_their_calls_are_others() {
    let mut world = World::new(2, vec![cron("t", 60, T0)]);
    world.run(secs(3_600));
    let before = world.times("t").len();
    let plain = world.keys("t");
    world.skew = -7_200;
    world.run(secs(600));
    let again = world.times("t").split_off(before);
    assert_eq!(again.len(), 10, "{again:?}");
    // They lie in the time before, so with the same keys the queue would take them for calls it has.
    let mut keys = world.keys("t");
    assert_eq!(keys.len(), before + 10, "{keys:?}");
    assert!(keys[..before] == plain[..]);
    // When it is later than ever, keys are as before.
    world.skew = 0;
    world.run(secs(300));
    keys = world.keys("t").split_off(before + 10);
    assert!(keys.len() >= 4, "{keys:?}");
    assert!(
        keys.iter().all(|key| key.matches(':').count() == 2),
        "{keys:?}"
    );
}

#[test]
fn a_clock_set_back_and_forth_at_random_leaves_no_minute_without_its_call() {
    for seed in 0..20_u64 {
        let mut world = World::new(1 + (seed % 3) as usize, vec![cron("t", 60, T0)]);
        let mut random = seed;
        world.run(secs(70));
        for _ in 0..6 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            world.skew = (random >> 40) as i64 % 20_000 - 10_000;
            let before = world.keys("t").len();
            world.run(secs(310));
            let made = world.keys("t").len() - before;
            // And one for what a clock set forward left out.
            assert!(
                (5..=7).contains(&made),
                "{made} calls in 310 s, seed {seed}"
            );
        }
    }
}

#[test]
fn clock_that_was_far_ahead_is_not_waited_for() {
    let mut world = World::new(2, vec![cron("t", 60, T0)]);
    world.skew = 86_400 * 400;
    world.run(secs(100));
    world.skew = 0;
    let set_right = world.now;
    world.run(secs(180));
    let times = world.times("t");
    let again = times.iter().filter(|t| **t > set_right && **t < world.now);
    assert_eq!(again.count(), 3);
}
