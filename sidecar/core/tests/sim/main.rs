//! A simulated cluster: caller, owner and host machines on several nodes, with delays, loss,
//! deaths and splits, driven by a seed. Every failure names the seed that shows it again:
//! `SIM_SEED=17 cargo test -p gateless-core --test sim`.
//!
//! Deliberately no model of calls beyond "held until an instance is in sight".

mod world;

use std::time::Duration;

use gateless_core::config::Scaling;
use world::{Rng, World};

/// So many by default; `SIM_SEEDS` asks for more.
const SEEDS: u64 = 25;

/// Runs a scenario for every seed, or for the one in `SIM_SEED`.
fn for_seeds(scenario: impl Fn(u64)) {
    let number = |key| std::env::var(key).ok()?.parse::<u64>().ok();
    let one = number("SIM_SEED");
    let many = number("SIM_SEEDS").unwrap_or(SEEDS);
    let seeds = one.map_or(0..many, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let run = std::panic::AssertUnwindSafe(|| scenario(seed));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("failing seed: SIM_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn simultaneous_cold_requests_start_the_computed_number() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let nodes = 1 + rng.below(7);
        // Together below what the scale-up rate allows in one step.
        let calls = 1 + rng.below(99);
        let scaling = Scaling {
            target: [1.0, 10.0, 100.0][rng.below(3) as usize],
            max_scale: [None, Some(20)][rng.below(2) as usize],
            ..Scaling::default()
        };
        let mut world = World::new(seed, nodes, 1000, scaling);
        world.starts = (60, 150);
        world.run(ms(500 + rng.below(2000)));
        for node in 0..nodes as usize {
            let at = rng.below(4);
            world.arrive(node, ms(at), calls as u32);
        }
        world.run(ms(1000));
        let target = scaling.target * 0.7;
        let computed = ((nodes * calls) as f64 / target).ceil() as u32;
        let computed = computed.min(scaling.max_scale.unwrap_or(1000));
        assert_eq!(world.started, computed, "{nodes} nodes, {calls} calls each");
        world.assert_all_served();
    });
}

#[test]
fn owner_death_in_mid_cold_start_loses_no_held_call() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let nodes = 2 + rng.below(5);
        let mut world = World::new(seed, nodes, 10, Scaling::default());
        world.run(ms(1000));
        for node in 0..nodes as usize {
            world.arrive(node, ms(rng.below(50)), 1 + rng.below(5) as u32);
        }
        world.run(ms(rng.below(300)));
        let owner = world.owner();
        world.kill(owner, rng.below(2) == 0);
        world.run(ms(8000));
        world.assert_all_served();
    });
}

#[test]
fn two_owners_converge_and_the_surplus_is_drained() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let nodes = 2 + rng.below(5);
        let mut world = World::new(seed, nodes, 20, Scaling::default());
        world.run(ms(1000));
        let left = 1 + rng.below(nodes - 1) as usize;
        world.split(left);
        for node in 0..nodes as usize {
            world.load(node, 1 + rng.below(150) as u32);
        }
        world.run(ms(3000 + rng.below(20_000)));
        world.assert_all_served();
        world.heal();
        world.run(ms(200_000));
        world.assert_one_owner();
        let total: u32 = world.total_load();
        let wanted = (f64::from(total) / 70.0).ceil() as u32;
        assert_eq!(world.alive(), wanted, "{total} calls in flight");
        for node in 0..nodes as usize {
            world.load(node, 0);
        }
        world.run(ms(200_000));
        assert_eq!(world.alive(), 0);
    });
}

#[test]
fn no_wake_up_is_lost_when_messages_are() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let nodes = 1 + rng.below(6);
        let scaling = Scaling {
            target: 10.0,
            stable_window: ms(6000),
            ..Scaling::default()
        };
        let mut world = World::new(seed, nodes, 10, scaling);
        world.loss_percent = 5 + rng.below(30);
        world.crash_percent = rng.below(30);
        world.starts = (2, 400);
        for round in 0..6 {
            for node in 0..nodes as usize {
                if rng.below(2) == 0 {
                    world.arrive(node, ms(rng.below(3000)), 1 + rng.below(20) as u32);
                }
            }
            if round == 2 && nodes > 1 {
                world.kill(rng.below(nodes) as usize, rng.below(2) == 0);
            }
            world.run(ms(3000));
            world.run(ms(15_000));
            world.assert_all_served();
            if rng.below(2) == 0 {
                world.run(ms(30_000));
            }
        }
        world.loss_percent = 0;
        world.run(ms(120_000));
        assert_eq!(world.alive(), 0);
        world.assert_one_owner();
    });
}

