//! Behaviour of [`Dispatch`], example by example and as properties.

use super::*;
use crate::config::Scaling;
use crate::hold::{Caller, Class};
use proptest::prelude::*;

type Tested = Dispatch<u32, &'static str>;

fn revision(concurrency: u32, max_scale: Option<u32>) -> Revision {
    let scaling = Scaling {
        max_scale,
        ..Scaling::DEFAULT
    };
    let mut revision = crate::fixture::revision("f", 1, scaling);
    revision.limits.container_concurrency = (concurrency > 0).then_some(concurrency);
    revision.hold.max_requests = 100;
    revision.hold.max_bytes = 1_000;
    revision
}

fn call(origin: Origin) -> Call<'static> {
    Call {
        class: Class::Sync,
        origin,
        caller: Caller(1),
        bytes: 1,
        again: false,
        avoid: &[],
    }
}

fn add(d: &mut Tested, id: &str) -> Grants<u32, &'static str> {
    let mut grants = Vec::new();
    d.add_local(Time::ZERO, InstanceId::new(id), "local", 7, &mut grants);
    grants
}

#[test]
fn held_calls_go_through_when_an_instance_comes() {
    let mut d = Tested::new(&revision(0, None));
    assert!(d.acquire(Time::ZERO, &call(Origin::Here), 1).is_none());
    for wake in 0..3 {
        assert!(d.wait(Time::ZERO, &call(Origin::Here), wake).is_ok());
    }
    let woken: Vec<_> = add(&mut d, "a")
        .into_iter()
        .map(|(waiter, _)| waiter.wake)
        .collect();
    assert_eq!(woken, [0, 1, 2]);
}

#[test]
fn full_gate_queues_ten_times_its_concurrency_and_then_refuses() {
    let mut d = Tested::new(&revision(1, Some(1)));
    add(&mut d, "a");
    let permit = d.acquire(Time::ZERO, &call(Origin::Here), 1).unwrap();
    for wake in 0..10 {
        assert!(d.acquire(Time::ZERO, &call(Origin::Here), 1).is_none());
        assert!(d.wait(Time::ZERO, &call(Origin::Here), wake).is_ok());
    }
    let refused = d.wait(Time::ZERO, &call(Origin::Here), 10).unwrap_err();
    assert_eq!(refused, (10, Refusal::Full(hold::Full::Requests)));
    let mut grants = Vec::new();
    d.release(Time::ZERO, permit.pass, Outcome::Neutral, 1, &mut grants);
    assert_eq!(grants.len(), 1, "one out, one in");
}

#[test]
fn forwarded_calls_are_turned_away_when_the_last_gate_here_is_closed() {
    type Gone = fn(&mut Tested, &InstanceId) -> Vec<Waiter<u32>>;
    let ways: [Gone; 3] = [
        |d, id| d.close_local(id).1,
        |d, id| d.remove_local(id),
        |d, id| d.stand(Time::ZERO, id, Standing::Shut, 1, &mut Vec::new()),
    ];
    for way in ways {
        let mut d = Tested::new(&revision(1, None));
        add(&mut d, "a");
        add(&mut d, "b");
        for wake in 0..2 {
            assert!(d.acquire(Time::ZERO, &call(Origin::Here), wake).is_some());
        }
        assert!(d.wait(Time::ZERO, &call(Origin::Peer), 1).is_ok());
        assert!(d.wait(Time::ZERO, &call(Origin::Here), 2).is_ok());
        let mut gone = |id| {
            way(&mut d, &InstanceId::new(id))
                .iter()
                .map(|waiter| waiter.wake)
                .collect::<Vec<_>>()
        };
        assert_eq!(gone("a"), [0; 0]);
        // The own one waits for the next instance, wherever that is.
        assert_eq!(gone("b"), [1]);
        assert_eq!(d.held(), 1);
    }
}

