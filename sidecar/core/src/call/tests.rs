//! What a call's life may look like: examples of each turn, and properties over all of them.

use super::*;
use proptest::prelude::*;

fn policy() -> AsyncPolicy {
    AsyncPolicy {
        max_attempts: 3,
        ..AsyncPolicy::DEFAULT
    }
}

fn at(secs: u64) -> Time {
    Time::from_millis(secs * 1000)
}

fn answer(status: u16) -> Event {
    Event::Answered {
        status,
        retry_after: None,
    }
}

fn not_made() -> Event {
    Event::NotMade {
        error: "nothing starts".into(),
    }
}

fn crashed() -> Event {
    Event::Crashed {
        error: "it broke off".into(),
    }
}

fn step(call: &mut Call, secs: u64, event: &Event) -> Result<Action, Conflict> {
    call.on_event(at(secs), event, &policy(), u64::MAX)
}

/// Feeds events one second apart and compares the state reached.
fn check(events: &[Event], expected: &str) {
    let mut call = Call::new(at(0));
    for (secs, event) in events.iter().enumerate() {
        step(&mut call, secs as u64, event).unwrap_or_else(|e| panic!("{event:?}: {e}"));
    }
    assert_eq!(call.state.as_str(), expected, "{events:?}");
}

#[test]
fn answers_are_results_unless_they_ask_for_a_retry() {
    for status in [200, 204, 301, 400, 404, 409, 422, 499] {
        check(&[Event::Start, answer(status)], "succeeded");
    }
    for status in [408, 425, 429, 500, 501, 502, 503, 504, 599] {
        check(&[Event::Start, answer(status)], "retrying");
    }
}

#[test]
fn an_answer_nobody_reads_ends_a_call_well_only_when_it_accepts_it() {
    for status in [300, 304, 400, 404, 409, 410, 415, 422, 499] {
        assert!(is_refusal(status), "{status}");
        check(&[Event::Start, Event::Refused { status }], "dead");
    }
    for status in [200, 202, 204, 299, 408, 425, 429, 500, 503] {
        assert!(!is_refusal(status), "{status}");
    }
    let mut call = Call::new(at(0));
    step(&mut call, 1, &Event::Start).unwrap();
    step(&mut call, 2, &Event::Refused { status: 400 }).unwrap();
    assert_eq!(call.state, State::Dead(at(2), Reason::NotRetryable));
    let last = call.attempts.last().unwrap();
    assert_eq!((last.status, last.error.is_empty()), (Some(400), false));
}

#[test]
fn last_failed_attempt_makes_it_dead() {
    let round = [Event::Start, answer(500)];
    let mut call = Call::new(at(0));
    for (secs, event) in round.iter().cycle().take(6).enumerate() {
        step(&mut call, secs as u64, event).unwrap();
    }
    assert_eq!(call.state, State::Dead(at(5), Reason::MaxAttempts));
    assert_eq!(call.attempts.len(), 3);
    assert!(call.attempts.iter().all(|a| a.status == Some(500)));
}

#[test]
fn kills_of_the_sidecar_are_not_the_calls_within_a_bound() {
    let mut call = Call::new(at(0));
    for n in 1..=MAX_INTERRUPTIONS + 1 {
        let now = u64::from(n);
        let started = step(&mut call, now, &Event::Start);
        assert_eq!(started, Ok(Action::Dispatch(n)));
        call.recover(at(now));
        assert_eq!(call.state, State::Retrying(at(now)));
        assert_eq!((call.tries, call.interruptions), (0, n));
    }
    assert!(call.attempts[0].error.contains("interrupted"));
    assert_eq!(step(&mut call, 99, &Event::Start), Ok(Action::Finish));
    assert_eq!(call.state, State::Dead(at(99), Reason::MaxAttempts));
    step(&mut call, 100, &Event::Replay).unwrap();
    assert_eq!(call.interruptions, 0);
}

#[test]
fn a_lost_peer_is_not_the_calls_fault_either() {
    let mut call = Call::new(at(0));
    let error = "the host broke off".to_owned();
    for n in 0..u64::from(MAX_INTERRUPTIONS) {
        step(&mut call, 100 * n, &Event::Start).unwrap();
        let lost = Event::Interrupted {
            error: error.clone(),
        };
        let back = step(&mut call, 100 * n, &lost);
        assert!(matches!(back, Ok(Action::Enqueue(_))), "{back:?}");
        assert_eq!(call.tries, 0);
    }
}

