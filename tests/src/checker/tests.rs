//! That the checker fails where it must: one history that keeps every invariant, and each way to break it.

use std::time::Duration;

use super::*;
use crate::history::ColdStart;

fn answered(status: u16, code: &str) -> Outcome {
    Outcome::Answered {
        status,
        code: code.to_owned(),
        detail: String::new(),
        call: String::new(),
        unsure: false,
    }
}

/// At entrance 0, from second `at` to the next.
fn call(id: &str, kind: Kind, at: u64, outcome: Outcome) -> Call {
    Call {
        id: id.to_owned(),
        kind,
        function: "work".to_owned(),
        entrance: 0,
        began: Duration::from_secs(at),
        ended: Duration::from_secs(at + 1),
        outcome,
    }
}

fn seen(id: &str, in_flight: usize) -> Seen {
    Seen {
        id: id.to_owned(),
        pid: 7,
        revision: "work-00001".to_owned(),
        in_flight,
    }
}

/// From second 10 to 20.
fn incident(harm: Harm, hosts: &[usize]) -> Incident {
    Incident {
        name: format!("{harm:?}"),
        harm,
        hosts: hosts.to_vec(),
        from: Duration::from_secs(10),
        to: Duration::from_secs(20),
    }
}

fn queued(id: &str, state: Option<&str>, times: usize) -> History {
    let mut history = sound();
    let outcome = Outcome::Answered {
        status: 202,
        code: String::new(),
        detail: String::new(),
        call: format!("call-{id}"),
        unsure: false,
    };
    history.calls.push(call(id, Kind::Async, 1, outcome));
    let state = state.map(|state| (format!("call-{id}"), state.to_owned()));
    history.ends.extend(state);
    history.seen.extend((0..times).map(|_| seen(id, 1)));
    history
}

fn sound() -> History {
    let calls = [
        call("get", Kind::Get, 1, answered(200, "")),
        call("post", Kind::Post, 2, answered(200, "")),
        call("flood", Kind::Flood, 12, answered(503, "overflow")),
    ];
    History {
        calls: calls.to_vec(),
        incidents: vec![incident(Harm::Fault, &[1])],
        seen: vec![seen("get", 1), seen("post", 2)],
        concurrency: BTreeMap::from([("work".to_owned(), 2)]),
        ends: BTreeMap::new(),
        cold: Some(ColdStart {
            started: 3,
            computed: (2, 4),
        }),
        started: 0,
        older: Vec::new(),
        schedule: None,
    }
}

/// A failed call at second 12, under incidents.
fn failed(kind: Kind, outcome: Outcome, incidents: &[Incident]) -> History {
    let mut history = sound();
    history.calls.push(call("failed", kind, 12, outcome));
    history.incidents = incidents.to_vec();
    history
}

#[track_caller]
fn check_finds(history: &History, expected: &[u8]) {
    let found = check(history);
    let numbers: Vec<u8> = found.iter().map(|violation| violation.invariant).collect();
    assert_eq!(numbers, expected, "{found:#?}");
}

#[test]
fn sound_history_has_no_violation() {
    check_finds(&sound(), &[]);
    check_finds(&queued("job", Some("succeeded"), 1), &[]);
    check_finds(&queued("job", Some("succeeded"), 3), &[]);
    check_finds(&queued("job", Some("dead"), 0), &[]);
}

#[test]
fn accepted_call_that_never_ends_is_found() {
    check_finds(&queued("job", Some("scheduled"), 1), &[1]);
    check_finds(&queued("job", Some("succeeded"), 0), &[1]);
}

#[test]
fn accepted_call_nobody_knows_is_found() {
    check_finds(&queued("job", Some("unknown"), 0), &[2]);
    check_finds(&queued("job", None, 1), &[2]);
}

#[test]
fn crowded_instance_is_found() {
    let mut history = sound();
    history.seen.push(seen("get", 3));
    check_finds(&history, &[3]);
}

#[test]
fn refused_call_that_was_seen_is_found() {
    for code in ["overflow", "function_failing", "queue_full"] {
        let mut history = failed(
            Kind::Post,
            answered(503, code),
            &[incident(Harm::Fault, &[0])],
        );
        check_finds(&history, &[]);
        history.seen.push(seen("failed", 1));
        check_finds(&history, &[4]);
    }
    let mut flood = sound();
    flood.seen.push(seen("flood", 1));
    check_finds(&flood, &[4]);
}

#[test]
fn call_sent_twice_is_found_unless_it_may_be_repeated() {
    let mut history = sound();
    history.seen.push(seen("get", 1));
    check_finds(&history, &[]);
    history.seen.push(seen("post", 1));
    check_finds(&history, &[4]);
}

#[test]
fn failure_without_a_cause_is_found() {
    let nothing = Outcome::Nothing("connection reset".to_owned());
    for outcome in [
        nothing,
        answered(502, "instance_failed"),
        answered(404, "function_not_found"),
    ] {
        check_finds(&failed(Kind::Get, outcome.clone(), &[]), &[5]);
        let planned = [incident(Harm::Planned, &[1])];
        check_finds(&failed(Kind::Post, outcome.clone(), &planned), &[5]);
        let own = [incident(Harm::Planned, &[0])];
        check_finds(&failed(Kind::Post, outcome, &own), &[]);
    }
}

#[test]
fn start_of_too_many_or_too_few_is_found() {
    for started in [1, 5] {
        let mut history = sound();
        history.cold = Some(ColdStart {
            started,
            computed: (2, 4),
        });
        check_finds(&history, &[6]);
    }
}

#[test]
fn failure_for_want_of_the_server_is_found() {
    let away = [incident(Harm::ServerAway, &[])];
    check_finds(
        &failed(Kind::Get, answered(503, "no_revision"), &away),
        &[7],
    );
}

#[test]
fn held_call_that_is_lost_with_another_host_is_found() {
    let elsewhere = [incident(Harm::Fault, &[1])];
    let lost = failed(Kind::Post, answered(503, "function_failing"), &elsewhere);
    check_finds(&lost, &[8]);
    let inside = failed(Kind::Post, answered(502, "instance_failed"), &elsewhere);
    check_finds(&inside, &[]);
    let own = failed(
        Kind::Post,
        answered(503, "function_failing"),
        &[incident(Harm::Fault, &[0])],
    );
    check_finds(&own, &[]);
}

#[test]
fn call_starved_by_anothers_flood_is_found() {
    let flood = [incident(Harm::Flood, &[])];
    check_finds(&failed(Kind::Get, answered(503, "overflow"), &flood), &[9]);
}
