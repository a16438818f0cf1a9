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