#[test]
fn a_crash_counts_and_makes_its_call_a_suspect_until_the_function_had_it_whole() {
    let failed = |retryable| Event::Failed {
        retryable,
        error: "late".into(),
    };
    for (cleared_by, suspect) in [
        (answer(200), false),
        (answer(500), false),
        (failed(true), false),
        (not_made(), true),
        (crashed(), true),
    ] {
        let mut call = Call::new(at(0));
        step(&mut call, 0, &Event::Start).unwrap();
        step(&mut call, 1, &crashed()).unwrap();
        assert_eq!((call.tries, call.suspect), (1, true));
        step(&mut call, 2, &Event::Start).unwrap();
        step(&mut call, 3, &cleared_by).unwrap();
        assert_eq!(call.suspect, suspect, "{cleared_by:?}");
    }
    let (start, crashed) = (Event::Start, crashed());
    let events = [&start, &crashed].map(Clone::clone);
    check(
        &events.iter().cycle().take(6).cloned().collect::<Vec<_>>(),
        "dead",
    );
}

#[test]
fn no_attempt_starts_after_max_age() {
    let mut call = Call::new(at(0));
    assert_eq!(step(&mut call, 3600, &Event::Start), Ok(Action::Finish));
    assert_eq!(call.state, State::Dead(at(3600), Reason::MaxAge));
}

#[test]
fn retry_after_is_honoured_but_never_past_max_age() {
    let check = |now: u64, asked: u64, expected_millis: u64| {
        let mut call = Call::new(at(0));
        step(&mut call, now, &Event::Start).unwrap();
        let event = Event::Answered {
            status: 503,
            retry_after: Some(Duration::from_secs(asked)),
        };
        let action = step(&mut call, now, &event);
        assert_eq!(
            action,
            Ok(Action::Enqueue(Time::from_millis(expected_millis)))
        );
    };
    check(10, 30, 40_000);
    check(10, 86_400, 3_599_000);
    check(3_598, 86_400, 3_599_000);
}

