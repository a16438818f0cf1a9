//! Times at which nobody was there to fire.

use super::*;

#[test]
fn one_missed_time_is_made_up_for_after_an_outage_of_all() {
    let mut world = World::new(2, vec![cron("t", 60, T0)]);
    world.run(secs(200));
    let disks = [world.kill(0), world.kill(1)];
    let before = world.times("t").len();
    world.now += secs(1000);
    for (node, disk) in disks.into_iter().enumerate() {
        world.join(node, disk);
    }
    let back = world.now;
    world.run(secs(10));
    let times = world.times("t");
    assert_eq!(&times[before..], [Every(60).latest(back).unwrap()]);
}

#[test]
fn nothing_is_made_up_for_when_nobody_wants_it_or_it_is_too_long_ago() {
    for catch_up in [CatchUp::None, CatchUp::Last(secs(20))] {
        let mut one = cron("t", 60, T0);
        one.catch_up = catch_up;
        let mut world = World::new(1, vec![one]);
        world.run(secs(100));
        let disk = world.kill(0);
        let before = world.times("t").len();
        world.now = at(1_002_010 + 60);
        world.join(0, disk);
        world.now += secs(30);
        world.run(secs(3));
        assert_eq!(world.times("t").len(), before);
        assert_eq!(world.passed.len(), 1);
        world.run(secs(60));
        assert_eq!(world.times("t").len(), before + 1);
    }
}
