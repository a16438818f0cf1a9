//! When a host says of a revision that it works, and that it died.

use super::*;

/// Whether the server would be told that the revision works, and that it died since.
fn shown(world: &World) -> (bool, bool) {
    let mut statuses = world.host.statuses(world.now);
    statuses
        .find(|s| s.revision == rev())
        .map_or((false, false), |s| (s.was_ready, s.died.is_some()))
}

fn candidate(settle: u64) -> Event {
    let mut config = function("f", Scaling::default());
    config.candidate = Some(rev());
    config.settle = Duration::from_millis(settle);
    Event::Config(Arc::new(config))
}

#[test]
fn a_candidate_works_when_an_instance_has_held_for_its_settle_time() {
    let mut world = World::new(10);
    world.event(&candidate(1_000));
    // It listens for a moment and ends, again and again.
    for at in [0, 2_000, 5_000, 20_000] {
        world.now = Time::from_millis(at);
        let ids = started(&world.assign(1, 1));
        let ids = if ids.is_empty() {
            started(&world.at(at))
        } else {
            ids
        };
        world.event(&Event::Ready(ids[0].clone()));
        world.at(at + 999);
        assert_eq!(shown(&world), (false, false));
        world.exit(&ids[0]);
        world.assign(1, 0);
    }
    world.now = Time::from_millis(60_000);
    let ids = started(&world.assign(1, 1));
    world.event(&Event::Ready(ids[0].clone()));
    assert_eq!(world.host.next_deadline(), Some(Time::from_millis(61_000)));
    let changed = Action::Changed(rev());
    assert!(!world.at(60_999).contains(&changed));
    assert!(
        world.at(61_000).contains(&changed),
        "the server hears of it at once"
    );
    assert_eq!(shown(&world), (true, false));
    // Instances after the first one have to hold for nothing.
    world.event(&Event::Config(Arc::new(function("f", Scaling::default()))));
    let ids = started(&world.assign(1, 2));
    assert!(
        world
            .event(&Event::Ready(ids[0].clone()))
            .iter()
            .all(|a| *a != changed)
    );
}

#[test]
fn a_revision_that_dies_is_told_and_has_to_hold_anew_when_it_is_the_candidate_again() {
    let mut world = World::new(10);
    world.event(&candidate(1_000));
    let ids = started(&world.assign(1, 2));
    ids.iter()
        .for_each(|id| drop(world.event(&Event::Ready(id.clone()))));
    world.at(1_000);
    assert_eq!(shown(&world), (true, false));
    world.event(&Event::Config(Arc::new(function("f", Scaling::default()))));
    world.at(4_000);
    world.exit(&ids[0]);
    assert_eq!(shown(&world), (true, true));
    // The server gives its traffic to the one before: it must hold for longer now, also the one that has not died.
    world.event(&candidate(60_000));
    assert_eq!(shown(&world), (false, false));
    world.at(63_000);
    assert_eq!(shown(&world), (false, false));
    world.at(64_000);
    assert_eq!(shown(&world), (true, false));
    // It dies once more, and hears of what came of it only when another host has shown that it works.
    let since = |gave_back_at_ms: u64| {
        let mut config = function("f", Scaling::default());
        config.gave_back_at_ms = gave_back_at_ms;
        Event::Config(Arc::new(config))
    };
    world.event(&since(1));
    world.exit(&ids[1]);
    assert_eq!(shown(&world), (true, true));
    world.event(&since(1));
    assert_eq!(shown(&world), (true, true));
    world.event(&since(2));
    assert_eq!(shown(&world), (true, false));
}