/// As found: `max_age` of 3 s and a `retry-after` beyond it gave attempts at 2.0, 2.5, 2.75, 2.88, 2.94 s.
#[test]
fn a_retry_after_beyond_max_age_leads_to_one_last_attempt_and_no_more() {
    let check = |max_age: u64, asked: u64, expected: &[u64]| {
        let policy = AsyncPolicy {
            max_attempts: 100,
            max_age: Duration::from_millis(max_age),
            ..AsyncPolicy::DEFAULT
        };
        let busy = Event::Answered {
            status: 503,
            retry_after: Some(Duration::from_millis(asked)),
        };
        let (mut call, mut now) = (Call::new(at(0)), at(0));
        let mut begun = Vec::new();
        loop {
            call.on_event(now, &Event::Start, &policy, 0).unwrap();
            begun.push(now.as_nanos() / 1_000_000);
            match call.on_event(now, &busy, &policy, 0).unwrap() {
                Action::Enqueue(until) => now = until,
                Action::Finish => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(call.state, State::Dead(now, Reason::MaxAge));
        assert_eq!(begun, expected, "{max_age} {asked}");
    };
    check(3_000, 60_000, &[0, 2_250]);
    check(3_000, 1_000, &[0, 1_000, 2_000, 2_250]);
    check(10_000, 4_000, &[0, 4_000, 8_000, 9_000]);
    check(1_000, 5_000, &[0, 750]);
    check(10_000, 9_500, &[0, 9_500]);
}

#[test]
fn failure_that_no_retry_can_mend_makes_it_dead_at_once() {
    let failed = Event::Failed {
        retryable: false,
        error: "no such revision".into(),
    };
    check(&[Event::Start, failed], "dead");
}

#[test]
fn cancelling_an_attempt_under_way_aborts_it_and_its_answer_comes_too_late() {
    let mut call = Call::new(at(0));
    step(&mut call, 0, &Event::Start).unwrap();
    assert_eq!(step(&mut call, 1, &Event::Cancel), Ok(Action::Abort));
    assert_eq!(step(&mut call, 2, &answer(200)), Err(Conflict("cancelled")));
    assert_eq!(
        step(&mut call, 2, &Event::Cancel),
        Err(Conflict("cancelled"))
    );
}

#[test]
fn replay_starts_afresh_and_goes_on_counting() {
    let mut call = Call::new(at(0));
    for _ in 0..3 {
        step(&mut call, 1, &Event::Start).unwrap();
        step(&mut call, 1, &answer(500)).unwrap();
    }
    assert_eq!(
        step(&mut call, 9_999, &Event::Replay),
        Ok(Action::Enqueue(at(9_999)))
    );
    assert_eq!(
        step(&mut call, 9_999, &Event::Start),
        Ok(Action::Dispatch(4))
    );
    assert_eq!(
        step(&mut call, 9_999, &answer(500)).map(|_| call.tries),
        Ok(1)
    );
    assert_eq!(call.state.as_str(), "retrying", "fresh attempts, fresh age");
    assert_eq!(
        step(&mut call, 9_999, &Event::Replay),
        Err(Conflict("retrying"))
    );
}

#[test]
fn error_texts_are_cut_at_a_character() {
    let mut call = Call::new(at(0));
    step(&mut call, 0, &Event::Start).unwrap();
    let error = "ä".repeat(400);
    let failed = Event::Failed {
        retryable: true,
        error,
    };
    step(&mut call, 0, &failed).unwrap();
    assert!(call.attempts[0].error.len() <= ERROR_BYTES);
}

#[test]
fn attempt_that_found_no_room_does_not_count() {
    let policy = policy();
    let mut call = Call::new(at(0));
    for round in 0..10 * u64::from(policy.max_attempts) {
        let started = step(&mut call, 10 * round, &Event::Start);
        assert_eq!(started, Ok(Action::Dispatch(1)), "round {round}");
        let back = step(&mut call, 10 * round + 1, &not_made());
        assert!(matches!(back, Ok(Action::Enqueue(_))), "{back:?}");
        assert_eq!((call.tries, call.attempts.len()), (0, 0));
    }
    step(&mut call, 3_000, &Event::Start).unwrap();
    assert_eq!(step(&mut call, 3_600, &not_made()), Ok(Action::Finish));
    assert!(matches!(call.state, State::Dead(_, Reason::MaxAge)));
    assert_eq!(call.unmade, "nothing starts");
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Start),
        3 => (200_u16..600, proptest::option::of(0_u64..10_000)).prop_map(|(status, after)| {
            Event::Answered { status, retry_after: after.map(Duration::from_secs) }
        }),
        1 => (200_u16..600).prop_map(|status| Event::Refused { status }),
        2 => any::<bool>().prop_map(|retryable| Event::Failed { retryable, error: "e".into() }),
        1 => Just(not_made()),
        1 => Just(crashed()),
        1 => Just(Event::Interrupted { error: "e".into() }),
        1 => Just(Event::Cancel),
        1 => Just(Event::Replay),
        1 => Just(Event::FunctionDeleted),
    ]
}

proptest! {
    #[test]
    fn any_life_keeps_its_bounds(
        steps in proptest::collection::vec((events(), 0_u64..2_000, any::<u64>()), 1..120),
    ) {
        let policy = policy();
        let (mut call, mut now) = (Call::new(at(0)), at(0));
        for (event, secs, random) in steps {
            now += Duration::from_secs(secs);
            if random % 7 == 0 {
                call.recover(now);
            }
            let before = call.clone();
            match call.on_event(now, &event, &policy, random) {
                Err(_) => prop_assert_eq!(&call, &before, "a conflict changes nothing"),
                Ok(Action::Dispatch(_)) => {
                    prop_assert!(call.tries <= policy.max_attempts);
                    prop_assert!(call.interruptions <= MAX_INTERRUPTIONS);
                    prop_assert!(now < call.since + policy.max_age);
                }
                Ok(Action::Enqueue(until)) => {
                    prop_assert_eq!(call.next_deadline(), Some(until));
                    prop_assert!(until < call.since + policy.max_age);
                }
                Ok(Action::Finish | Action::Abort) => {
                    prop_assert_eq!(call.state.finished_at(), Some(now));
                    prop_assert_eq!(call.next_deadline(), None);
                }
            }
            prop_assert!(call.attempts.len() <= ATTEMPTS_KEPT);
            prop_assert!(call.attempts.windows(2).all(|w| w[0].number < w[1].number));
        }
    }
}
