//! What is written is read again, also as earlier versions wrote it, and what is no value is damage.

use gateless_core::policy::Maker;

use super::*;
use crate::queue::types::CallResult;

#[test]
fn what_is_written_is_read_again() {
    let mut call = Call::new(Time::from_millis(5));
    call.state = State::Dead(Time::from_millis(9), Reason::MaxAge);
    (call.interruptions, call.suspect) = (2, true);
    call.unmade = "nothing starts".into();
    call.attempts.push(Attempt {
        number: 7,
        started: Time::from_millis(6),
        took: Duration::from_millis(2),
        status: Some(503),
        error: "late".into(),
    });
    let stored = Stored {
        function: FunctionName::new("default", "hello").unwrap(),
        call,
        epoch: 4,
        callback: CallbackState::Failed,
        callback_tries: 3,
        callback_error: "no answer within 10 s".into(),
        callback_due: Time::from_millis(1),
        expires_at: Time::from_millis(2),
        stored: 4096,
        status: Some(503),
        result_bytes: 12,
        ttl: Duration::from_secs(3),
        origin: Some(NodeId::new("0badcafe")),
        claim: 2,
        copies: 3,
        dropped: true,
    };
    assert_eq!(Stored::from_bytes(&stored.to_bytes()), Ok(stored));
    let result = CallResult {
        status: 201,
        headers: vec![("etag".into(), Bytes::from_static(b"\"x\""))],
        body: Bytes::from_static(b"made"),
        truncated: true,
    };
    assert_eq!(result_from_bytes(&result_to_bytes(&result)), Ok(result));
}

#[test]
fn who_made_a_call_is_read_again_also_as_earlier_versions_wrote_it() {
    let record = |principal| Record {
        function: FunctionName::new("default", "hello").unwrap(),
        method: "GET".into(),
        path: "/".into(),
        headers: Vec::new(),
        body: Bytes::new(),
        callback: None,
        idempotency: None,
        principal,
    };
    for maker in [
        Maker::Unknown,
        Maker::Anonymous,
        Maker::Function(None),
        Maker::Function(Some(FunctionName::new("shop", "orders").unwrap())),
        Maker::Trigger,
    ] {
        for key in [None, Some("ann".into())] {
            let source = Some("2001:db8::1".parse().unwrap());
            let maker = maker.clone();
            let principal = Principal { maker, key, source };
            let head = Head::new(&record(principal.clone()), Time::ZERO).to_bytes();
            let head = Head::from_bytes(&head).unwrap();
            assert_eq!(head.principal(), principal);
        }
    }
    let mut head = Head::new(&record(Principal::default()), Time::ZERO);
    (head.maker, head.key) = (4, "ann".into());
    let kept = head.principal();
    // Who called with it was not written down: what was admitted is delivered, and no more follows from it.
    assert_eq!(
        (kept.maker, kept.key.as_deref()),
        (Maker::Unknown, Some("ann"))
    );
    head.maker = 9;
    assert_eq!(head.principal().maker, Maker::Anonymous);
}

#[test]
fn unknown_or_cut_values_are_damage_not_panics() {
    for bytes in [
        &[][..],
        &[9, 1, 2],
        &[1],
        &[1, 0, 0, 0, 9, 1],
        &[1, 255, 255],
    ] {
        assert!(Stored::from_bytes(bytes).is_err(), "{bytes:?}");
        assert!(result_from_bytes(bytes).is_err(), "{bytes:?}");
    }
}
