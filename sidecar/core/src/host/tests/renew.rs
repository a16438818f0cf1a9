//! New values of secrets.

use super::*;

#[test]
fn new_values_of_secrets_replace_one_instance_after_the_other_with_as_many_ready() {
    let mut world = World::new(10);
    world.event(&Event::Secrets(rev(), 3));
    let actions = world.assign(1, 3);
    let old = started(&actions);
    assert!(
        actions
            .iter()
            .all(|a| !matches!(a, Action::Start { secrets, .. } if *secrets != 3))
    );
    old.iter()
        .for_each(|id| drop(world.event(&Event::Ready(id.clone()))));
    assert!(
        world.event(&Event::Secrets(rev(), 3)).is_empty(),
        "it is a level"
    );
    let mut actions = world.event(&Event::Secrets(rev(), 5));
    assert!(!actions.iter().any(|a| matches!(a, Action::Drain(_))));
    for left in [3, 2, 1] {
        // The owner hears of no surplus, so it moves nothing elsewhere.
        world.check((3, 0, 3 - left));
        assert_eq!(
            world.host.statuses(world.now).next().unwrap().outdated,
            left
        );
        let new = started(&actions);
        assert_eq!(new.len(), 1, "one at a time");
        assert!(
            actions
                .iter()
                .any(|a| matches!(a, Action::Start { secrets: 5, .. }))
        );
        actions = world.event(&Event::Ready(new[0].clone()));
        let drained: Vec<_> = actions
            .iter()
            .filter(|a| matches!(a, Action::Drain(_)))
            .collect();
        assert_eq!(drained.len(), 1);
        assert!(
            drained
                .iter()
                .all(|a| matches!(a, Action::Drain(id) if old.contains(id)))
        );
    }
    assert!(started(&actions).is_empty());
    world.check((3, 0, 3));
    assert_eq!(world.host.statuses(world.now).next().unwrap().outdated, 0);
}

#[test]
fn instances_go_on_with_what_they_have_while_the_new_values_fail() {
    let mut world = World::new(10);
    let old = started(&world.assign(1, 1));
    world.event(&Event::Ready(old[0].clone()));
    let mut new = started(&world.event(&Event::Secrets(rev(), 1)));
    let mut now = 0;
    for _ in 0..6 {
        now += 10_000;
        world.now = Time::from_millis(now);
        let actions = world.exit(&new[0]);
        assert!(
            !actions
                .iter()
                .any(|a| matches!(a, Action::Drain(_) | Action::Stop(_)))
        );
        new = started(&actions);
        while new.is_empty() {
            now = world.host.next_deadline().unwrap().as_nanos() / 1_000_000;
            new = started(&world.at(now.max(1)));
        }
        assert_eq!(world.report().ready, 1);
    }
    // Whatever failed before, in the end it is replaced.
    let actions = world.event(&Event::Ready(new[0].clone()));
    assert!(actions.contains(&Action::Drain(old[0].clone())));
}

#[test]
fn a_full_host_renews_in_place_and_what_was_starting_begins_anew() {
    let mut world = World::new(2);
    let ids = started(&world.assign(1, 2));
    world.event(&Event::Ready(ids[0].clone()));
    // One is ready, one on its way: that one is not worth waiting for.
    let actions = world.event(&Event::Secrets(rev(), 1));
    assert!(actions.contains(&Action::Stop(ids[1].clone())));
    let new = started(&world.exit(&ids[1]));
    assert_eq!(new.len(), 1);
    let actions = world.event(&Event::Ready(new[0].clone()));
    assert!(
        actions.contains(&Action::Drain(ids[0].clone())),
        "no room beside it"
    );
    world.event(&Event::Drained(ids[0].clone()));
    assert_eq!(started(&world.exit(&ids[0])).len(), 1);
    // Scaled down meanwhile, the old ones go first.
    let mut world = World::new(10);
    let ids = started(&world.assign(1, 2));
    ids.iter()
        .for_each(|id| drop(world.event(&Event::Ready(id.clone()))));
    let new = started(&world.event(&Event::Secrets(rev(), 1)));
    world.event(&Event::Ready(new[0].clone()));
    let actions = world.assign(1, 1);
    assert!(!actions.contains(&Action::Drain(new[0].clone())));
    assert_eq!(world.report().ready, 1);
}
