//! That every loss is found: one history without any, and each way to lose or double a call.

use std::time::Duration;

use super::*;
use crate::cluster::Seen;
use crate::history::{Harm, Incident};

fn answered(status: u16, id: &str, unsure: bool) -> Outcome {
    Outcome::Answered {
        status,
        code: String::new(),
        detail: String::new(),
        call: id.to_owned(),
        unsure,
    }
}

fn call(kind: Kind, id: &str, outcome: Outcome) -> Call {
    Call {
        id: id.to_owned(),
        kind,
        function: "work".to_owned(),
        entrance: 0,
        began: Duration::from_secs(12),
        ended: Duration::from_secs(13),
        outcome,
    }
}

fn seen(id: &str) -> Seen {
    Seen {
        id: id.to_owned(),
        pid: 7,
        revision: "work-00001".to_owned(),
        in_flight: 1,
    }
}

fn sound() -> History {
    let accepted = |id| answered(202, id, false);
    let calls = vec![
        call(Kind::Get, "get", answered(200, "", false)),
        call(Kind::Post, "post", answered(200, "", false)),
        call(Kind::Stream, "stream", answered(200, "", false)),
        call(Kind::Async, "job", accepted("j1")),
        call(Kind::Keyed, "key", accepted("k1")),
        call(Kind::Keyed, "key", accepted("k1")),
    ];
    let seen = ["get", "post", "stream", "job", "key"]
        .map(seen)
        .into_iter();
    let fired = [20, 22, 24].map(|time| format!("clock=cron:default/clock:{time}"));
    History {
        calls,
        // At the very entrance the calls are made at: no excuse here.
        incidents: vec![Incident {
            name: "restart".to_owned(),
            harm: Harm::Planned,
            hosts: vec![0],
            from: Duration::from_secs(10),
            to: Duration::from_secs(20),
        }],
        seen: seen.chain(fired.iter().map(|id| self::seen(id))).collect(),
        ends: [("j1", "succeeded"), ("k1", "succeeded")]
            .map(|(id, state)| (id.to_owned(), state.to_owned()))
            .into(),
        schedule: Some(Schedule {
            trigger: "clock".to_owned(),
            every: 2,
            due: (20, 24),
        }),
        ..History::default()
    }
}

#[track_caller]
fn check_finds(change: impl FnOnce(&mut History), expected: &str) {
    let mut history = sound();
    change(&mut history);
    let found = losses(&history);
    let is_found = found.iter().any(|loss| loss.contains(expected));
    assert!(is_found, "no {expected:?} in {found:#?}");
}

fn failed(history: &mut History, kind: Kind) {
    let found = history.calls.iter_mut().find(|call| call.kind == kind);
    found.unwrap().outcome = answered(502, "", false);
}

#[test]
fn change_that_costs_nothing_has_no_loss() {
    assert_eq!(losses(&sound()), Vec::<String>::new());
    let mut repeated = sound();
    repeated.seen.push(seen("get"));
    assert_eq!(losses(&repeated), Vec::<String>::new(), "a GET may be");
}

#[test]
fn failure_at_the_entrance_that_restarts_is_a_loss() {
    for (kind, id) in [
        (Kind::Get, "get at 0: failed"),
        (Kind::Post, "post at 0: failed"),
        (Kind::Stream, "stream at 0: failed"),
        (Kind::Async, "job at 0: was not accepted"),
        (Kind::Keyed, "key at 0: failed"),
    ] {
        check_finds(|history| failed(history, kind), id);
    }
}

#[test]
fn accepted_call_that_dies_or_runs_twice_is_a_loss() {
    let dead = |history: &mut History| {
        history.ends.insert("j1".to_owned(), "dead".to_owned());
    };
    check_finds(dead, "j1 is Some(\"dead\")");
    check_finds(|history| history.seen.push(seen("job")), "seen 2 times");
    check_finds(|history| history.seen.retain(|s| s.id != "job"), "seen 0");
    check_finds(|history| history.ends.clear(), "j1 is None");
}

#[test]
fn post_that_runs_twice_is_a_loss() {
    check_finds(|history| history.seen.push(seen("post")), "seen 2 times");
}

#[test]
fn key_that_becomes_two_calls_is_a_loss_unless_its_answer_says_so() {
    let twice = |history: &mut History, unsure| {
        history.calls[5].outcome = answered(202, "k2", unsure);
        history.seen.push(seen("key"));
        history.ends.insert("k2".to_owned(), "succeeded".to_owned());
    };
    check_finds(|history| twice(history, false), "key became");
    let mut doubted = sound();
    twice(&mut doubted, true);
    assert_eq!(losses(&doubted), Vec::<String>::new());
    // One call that runs twice is none of its business.
    check_finds(|history| history.seen.push(seen("key")), "key became");
}

#[test]
fn key_at_a_sidecar_of_the_version_before_is_that_sidecars() {
    let older = |node: &str| Older {
        entrance: 0,
        node: node.to_owned(),
        from: Duration::from_secs(5),
        to: Duration::from_secs(15),
    };
    let mut history = sound();
    history.calls[5].outcome = answered(202, "k2", false);
    history.seen.push(seen("key"));
    history.ends.insert("k2".to_owned(), "succeeded".to_owned());
    history.older = vec![older("there")];
    assert_eq!(losses(&history), Vec::<String>::new());
    // It has the first call itself and is not just being replaced; or it is of this version by then.
    history.incidents.clear();
    history.older = vec![older("k1")];
    assert!(losses(&history)[0].contains("key became"));
    history.older = vec![Older {
        to: Duration::from_secs(11),
        ..older("there")
    }];
    assert!(losses(&history)[0].contains("key became"));
}

#[test]
fn key_whose_sidecar_is_replaced_may_become_another_call() {
    let mut history = sound();
    history.calls[5].outcome = answered(202, "k2", false);
    history.seen.push(seen("key"));
    history.ends.insert("k2".to_owned(), "succeeded".to_owned());
    let older = Older {
        entrance: 0,
        node: "k1".to_owned(),
        from: Duration::ZERO,
        to: Duration::from_secs(5),
    };
    history.older = vec![older];
    assert_eq!(losses(&history), Vec::<String>::new());
    history.incidents[0].to = Duration::from_secs(11);
    assert!(losses(&history)[0].contains("key became"));
}

#[test]
fn time_of_a_schedule_that_is_left_out_or_doubled_is_a_loss() {
    let fired = "clock=cron:default/clock:22";
    check_finds(
        |history| history.seen.retain(|s| s.id != fired),
        "clock at 22 ran 0 times",
    );
    check_finds(
        |history| history.seen.push(seen(fired)),
        "clock at 22 ran 2 times",
    );
}
