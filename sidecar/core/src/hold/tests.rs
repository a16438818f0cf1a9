//! Behaviour of [`Hold`], example by example and as properties.

use super::*;
use proptest::prelude::*;

const ROOMY: Bounds = Bounds {
    requests: 1_000,
    sync: 1_000,
    bytes: u64::MAX,
};

fn waiter(class: Class, caller: u64, wake: u32) -> Waiter<u32> {
    Waiter {
        class,
        origin: Origin::Here,
        caller: Caller(caller),
        bytes: 1,
        since: Time::ZERO,
        wake,
    }
}

fn wakes(waiters: &[Waiter<u32>]) -> Vec<u32> {
    waiters.iter().map(|waiter| waiter.wake).collect()
}

fn order(hold: &mut Hold<u32>) -> Vec<u32> {
    std::iter::from_fn(|| hold.pop(true))
        .map(|waiter| waiter.wake)
        .collect()
}

#[test]
fn callers_take_turns_and_sync_goes_first() {
    let mut hold = Hold::default();
    for (class, caller, wake) in [
        (Class::Async, 9, 90),
        (Class::Sync, 1, 10),
        (Class::Sync, 1, 11),
        (Class::Sync, 1, 12),
        (Class::Sync, 2, 20),
    ] {
        assert!(hold.push(waiter(class, caller, wake), ROOMY).is_ok());
    }
    assert_eq!(order(&mut hold), [10, 20, 11, 12, 90]);
}

#[test]
fn flood_loses_its_newest_to_another_caller() {
    let mut hold = Hold::default();
    let bounds = Bounds {
        requests: 3,
        sync: 3,
        bytes: u64::MAX,
    };
    for wake in 0..3 {
        assert!(hold.push(waiter(Class::Sync, 1, wake), bounds).is_ok());
    }
    assert!(
        hold.push(waiter(Class::Sync, 1, 3), bounds).is_err(),
        "its own flood is refused"
    );
    let evicted = hold
        .push(waiter(Class::Sync, 2, 20), bounds)
        .unwrap()
        .evicted;
    assert_eq!(wakes(&evicted), [2]);
    assert!(
        hold.push(waiter(Class::Sync, 2, 21), bounds).is_err(),
        "equal shares are kept"
    );
}

#[test]
fn sync_calls_find_room_beside_any_number_of_async_ones() {
    let mut hold = Hold::default();
    for wake in 0..20 {
        assert!(hold.push(waiter(Class::Async, 0, wake), ROOMY).is_ok());
    }
    // What was held while more could start is more than may wait now.
    let bounds = Bounds { sync: 2, ..ROOMY };
    for wake in 20..22 {
        let admitted = hold.push(waiter(Class::Sync, 1, wake), bounds).unwrap();
        assert!(admitted.evicted.is_empty());
    }
    assert!(hold.push(waiter(Class::Sync, 1, 22), bounds).is_err());
    // Where all together are too many, an async one goes.
    let bounds = Bounds {
        requests: 10,
        ..ROOMY
    };
    let admitted = hold.push(waiter(Class::Sync, 1, 23), bounds).unwrap();
    assert_eq!(wakes(&admitted.evicted), [19]);
    assert!(
        hold.push(waiter(Class::Async, 2, 24), bounds).is_ok(),
        "takes turns"
    );
    assert!(hold.push(waiter(Class::Async, 0, 25), bounds).is_err());
}

#[test]
fn flood_from_before_the_bound_shrank_crowds_out_itself() {
    let mut hold = Hold::default();
    for wake in 0..20 {
        assert!(hold.push(waiter(Class::Sync, 1, wake), ROOMY).is_ok());
    }
    let bounds = Bounds { sync: 5, ..ROOMY };
    let admitted = hold.push(waiter(Class::Sync, 2, 20), bounds).unwrap();
    assert_eq!(wakes(&admitted.evicted), [19]);
    assert!(hold.push(waiter(Class::Sync, 1, 21), bounds).is_err());
}

#[test]
fn large_call_pushes_out_several_small_ones_or_none() {
    let mut hold = Hold::default();
    let bounds = Bounds { bytes: 20, ..ROOMY };
    for wake in 0..20 {
        assert!(hold.push(waiter(Class::Async, 0, wake), bounds).is_ok());
    }
    let large = |bytes| Waiter {
        bytes,
        ..waiter(Class::Sync, 1, 20)
    };
    let (_, full) = hold.push(large(21), bounds).unwrap_err();
    assert_eq!(
        (full, hold.len()),
        (Full::Bytes, 20),
        "nobody goes for nothing"
    );
    let admitted = hold.push(large(3), bounds).unwrap();
    assert_eq!(wakes(&admitted.evicted), [19, 18, 17]);
    assert_eq!(hold.bytes(), 20);
}

#[test]
fn peers_wait_until_a_local_gate_has_room() {
    let mut hold = Hold::default();
    let mut forwarded = waiter(Class::Sync, 1, 1);
    forwarded.origin = Origin::Peer;
    assert!(hold.push(forwarded, ROOMY).is_ok());
    assert!(hold.push(waiter(Class::Sync, 2, 2), ROOMY).is_ok());
    assert_eq!(hold.pop(false).map(|w| w.wake), Some(2));
    assert_eq!(hold.pop(false).map(|w| w.wake), None);
    assert_eq!(hold.pop(true).map(|w| w.wake), Some(1));
}

#[test]
fn one_function_leaves_room_for_the_next() {
    let mut flood = 0;
    while fair_share(1_000, flood, flood, 1) {
        flood += 1;
    }
    assert_eq!(flood, 500);
    assert!(fair_share(1_000, flood, 0, 1));
}

proptest! {
    #[test]
    fn nothing_is_lost_or_counted_twice(
        steps in proptest::collection::vec((0..4_u8, 0..3_u64, 0..2_u8), 1..200)
    ) {
        let mut hold = Hold::default();
        let bounds = Bounds { requests: 8, sync: 5, bytes: 8 };
        let (mut inside, mut wake) = (std::collections::BTreeSet::new(), 0);
        for (step, caller, class) in steps {
            let class = if class == 0 { Class::Sync } else { Class::Async };
            if step < 3 {
                wake += 1;
                if let Ok(Admitted { evicted, .. }) = hold.push(waiter(class, caller, wake), bounds) {
                    inside.insert(wake);
                    for out in evicted {
                        prop_assert!(inside.remove(&out.wake));
                    }
                }
            } else if let Some(out) = hold.pop(true) {
                prop_assert!(inside.remove(&out.wake));
            }
            prop_assert_eq!(hold.len(), inside.len() as u64);
            prop_assert_eq!(hold.bytes(), inside.len() as u64);
            prop_assert!(hold.len() <= bounds.requests);
        }
        let rest: std::collections::BTreeSet<_> = order(&mut hold).into_iter().collect();
        prop_assert_eq!(rest, inside);
        prop_assert!(hold.is_empty() && hold.lanes.is_empty());
    }
}
