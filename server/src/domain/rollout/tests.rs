//! Rollouts as a person sees them: apply, ready, traffic, rollback, forgetting.

use super::*;
use crate::domain::Error;
use crate::domain::traffic::{Target, check, pinned, resolve, rollback_to};

fn spec(command: &str) -> Spec {
    let text = format!(r#"{{"kind": "process", "process": {{"command": ["{command}"]}}}}"#);
    serde_json::from_str(&text).unwrap()
}

fn applied(current: Option<&Function>, spec: Spec) -> Outcome {
    let apply = Apply {
        spec,
        labels: BTreeMap::new(),
    };
    let uid = format!("u{}", current.map_or(1, |f| f.last_number + 1));
    super::apply(
        current,
        ("default", "f"),
        &apply,
        (Timestamp::UNIX_EPOCH, &uid),
    )
}

/// A function with `n` revisions, all ready.
fn ready_function(n: usize) -> Function {
    let mut function = applied(None, spec("c0")).function;
    for i in 0..n {
        if i > 0 {
            function = applied(Some(&function), spec(&format!("c{i}"))).function;
        }
        let latest = function.latest().unwrap().name.clone();
        function = ready(&function, &latest, Timestamp::UNIX_EPOCH).unwrap();
    }
    function
}

fn serving(function: &Function) -> Vec<(String, u32)> {
    let targets = resolve(function).into_iter();
    targets.map(|t| (t.revision, t.percent)).collect()
}

fn target(revision: Option<&str>, percent: u32, tag: Option<&str>) -> Target {
    Target {
        revision: revision.map(str::to_owned),
        latest: revision.is_none(),
        percent,
        tag: tag.map(str::to_owned),
    }
}

#[test]
fn a_candidate_gets_traffic_only_when_it_was_ready() {
    let first = applied(None, spec("a")).function;
    assert_eq!(serving(&first), []);
    assert_eq!(first.candidate().unwrap().name, "f-00001");
    let first = ready(&first, "f-00001", Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(serving(&first), [("f-00001".into(), 100)]);

    let second = applied(Some(&first), spec("b")).function;
    assert_eq!(serving(&second), [("f-00001".into(), 100)]);
    assert_eq!(pushed(&second).len(), 2);
    let second = ready(&second, "f-00002", Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(serving(&second), [("f-00002".into(), 100)]);
    assert!(ready(&second, "f-00002", Timestamp::UNIX_EPOCH).is_none());
}

#[test]
fn a_revision_that_starts_nothing_is_ready_at_once() {
    let mut empty = spec("a");
    empty.scaling.initial_scale = 0;
    assert_eq!(
        serving(&applied(None, empty).function),
        [("f-00001".into(), 100)]
    );
}

#[test]
fn the_same_spec_makes_no_new_revision() {
    let function = ready_function(1);
    let again = applied(Some(&function), spec("c0"));
    assert!(!again.changed && again.revision.is_none());
    let again = applied(Some(&function), spec("c0").resolved());
    assert!(again.changed && again.revision.is_none());
}

#[test]
fn a_rollback_pins_the_previous_ready_revision_and_keeps_tags() {
    let mut function = ready_function(3);
    function = applied(Some(&function), spec("never ready")).function;
    function
        .traffic
        .push(target(Some("f-00001"), 0, Some("old")));
    let to = rollback_to(&function, None).unwrap();
    assert_eq!(to, "f-00002");
    function.traffic = pinned(&function.traffic, &to);
    assert_eq!(
        serving(&function),
        [("f-00002".into(), 100), ("f-00001".into(), 0)]
    );
    assert_eq!(rollback_to(&function, None).unwrap(), "f-00001");
    let never = rollback_to(&function, Some("f-00004"));
    assert!(matches!(never, Err(Error::NeverReady { .. })));
    let unknown = rollback_to(&function, Some("x"));
    assert!(matches!(unknown, Err(Error::UnknownRevision { .. })));
    let nothing = rollback_to(&ready_function(1), None);
    assert!(matches!(nothing, Err(Error::NothingToRollBackTo { .. })));
}

#[test]
fn traffic_faults_name_their_target() {
    let function = applied(Some(&ready_function(2)), spec("candidate")).function;
    let rows: [(Vec<Target>, &[&str]); 7] = [
        (vec![target(None, 100, None)], &[]),
        (
            vec![
                target(Some("f-00001"), 30, None),
                target(None, 70, Some("new")),
            ],
            &[],
        ),
        (vec![], &["/targets", "/targets"]),
        (vec![target(None, 99, None)], &["/targets"]),
        (
            vec![target(Some("f-00009"), 100, None)],
            &["/targets/0/revision"],
        ),
        (
            vec![target(Some("f-00003"), 100, None)],
            &["/targets/0/revision"],
        ),
        (
            vec![target(None, 100, Some("A")), target(None, 0, None)],
            &["/targets/0/tag", "/targets/1/percent"],
        ),
    ];
    for (targets, expected) in rows {
        let found: Vec<_> = match check(&function, &targets) {
            Ok(()) => Vec::new(),
            Err(Error::Invalid(faults)) => faults.into_iter().map(|f| f.pointer).collect(),
            Err(other) => unreachable!("{other}"),
        };
        assert_eq!(found, expected, "{targets:?}");
    }
}

#[test]
fn old_revisions_are_forgotten_unless_they_have_traffic_or_a_tag() {
    let mut function = ready_function(KEPT_REVISIONS);
    function
        .traffic
        .push(target(Some("f-00002"), 0, Some("keep")));
    let outcome = applied(Some(&function), spec("next"));
    assert_eq!(outcome.removed, ["u1"]);
    let outcome = applied(Some(&outcome.function), spec("and next"));
    assert_eq!(outcome.removed, Vec::<String>::new());
    assert!(outcome.function.revision("f-00002").is_some());
    assert_eq!(outcome.function.last_number, 22);
}

fn after(function: &Function, seconds: i64, never_answered: bool) -> Option<Function> {
    let now = Timestamp::from_second(seconds).unwrap();
    let ready = function.latest().and_then(|head| head.ready_at);
    let death = Death {
        cause: "exited with code 1",
        never_answered,
        age: ready.map_or(Duration::ZERO, |ready| {
            now.duration_since(ready).unsigned_abs()
        }),
    };
    died(function, "f-00002", death, now)
}

#[test]
fn a_revision_that_dies_in_its_first_minute_gives_its_calls_back_and_has_to_hold_for_a_minute() {
    let second = ready_function(2);
    assert_eq!(settle(&second), Duration::ZERO);
    let back = after(&second, 59, false).unwrap();
    assert_eq!(serving(&back), [("f-00001".into(), 100)]);
    assert_eq!(back.candidate().unwrap().name, "f-00002");
    assert_eq!(settle(&back), PROBATION);
    assert!(after(&back, 59, false).is_none(), "it has nothing any more");
    // Sidecars say that it has held: it is tried again.
    let again = ready(&back, "f-00002", Timestamp::from_second(200).unwrap()).unwrap();
    assert_eq!(serving(&again), [("f-00002".into(), 100)]);
    assert!(after(&again, 259, false).is_some());
    // The next one is as new as any.
    assert_eq!(settle(&applied(Some(&back), spec("x")).function), SETTLE);
}

#[test]
fn calls_stay_where_there_is_no_other_or_somebody_wants_them_or_it_has_worked_for_long() {
    let second = ready_function(2);
    assert!(after(&second, 60, false).is_none());
    assert!(after(&second, 3_600, true).is_some(), "it never worked");
    // Its first revision, and one that is not the newest any more.
    let death = Death {
        cause: "",
        never_answered: true,
        age: Duration::ZERO,
    };
    let now = Timestamp::UNIX_EPOCH;
    assert!(died(&ready_function(1), "f-00001", death, now).is_none());
    assert!(died(&second, "f-00001", death, now).is_none());
    let mut pinned = second.clone();
    pinned.traffic = vec![target(Some("f-00002"), 100, None)];
    assert!(after(&pinned, 1, false).is_none());
    // A share of those that follow the newest goes back too.
    let mut split = second;
    split.traffic = vec![target(Some("f-00001"), 80, None), target(None, 20, None)];
    let back = after(&split, 1, false).unwrap();
    assert!(serving(&back).iter().all(|(name, _)| name == "f-00001"));
}
