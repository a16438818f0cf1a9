//! Which calls are kept, and for how long, with invented calls and time.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::pick::{
    Ended, MAX_ERRORS_A_SECOND, MAX_OTHERS_A_SECOND, Pick, Picker, Settings, glance,
};
use super::ring::{Bounds, Ring};
use super::*;
use crate::fixture::function_name;
use crate::time::Time;

fn record(function: &str, id: u128, kept: Kept) -> Record {
    Record {
        id,
        node: NodeId::new("a"),
        kept,
        function: function_name(function),
        revision: None,
        instance: None,
        host: None,
        caller: Caller::Outside,
        cause: Cause::Direct,
        trace: None,
        method: "GET".into(),
        path: "/".into(),
        at_ms: 1_000,
        phases: Phases::default(),
        took: Duration::from_millis(5),
        held_for: None,
        outcome: Outcome::Answered,
        status: 200,
        code: None,
        broken_off: false,
        bytes_in: Some(0),
        bytes_out: 2,
        sends: 1,
        attempt: None,
    }
}

/// A function's calls, and what becomes of them.
struct Calls {
    settings: Settings,
    picker: Picker,
    number: u64,
    at: Time,
}

impl Calls {
    fn new(settings: Settings) -> Self {
        Self {
            picker: Picker::new(&settings),
            settings,
            number: 0,
            at: Time::from_millis(1_000),
        }
    }

    fn call(&mut self, status: u16, cold: bool, took: Duration) -> Pick {
        let ended = Ended {
            status,
            cold,
            took,
            at: self.at,
        };
        let (settings, number) = (self.settings, self.number);
        self.number += 1;
        match glance(&settings, self.picker.line(&settings), &ended, number) {
            true => self.picker.pick(&settings, &ended, number),
            false => Pick::Leave,
        }
    }
}

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn a_function_that_is_called_seldom_has_all_its_calls_on_record() {
    let mut calls = Calls::new(Settings::default());
    for _ in 0..50 {
        assert_eq!(calls.call(200, false, SHORT), Pick::Keep(Kept::Sample));
        calls.at += Duration::from_secs(1);
    }
}

#[test]
fn one_in_a_hundred_is_kept_of_many_and_no_more_a_second_than_may() {
    let mut calls = Calls::new(Settings::default());
    let count = |calls: &mut Calls, n: u32| {
        (0..n)
            .filter(|_| calls.call(200, false, SHORT) == Pick::Keep(Kept::Sample))
            .count()
    };
    assert_eq!(count(&mut calls, 1_000), 10);
    assert_eq!(
        count(&mut calls, 10_000),
        usize::from(MAX_OTHERS_A_SECOND) - 10
    );
    calls.at += Duration::from_secs(1);
    assert!(count(&mut calls, 1_000) >= 10);
}

#[test]
fn every_failed_and_every_cold_call_is_kept_up_to_its_bound() {
    let none = Settings {
        one_in: 0,
        slow: None,
    };
    let mut calls = Calls::new(none);
    assert_eq!(calls.call(200, false, SHORT), Pick::Leave);
    for (status, kept) in [
        (500, true),
        (503, true),
        (504, true),
        (429, true),
        (404, false),
        (401, false),
    ] {
        let expected = if kept {
            Pick::Keep(Kept::Error)
        } else {
            Pick::Leave
        };
        assert_eq!(calls.call(status, false, SHORT), expected, "{status}");
    }
    assert_eq!(calls.call(200, true, SHORT), Pick::Keep(Kept::Cold));
    assert_eq!(calls.call(503, true, SHORT), Pick::Keep(Kept::Error));
    let more = (0..1_000).map(|_| calls.call(500, false, SHORT));
    let kept = more.filter(|pick| *pick == Pick::Keep(Kept::Error)).count();
    assert_eq!(kept + 5, usize::from(MAX_ERRORS_A_SECOND));
    assert_eq!(calls.call(500, false, SHORT), Pick::Missed(Kept::Error));
    // Another kind has its own bound, and the next second another.
    assert_eq!(calls.call(200, true, SHORT), Pick::Keep(Kept::Cold));
    calls.at += Duration::from_secs(1);
    assert_eq!(calls.call(500, false, SHORT), Pick::Keep(Kept::Error));
}

#[test]
fn a_threshold_that_is_set_is_what_counts() {
    let set = Settings {
        one_in: 0,
        slow: Some(Duration::from_millis(10)),
    };
    let mut calls = Calls::new(set);
    assert_eq!(
        calls.call(200, false, Duration::from_millis(10)),
        Pick::Leave
    );
    let slow = calls.call(200, false, Duration::from_millis(11));
    assert_eq!(slow, Pick::Keep(Kept::Slow));
}