#[test]
fn without_a_limit_the_hold_limit_alone_counts() {
    let mut d = Tested::new(&revision(0, Some(1)));
    add(&mut d, "a");
    let key = d
        .acquire(Time::ZERO, &call(Origin::Here), 1)
        .unwrap()
        .pass
        .key;
    // The only instance cannot be reached for a moment.
    d.refused(Time::ZERO, key);
    for origin in [Origin::Here, Origin::Peer] {
        for wake in 0..100 {
            assert!(d.acquire(Time::ZERO, &call(origin), 1).is_none());
            assert!(d.wait(Time::ZERO, &call(origin), wake).is_ok());
        }
        assert!(d.wait(Time::ZERO, &call(origin), 100).is_err());
    }
    let mut grants = Vec::new();
    d.grant(Time::ZERO + FULL_FOR, 1, &mut grants);
    assert_eq!(grants.len(), 200);
}

#[test]
fn revision_that_can_grow_holds_up_to_the_hold_limit() {
    let mut d = Tested::new(&revision(1, Some(2)));
    add(&mut d, "a");
    assert!(d.acquire(Time::ZERO, &call(Origin::Here), 1).is_some());
    for wake in 0..100 {
        assert!(d.wait(Time::ZERO, &call(Origin::Here), wake).is_ok());
    }
    assert!(d.wait(Time::ZERO, &call(Origin::Here), 100).is_err());
}

#[test]
fn bytes_are_bounded_too() {
    let mut d = Tested::new(&revision(0, None));
    let large = Call {
        bytes: 600,
        ..call(Origin::Here)
    };
    assert!(d.wait(Time::ZERO, &large, 0).is_ok());
    let refused = d.wait(Time::ZERO, &large, 1).unwrap_err();
    assert_eq!(refused.1, Refusal::Full(hold::Full::Bytes));
}

#[test]
fn forwarded_call_is_refused_at_once_where_no_gate_is_open() {
    let mut d = Tested::new(&revision(1, None));
    assert_eq!(
        d.wait(Time::ZERO, &call(Origin::Peer), 0).unwrap_err().1,
        Refusal::NoInstance
    );
    add(&mut d, "a");
    let permit = d.acquire(Time::ZERO, &call(Origin::Peer), 1).unwrap();
    assert!(!d.close_local(&InstanceId::new("a")).0, "a call is inside");
    assert_eq!(
        d.wait(Time::ZERO, &call(Origin::Peer), 0).unwrap_err().1,
        Refusal::NoInstance
    );
    let released = d.release(
        Time::ZERO,
        permit.pass,
        Outcome::Neutral,
        1,
        &mut Vec::new(),
    );
    assert_eq!(released.drained, Some(InstanceId::new("a")));
}

#[test]
fn refused_peers_hear_of_room() {
    let mut d = Tested::new(&revision(1, None));
    add(&mut d, "a");
    let permit = d.acquire(Time::ZERO, &call(Origin::Peer), 1).unwrap();
    let mut grants = Vec::new();
    for wake in 0..10 {
        assert!(d.wait(Time::ZERO, &call(Origin::Peer), wake).is_ok());
    }
    assert!(d.wait(Time::ZERO, &call(Origin::Peer), 11).is_err());
    let mut key = permit.pass;
    for _ in 0..10 {
        assert!(
            !d.release(Time::ZERO, key, Outcome::Neutral, 1, &mut grants)
                .room_for_peers
        );
        key = grants.pop().unwrap().1.pass;
    }
    assert!(
        d.release(Time::ZERO, key, Outcome::Neutral, 1, &mut grants)
            .room_for_peers
    );
}

#[test]
fn own_host_first_then_others_and_full_ones_are_left_alone_until_they_have_room() {
    let mut d = Tested::new(&revision(1, None));
    add(&mut d, "a");
    let mut grants = Vec::new();
    let node = NodeId::new("b");
    d.set_remotes(
        Time::ZERO,
        vec![(node.clone(), 2, "remote")],
        1,
        &mut grants,
    );
    let here = call(Origin::Here);
    assert!(d.acquire(Time::ZERO, &here, 1).unwrap().local);
    let permit = d.acquire(Time::ZERO, &here, 1).unwrap();
    assert!(!permit.local);
    d.refused(Time::ZERO, permit.pass.key);
    d.release(Time::ZERO, permit.pass, Outcome::Neutral, 1, &mut grants);
    assert!(d.acquire(Time::ZERO, &here, 1).is_none());
    assert!(d.wait(Time::ZERO, &here, 5).is_ok());
    d.room(Time::ZERO, &node, 1, &mut grants);
    assert_eq!(grants.len(), 1);
}