#[test]
fn a_revision_that_never_starts_says_so_and_is_not_hammered() {
    for_seeds(|seed| {
        let mut world = World::new(seed, 3, 10, Scaling::default());
        world.crash_percent = 100;
        world.arrive(0, ms(0), 5);
        world.run(ms(60_000));
        assert!(world.failure_seen, "the caller was told");
        assert!(world.started < 60, "started {} times", world.started);
        world.crash_percent = 0;
        world.run(ms(70_000));
        world.assert_all_served();
    });
}

#[test]
fn a_draining_host_is_left_without_fewer_instances_at_any_moment() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let nodes = 2 + rng.below(4);
        let mut world = World::new(seed, nodes, 20, Scaling::default());
        world.starts = (5, 3000);
        for node in 0..nodes as usize {
            world.load(node, 60 + rng.below(80) as u32);
        }
        world.run(ms(200_000));
        let wanted = world.alive();
        let drained = match rng.below(2) {
            0 => world.owner(),
            _ => rng.below(nodes) as usize,
        };
        let started = world.started;
        world.fewest = wanted;
        world.set_capacity(drained, 0);
        let is_lossy = rng.below(2) == 0;
        if is_lossy {
            // Callers turn to other owners meanwhile, who may know only part: no promise but the end.
            world.loss_percent = rng.below(20);
            world.run(ms(30_000));
            world.loss_percent = 0;
            world.run(ms(200_000));
            assert_eq!((world.ready_at(drained), world.alive()), (0, wanted));
            return world.assert_one_owner();
        }
        world.run(ms(60_000));
        assert_eq!(world.ready_at(drained), 0, "{wanted} wanted");
        assert_eq!((world.fewest, world.alive()), (wanted, wanted));
        let moved = world.started - started;
        assert!(moved <= wanted, "{moved} started for {wanted}");
        // Willing again, it gets what comes next, and nothing is moved for that.
        world.set_capacity(drained, 20);
        let started = world.started;
        world.run(ms(60_000));
        assert_eq!((world.started, world.alive()), (started, wanted));
        world.assert_one_owner();
    });
}

#[test]
fn the_last_instances_stay_on_a_draining_host_until_another_has_room() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let mut world = World::new(seed, 2, 2, Scaling::default());
        for node in 0..2 {
            world.load(node, 120);
        }
        world.run(ms(200_000));
        assert_eq!((world.ready_at(0), world.ready_at(1)), (2, 2));
        world.fewest = 4;
        let drained = rng.below(2) as usize;
        world.set_capacity(drained, 0);
        world.run(ms(60_000));
        assert_eq!(
            (world.ready_at(0), world.ready_at(1), world.fewest),
            (2, 2, 4)
        );
        assert!(!world.failure_seen, "what runs is no failure");
        // Half the load goes: what is drained goes first.
        world.load(0, 60);
        world.load(1, 60);
        world.run(ms(200_000));
        assert_eq!(world.ready_at(drained), 0);
        assert_eq!(world.ready_at(1 - drained), 2);
    });
}

#[test]
fn an_owner_that_slept_starts_nothing_for_what_it_remembers() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let nodes = 3 + rng.below(4);
        let mut world = World::new(seed, nodes, 20, Scaling::default());
        for node in 0..nodes as usize {
            world.load(node, 1 + rng.below(60) as u32);
        }
        world.run(ms(80_000));
        let wanted = world.alive();
        let owner = world.owner();
        let slept = ms(300 + rng.below(40_000));
        // Load comes and goes while it sleeps.
        world.freeze(owner, slept);
        world.run(slept / 2);
        for node in (0..nodes as usize).filter(|node| *node != owner) {
            world.load(node, 1 + rng.below(60) as u32);
        }
        world.run(slept - slept / 2);
        let (before, started) = (world.supply(), world.started);
        let now = (f64::from(world.total_load()) / 70.0).ceil() as u32;
        world.run(ms(30_000));
        // What is missing is started once: nobody does so for what somebody else has started already.
        let missing = now.saturating_sub(before);
        let more = world.started - started;
        assert!(
            more <= missing,
            "{more} started when {missing} were missing: {wanted} before, {now} now, slept {slept:?}"
        );
        world.run(ms(200_000));
        world.assert_all_served();
        world.assert_one_owner();
        assert_eq!(world.alive(), now);
    });
}

