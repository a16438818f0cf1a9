//! Schedules on a clock that moves when told, and two sidecars that ask each other.

use super::*;

#[tokio::test]
async fn schedule_fires_on_time_and_goes_on_after_a_restart() {
    let triggers = vec![sample("t", cron("*/10 * * * * *"))];
    let fixture = Fixture::new(triggers.clone()).await;
    // The seconds it takes to know who is there.
    fixture.clock.advance(Duration::from_secs(4));
    let key = |second: u64| format!("cron:uid-of-t:{}", 1_800_000_000 + second);
    let first = fixture.keys(1).await;
    // The trigger is as old as time: the last of the times before is made up for.
    assert_eq!(first, [key(0)]);
    fixture.clock.advance(Duration::from_secs(8));
    assert_eq!(fixture.keys(2).await, [key(0), key(10)]);
    let status = fixture.status("t").await;
    assert!(status.owner && status.delivered == 2, "{status:?}");
    fixture.handle.stop().await;
    fixture.queue.close().await;
    let Fixture { data, clock, .. } = fixture;
    let fixture = Fixture::on("0000000a", data, clock, triggers, &Arc::default()).await;
    fixture.clock.advance(Duration::from_secs(10));
    assert_eq!(fixture.keys(3).await, [key(0), key(10), key(20)]);
    assert_eq!(fixture.status("t").await.delivered, 3);
}

#[tokio::test]
async fn owner_that_goes_leaves_the_next_where_it_was() {
    let triggers: Vec<_> = (0..8)
        .map(|n| sample(&format!("t{n}"), cron("*/10 * * * * *")))
        .collect();
    let (cluster, clock) = (Arc::<Cluster>::default(), Manual::new(START));
    let mut fixtures = Vec::new();
    for node in ["0000000a", "0000000b"] {
        let data = tempfile::tempdir().unwrap();
        fixtures.push(Fixture::on(node, data, clock.clone(), triggers.clone(), &cluster).await);
    }
    for fixture in &fixtures {
        fixture
            .members
            .send_replace(vec![member("0000000a"), member("0000000b")]);
    }
    let total = async |count: usize| {
        let look = async {
            loop {
                let mut keys = Vec::new();
                for fixture in &fixtures {
                    keys.extend(fixture.keys(0).await);
                }
                if keys.len() >= count {
                    keys.sort();
                    return keys;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), look)
            .await
            .expect("not so many")
    };
    clock.advance(Duration::from_secs(4));
    total(8).await;
    clock.advance(Duration::from_secs(6));
    total(16).await;
    assert!(!fixtures[0].keys(1).await.is_empty() && !fixtures[1].keys(1).await.is_empty());
    fixtures[0].handle.stop().await;
    cluster.0.lock().remove(&NodeId::new("0000000a"));
    fixtures[1].members.send_replace(vec![member("0000000b")]);
    clock.advance(Duration::from_secs(10));
    let keys = total(24).await;
    let mut once = keys.clone();
    once.dedup();
    assert_eq!(keys, once, "fired twice");
    let expected: usize = keys
        .iter()
        .filter(|k| k.ends_with(&(1_800_000_020).to_string()))
        .count();
    assert_eq!((keys.len(), expected), (24, 8));
}

#[tokio::test]
async fn a_time_is_left_out_while_the_call_before_is_under_way_and_waits_where_it_may() {
    let overlapping = |name: &str, overlap: &str| {
        let mut source = cron("*/10 * * * * *");
        if let v1::trigger::Source::Cron(cron) = &mut source {
            overlap.clone_into(&mut cron.overlap);
        }
        sample(name, source)
    };
    for (overlap, skipped) in [("skip", 2), ("queue", 0)] {
        let fixture = Fixture::new(vec![overlapping("t", overlap)]).await;
        fixture.clock.advance(Duration::from_secs(4));
        // Nobody delivers it, so it is under way for ever.
        fixture.keys(1).await;
        let mut seconds = 4;
        for _ in 0..2 {
            fixture.clock.advance(Duration::from_secs(10));
            seconds += 10;
            if skipped > 0 {
                let look = async {
                    while fixture.status("t").await.skipped != (seconds - 4) / 10 {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                };
                let looked = tokio::time::timeout(Duration::from_secs(30), look).await;
                looked.expect("it is not left out");
            }
        }
        assert_eq!(fixture.keys(1).await.len(), 1);
        let first = fixture.calls("hello").await[0].id.clone();
        let calls: &dyn Calls = &fixture.queue;
        calls.cancel(&first).await.unwrap();
        fixture
            .clock
            .advance(Duration::from_secs(if skipped > 0 { 10 } else { 1 }));
        let keys = fixture.keys(2).await;
        let at = if skipped > 0 { 30 } else { 20 };
        assert_eq!(
            keys[1],
            format!("cron:uid-of-t:{}", 1_800_000_000 + at),
            "{overlap}"
        );
        assert_eq!(fixture.status("t").await.skipped, skipped);
        fixture.handle.stop().await;
    }
}