#[test]
fn silent_host_is_the_last_resort_and_no_reason_to_refuse() {
    let mut d = Tested::new(&revision(0, Some(2)));
    let (a, b) = (NodeId::new("a"), NodeId::new("b"));
    let hosts = vec![(a.clone(), 1, "a"), (b.clone(), 1, "b")];
    let mut grants = Vec::new();
    d.set_remotes(Time::ZERO, hosts, 3, &mut grants);
    d.silence(Time::ZERO, &a, true, 3, &mut grants);
    for random in 0..20 {
        let permit = d.acquire(Time::ZERO, &call(Origin::Here), random).unwrap();
        assert_eq!(permit.endpoint, "b");
    }
    assert_eq!(d.ready(), 1);
    d.silence(Time::ZERO, &b, true, 3, &mut grants);
    let permit = d.acquire(Time::ZERO, &call(Origin::Here), 1).unwrap();
    // It may be reached through others. Who finds no way waits, as before a first instance.
    for node in [&a, &b] {
        let mut other = d.acquire(Time::ZERO, &call(Origin::Here), 1);
        while let Some(found) = other.take().filter(|found| found.endpoint == node.as_str()) {
            d.refused(Time::ZERO, found.pass.key);
        }
    }
    d.refused(Time::ZERO, permit.pass.key);
    for wake in 0..50 {
        assert!(d.wait(Time::ZERO, &call(Origin::Here), wake).is_ok());
    }
    d.silence(Time::ZERO, &b, false, 3, &mut grants);
    assert_eq!(grants.len(), 50);
    assert!(grants.iter().all(|(_, permit)| permit.endpoint == "b"));
}

#[test]
fn unreachable_instance_rests_before_a_waiting_call_gets_it_again() {
    let mut d = Tested::new(&revision(1, None));
    add(&mut d, "a");
    let mut grants = Vec::new();
    let permit = d.acquire(Time::ZERO, &call(Origin::Here), 1).unwrap();
    d.refused(Time::ZERO, permit.pass.key);
    assert!(d.wait(Time::ZERO, &call(Origin::Here), 7).is_ok());
    d.release(Time::ZERO, permit.pass, Outcome::Failed, 1, &mut grants);
    assert!(grants.is_empty());
    d.grant(Time::ZERO + FULL_FOR, 1, &mut grants);
    assert_eq!(grants.len(), 1);
}

#[test]
fn forwarded_call_is_demand_where_it_came_in_only() {
    let mut d = Tested::new(&revision(1, None));
    add(&mut d, "a");
    d.acquire(Time::ZERO, &call(Origin::Here), 1).unwrap();
    assert!(d.wait(Time::ZERO, &call(Origin::Peer), 1).is_ok());
    assert!(d.wait(Time::ZERO, &call(Origin::Here), 2).is_ok());
    assert_eq!((d.held(), d.held_here()), (2, 1));
}

#[test]
fn waiting_ends_when_nothing_can_start() {
    let mut d = Tested::new(&revision(0, None));
    assert!(d.wait(Time::ZERO, &call(Origin::Here), 3).is_ok());
    let failing = Supply {
        failure: Some("crash_loop".into()),
        ..Supply::default()
    };
    let turned_away = d.set_supply(failing);
    assert_eq!(turned_away.len(), 1);
    assert!(matches!(
        d.wait(Time::ZERO, &call(Origin::Here), 4),
        Err((4, Refusal::Failing(_)))
    ));
}

