//! Times that come while the call of the one before is not over.

use super::*;

/// Every 10 s, calls that take 25 s, for 100 s; the owner dies after 47.
fn overlapping(overlap: Overlap) -> World {
    let mut one = cron("t", 10, T0);
    one.overlap = overlap;
    let mut world = World::new(3, vec![one]);
    world.takes = secs(25);
    world.run(secs(47));
    let owner = world.owner("t");
    world.kill(owner);
    world.run(secs(53));
    world
}

/// A time that came while the call before was under way is not lost with whoever waited for that, though nothing that
/// is late would be made up for.
#[test]
fn what_waits_is_made_by_whoever_comes_next() {
    let waiting = |nodes| {
        let mut one = cron("t", 60, T0);
        (one.overlap, one.catch_up) = (Overlap::Queue, CatchUp::None);
        let mut world = World::new(nodes, vec![one]);
        world.takes = secs(100);
        // T0 is 40 s after a full minute: the first call is made at 20 s, and the next has to wait.
        world.run(secs(85));
        assert_eq!(world.times("t"), [T0 + secs(20)]);
        world
    };
    let expected = [T0 + secs(20), T0 + secs(80)];
    let mut restarted = waiting(1);
    let disk = restarted.kill(0);
    restarted.join(0, disk);
    let mut followed = waiting(3);
    let owner = followed.owner("t");
    followed.kill(owner);
    for mut world in [restarted, followed] {
        world.run(secs(50));
        assert_eq!(world.times("t"), expected);
        assert!(world.passed.is_empty());
    }
    // Paused meanwhile, it is left out as all that comes then.
    let mut paused = waiting(1);
    let of = |paused| Cron {
        paused,
        catch_up: CatchUp::None,
        overlap: Overlap::Queue,
        ..cron("t", 60, T0)
    };
    paused.set(vec![of(true)]);
    paused.run(secs(15));
    paused.set(vec![of(false)]);
    paused.run(secs(35));
    assert_eq!(paused.times("t"), [T0 + secs(20)]);
}

#[test]
fn runs_overlap_only_where_they_may() {
    let offsets = |times: Vec<Time>| -> Vec<u64> {
        times.iter().map(|time| time.since(T0).as_secs()).collect()
    };
    let world = overlapping(Overlap::Allow);
    assert_eq!(
        offsets(world.times("t")),
        [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    );
    // The one that is still under way is known to the next owner, too.
    let world = overlapping(Overlap::Skip);
    assert_eq!(offsets(world.times("t")), [10, 40, 70, 100]);
    let skipped = world.skipped.iter().map(|(_, at)| *at).collect();
    assert_eq!(offsets(skipped), [20, 30, 50, 60, 80, 90]);
    // Made as soon as the one before is over, and for the last time that came meanwhile.
    let world = overlapping(Overlap::Queue);
    let times = offsets(world.times("t"));
    assert_eq!(times.len(), 4, "{times:?}");
    assert_eq!(times[0], 10);
    assert!(
        times.windows(2).all(|w| (20..=30).contains(&(w[1] - w[0]))),
        "{times:?}"
    );
    assert!(world.skipped.is_empty() && world.passed.is_empty());
}
