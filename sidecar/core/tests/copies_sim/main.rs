//! Clusters with copies of calls, simulated from seeds: loss, cuts in one direction and both, freezes, crashes, wiped disks and hosts that
//! are gone for good; and a checker that knows what was accepted, what a function saw and what is over.
//!
//! `COPIES_SEEDS=5000` runs more of them; `COPIES_SEED=17` one.

#![allow(
    clippy::unwrap_used,
    reason = "a step of the simulation that fails is a test that fails"
)]

mod world;

use world::{Faults, World};

fn check(seed: u64, faults: Faults) {
    let mut world = World::new(seed, faults);
    world.run();
    world.heal();
    world.check();
}

fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    match (number("COPIES_SEED"), number("COPIES_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(usual),
    }
}

#[test]
fn what_was_accepted_is_delivered_while_fewer_hosts_than_copies_are_lost() {
    for seed in seeds(60) {
        check(seed, Faults::ALL);
    }
}

#[test]
fn hosts_that_hear_each_other_deliver_once() {
    for seed in seeds(20) {
        let mut world = World::new(seed, Faults::NONE);
        world.run();
        world.heal();
        world.check();
        assert_eq!(world.duplicates(), 0, "seed {seed}");
    }
}

#[test]
fn a_home_that_is_gone_for_good_loses_nothing() {
    for seed in seeds(20) {
        check(seed, Faults::LOSS_OF_ONE);
    }
}

#[test]
fn a_home_that_was_frozen_delivers_nothing_that_was_taken_on_meanwhile() {
    let mut taken_on = 0;
    for seed in seeds(20) {
        let mut world = World::new(seed, Faults::FREEZES);
        world.run();
        world.heal();
        world.check();
        taken_on += world.taken_on();
        assert_eq!(world.duplicates_but_begun(), 0, "seed {seed}");
    }
    assert!(taken_on > 0, "it tests nothing");
}