proptest! {
    /// Invariant 3, and: no room stands empty while somebody waits for it.
    #[test]
    fn limit_holds_and_no_wakeup_is_lost(
        limit in 1..4_u32,
        steps in proptest::collection::vec((0..6_u8, any::<u64>()), 1..300),
    ) {
        let mut d = Tested::new(&revision(limit, None));
        let (mut inside, mut waiting, mut instances, mut next) = (Vec::new(), Vec::new(), 0, 0);
        for (step, random) in steps {
            let mut grants = Vec::new();
            let origin = if random % 3 == 0 { Origin::Peer } else { Origin::Here };
            match step {
                0..=2 => {
                    let call = Call { caller: Caller(random % 5), ..call(origin) };
                    if let Some(permit) = d.acquire(Time::ZERO, &call, random) {
                        inside.push(permit.pass);
                    } else if let Ok(Admitted { id, evicted }) = d.wait(Time::ZERO, &call, next) {
                        prop_assert!(evicted.is_empty() || d.held() <= 100);
                        waiting.push(id);
                    }
                    next += 1;
                }
                3 if !inside.is_empty() => {
                    let key = inside.swap_remove(random as usize % inside.len());
                    d.release(Time::ZERO, key, Outcome::Neutral, random, &mut grants);
                }
                4 if instances < 5 => {
                    instances += 1;
                    let id = InstanceId::new(&format!("i{instances}"));
                    d.add_local(Time::ZERO, id, "local", random, &mut grants);
                }
                5 if !waiting.is_empty() => {
                    d.cancel(waiting.swap_remove(random as usize % waiting.len()));
                }
                _ => {}
            }
            inside.extend(grants.into_iter().map(|(_, permit)| permit.pass));
            prop_assert!(d.locals().all(|(_, n, _)| n <= limit));
            prop_assert_eq!(d.locals().map(|(_, n, _)| n as usize).sum::<usize>(), inside.len());
            prop_assert!(d.held() == 0 || !d.local_room(Time::ZERO));
        }
    }
}

fn stand(d: &mut Tested, id: &str, standing: Standing) -> usize {
    let mut grants = Vec::new();
    d.stand(Time::ZERO, &InstanceId::new(id), standing, 1, &mut grants);
    grants.len()
}

#[test]
fn calls_wait_for_others_rather_than_go_to_a_suspect_and_go_there_when_it_is_alone() {
    let mut d = Tested::new(&revision(2, None));
    add(&mut d, "a");
    add(&mut d, "b");
    stand(&mut d, "a", Standing::Suspect);
    let call = call(Origin::Here);
    let permits: Vec<_> = (0..3).map(|n| d.acquire(Time::ZERO, &call, n)).collect();
    let given: Vec<bool> = permits.iter().map(Option::is_some).collect();
    assert_eq!(given, [true, true, false], "the other one's two places");
    assert!(d.wait(Time::ZERO, &call, 1).is_ok());
    // Alone, it is better than nothing.
    d.remove_local(&InstanceId::new("b"));
    let mut grants = Vec::new();
    d.grant(Time::ZERO, 1, &mut grants);
    assert_eq!(grants.len(), 1);
    // What is shut is not there at all, and comes back with a sign of life.
    stand(&mut d, "a", Standing::Shut);
    assert_eq!(d.ready(), 0);
    assert!(d.acquire(Time::ZERO, &call, 1).is_none());
    assert!(d.wait(Time::ZERO, &call, 2).is_ok());
    assert_eq!(stand(&mut d, "a", Standing::Serving), 1);
}

#[test]
fn a_probe_takes_a_place_so_that_no_more_than_may_are_inside() {
    let mut d = Tested::new(&revision(1, None));
    add(&mut d, "a");
    let id = InstanceId::new("a");
    let probe = d.probe(&id).unwrap();
    let calls = |d: &Tested| d.locals().map(|(_, calls, _)| calls).sum::<u32>();
    assert_eq!(calls(&d), 0, "it is no call, nor work that excuses silence");
    assert!(d.acquire(Time::ZERO, &call(Origin::Here), 1).is_none());
    assert!(d.wait(Time::ZERO, &call(Origin::Here), 1).is_ok());
    let mut grants = Vec::new();
    d.release(Time::ZERO, probe.pass, Outcome::Neutral, 1, &mut grants);
    assert_eq!(grants.len(), 1, "who waited meanwhile");
    assert_eq!(calls(&d), 1);
    assert!(d.probe(&id).is_none(), "a call is inside");
}