proptest! {
    /// Whatever the calls took before, and however they are spread.
    #[test]
    fn about_one_of_a_hundred_calls_is_slow(
        before in 1_u64..10_000_000,
        scale in 1_000_u64..1_000_000,
        takes in prop::collection::vec(any::<u16>(), 4_000..4_001),
    ) {
        let mut calls = Calls::new(Settings { one_in: 0, slow: None });
        calls.call(200, false, Duration::from_micros(before));
        let run = |calls: &mut Calls| {
            let mut slow = 0;
            for take in takes.iter().cycle().take(40_000) {
                calls.at += Duration::from_millis(1);
                let took = Duration::from_nanos(scale * (1 + u64::from(*take) / 64));
                slow += u32::from(calls.call(200, false, took) != Pick::Leave);
            }
            slow
        };
        run(&mut calls);
        let slow = run(&mut calls);
        prop_assert!((100..1_200).contains(&slow), "{slow} of 40000");
    }

    #[test]
    fn a_ring_keeps_within_its_bounds_and_makes_way_where_most_is(
        steps in prop::collection::vec((0_usize..4, 0_usize..4), 1..400),
    ) {
        let bounds = Bounds { records: 40, bytes: 25 * record("f0", 0, Kept::Error).bytes() };
        let mut ring = Ring::new(bounds);
        for (n, (function, kept)) in steps.iter().enumerate() {
            ring.push(record(&format!("f{function}"), n as u128, Kept::ALL[*kept]));
            let (records, bytes) = ring.size();
            prop_assert!(records <= bounds.records && bytes <= bounds.bytes);
            prop_assert_eq!(records, ring.find(&of_all(), usize::MAX).len());
        }
        // The newest is there.
        let newest = ring.find(&of_all(), 1)[0].id;
        prop_assert_eq!(newest, steps.len() as u128 - 1);
        let wanted = |f: usize, k: usize| {
            let same = steps.iter().filter(|step| **step == (f, k)).count();
            // Of sixteen parts each has its sixteenth.
            same.min(1)
        };
        for f in 0..4 {
            for k in 0..4 {
                let filter = Filter {
                    function: Some(format!("f{f}")),
                    kept: vec![Kept::ALL[k]],
                    ..of_all()
                };
                prop_assert!(ring.find(&filter, usize::MAX).len() >= wanted(f, k));
            }
        }
    }
}

fn of_all() -> Filter {
    Filter {
        namespace: "default".into(),
        ..Filter::default()
    }
}

#[test]
fn a_flood_of_one_function_does_not_push_out_what_others_have() {
    let mut ring = Ring::new(Bounds {
        records: 100,
        bytes: u64::MAX,
    });
    for n in 0..10 {
        ring.push(record("quiet", n, Kept::Error));
        ring.push(record("loud", n, Kept::Sample));
    }
    for n in 100..10_000 {
        ring.push(record("loud", n, Kept::Error));
    }
    let of = |function: &str, kept| {
        let filter = Filter {
            function: Some(function.into()),
            kept: vec![kept],
            ..of_all()
        };
        ring.find(&filter, usize::MAX).len()
    };
    assert_eq!(of("quiet", Kept::Error), 10);
    assert_eq!(of("loud", Kept::Sample), 10);
    assert_eq!(of("loud", Kept::Error), 80);
}

#[test]
fn a_record_is_found_by_each_thing_that_is_asked_of_it() {
    let mut found = record("f", 7, Kept::Error);
    (found.status, found.outcome) = (503, Outcome::Refused);
    found.caller = Caller::Function(Some(function_name("shop")));
    found.cause = Cause::Trigger(Some("nightly".into()));
    found.held_for = Some(HeldFor::Instance);
    found.trace = Trace::parse("00-0000000000000000000000000000000a-000000000000000b-01");
    found.attempt = Some(Attempt {
        call: "c-a".into(),
        number: 2,
    });
    assert_eq!(
        found.trace,
        Some(Trace {
            id: 10,
            parent: 11,
            sampled: true
        })
    );
    let check = |set: &dyn Fn(&mut Filter), expected: bool| {
        let mut filter = of_all();
        set(&mut filter);
        assert_eq!(filter.lets(&found), expected, "{filter:?}");
    };
    check(&|_| {}, true);
    check(&|f| f.namespace = "other".into(), false);
    check(&|f| f.function = Some("g".into()), false);
    check(
        &|f| f.outcomes = vec![Outcome::Failed, Outcome::Refused],
        true,
    );
    check(&|f| f.outcomes = vec![Outcome::Answered], false);
    check(&|f| f.kept = vec![Kept::Slow], false);
    check(&|f| f.status = Some(5), true);
    check(&|f| f.status = Some(503), true);
    check(&|f| f.status = Some(4), false);
    check(&|f| f.cause = Some("trigger".into()), true);
    check(&|f| f.cause = Some("trigger:nightly".into()), true);
    check(&|f| f.cause = Some("trigger:night".into()), false);
    check(&|f| f.caller = Some("function:shop.default".into()), true);
    check(&|f| f.caller = Some("outside".into()), false);
    check(&|f| f.min_took = Duration::from_millis(5), true);
    check(&|f| f.min_took = Duration::from_millis(6), false);
    check(&|f| f.cold = Some(false), false);
    check(&|f| f.since_ms = 1_001, false);
    check(&|f| f.until_ms = 1_000, false);
    check(&|f| f.trace = Some(10), true);
    check(&|f| f.trace = Some(11), false);
    check(&|f| f.call = Some("c-a".into()), true);
    check(&|f| f.before = Some((7, NodeId::new("a"))), false);
    check(&|f| f.before = Some((7, NodeId::new("b"))), true);
    check(&|f| f.is = Some((7, NodeId::new("a"))), true);
    check(&|f| f.is = Some((7, NodeId::new("b"))), false);
}

#[test]
fn ids_sort_by_time_and_are_uuids_of_version_7() {
    let (a, b) = (id(1_000, u128::MAX), id(1_001, 0));
    assert!(a < b);
    assert_eq!(format!("{b:032x}"), "0000000003e970008000000000000000");
    assert_eq!((a >> 76) & 0xf, 7);
}

#[test]
fn a_path_is_kept_without_its_query_and_no_longer_than_may() {
    assert_eq!(kept_path("/a?token=secret"), "/a");
    let long = "/ä".repeat(200);
    let kept = kept_path(&long);
    assert!(kept.len() <= MAX_PATH && long.starts_with(kept));
    let shared: Arc<str> = kept.into();
    assert_eq!(&*shared, kept);
}