#[test]
fn nodes_that_are_heard_one_way_only_leave_no_call_waiting() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let nodes = 3 + rng.below(5);
        let mut world = World::new(seed, nodes, 20, Scaling::default());
        world.run(ms(1000));
        // One node hears and is heard by all: it passes calls on between those that do not.
        let heard = rng.below(nodes) as usize;
        for _ in 0..1 + rng.below(nodes) {
            let (from, to) = (rng.below(nodes) as usize, rng.below(nodes) as usize);
            if from != to && from != heard && to != heard {
                world.cut_one_way(from, to);
            }
        }
        for node in 0..nodes as usize {
            world.arrive(node, ms(rng.below(5000)), 1 + rng.below(20) as u32);
        }
        world.run(ms(20_000));
        world.assert_all_served();
        world.heal();
        for node in 0..nodes as usize {
            world.load(node, 1 + rng.below(100) as u32);
        }
        world.run(ms(200_000));
        world.assert_all_served();
        world.assert_one_owner();
        let wanted = (f64::from(world.total_load()) / 70.0).ceil() as u32;
        assert_eq!(world.alive(), wanted);
    });
}

#[test]
fn nodes_with_an_older_catalogue_keep_nobody_waiting() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let nodes = 2 + rng.below(5);
        let mut world = World::new(seed, nodes, 20, Scaling::default());
        // All but one may not know the function yet, the owner of it among them.
        let knows = rng.below(nodes) as usize;
        for node in (0..nodes as usize).filter(|node| *node != knows) {
            if rng.below(2) == 0 {
                world.learns_late(node, ms(5_000 + rng.below(30_000)));
            }
        }
        world.run(ms(500));
        world.arrive(knows, ms(0), 1 + rng.below(50) as u32);
        world.run(ms(4_000));
        world.assert_all_served();
        for node in 0..nodes as usize {
            world.load(node, 1 + rng.below(100) as u32);
        }
        world.run(ms(200_000));
        world.assert_all_served();
        world.assert_one_owner();
        let wanted = (f64::from(world.total_load()) / 70.0).ceil() as u32;
        assert_eq!(world.alive(), wanted);
    });
}

#[test]
fn a_candidate_is_started_though_its_owner_has_an_older_catalogue() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let nodes = 2 + rng.below(5);
        let mut world = World::of_candidate(seed, nodes, 20, Scaling::default());
        let owner = world.owner();
        world.learns_late(owner, ms(60_000));
        for node in (0..nodes as usize).filter(|node| *node != owner) {
            // At least one knows it, and another that comes before that one may not.
            if node != (owner + 1) % nodes as usize && rng.below(3) == 0 {
                world.learns_late(node, ms(60_000));
            }
        }
        world.run(ms(3_000));
        assert_eq!(world.alive(), 1, "nobody started it");
        world.run(ms(200_000));
        // Nobody has called it meanwhile, so its owner tries it once more when it hears of it.
        assert!(world.started <= 2, "started {} times", world.started);
        world.assert_one_owner();
    });
}

#[test]
fn nodes_that_freeze_and_go_on_at_random_end_where_they_should() {
    for_seeds(|seed| {
        let mut rng = Rng::new(seed);
        let nodes = 2 + rng.below(5);
        let mut world = World::new(seed, nodes, 20, Scaling::default());
        world.starts = (2, 900);
        for _ in 0..4 {
            let node = rng.below(nodes) as usize;
            world.freeze(node, ms(rng.below(20_000)));
            for node in 0..nodes as usize {
                world.arrive(node, ms(rng.below(4000)), rng.below(30) as u32);
            }
            world.run(ms(25_000));
            world.assert_all_served();
        }
        world.run(ms(200_000));
        assert_eq!(world.alive(), 0);
        world.assert_one_owner();
    });
}
