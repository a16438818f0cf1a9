//! What is a valid trigger, what a change of one keeps, and when it fires next.

use serde_json::json;

use super::*;
use crate::domain::Error;

fn spec(changes: &[(&str, serde_json::Value)]) -> Spec {
    let mut document = json!({"kind": "cron", "function": "f", "cron": {"schedule": "0 12 * * *"}});
    for (path, value) in changes {
        let mut at = &mut document;
        for step in path.split('/') {
            at = &mut at[step];
        }
        *at = value.clone();
    }
    serde_json::from_value(document).unwrap()
}

fn faults(changes: &[(&str, serde_json::Value)]) -> Vec<String> {
    match check(&spec(changes)) {
        Ok(()) => Vec::new(),
        Err(Error::Invalid(errors)) => errors.into_iter().map(|e| e.pointer).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn defaults_are_filled_in() {
    let spec = spec(&[]);
    assert_eq!((&*spec.method, &*spec.path), ("POST", "/"));
    let cron = spec.cron.unwrap();
    assert_eq!((&*cron.timezone, cron.catch_up), ("UTC", CatchUp::Last));
    assert_eq!(cron.catch_up_window_ms, 86_400_000);
}

#[test]
fn every_fault_is_named_with_its_field() {
    for schedule in [
        "* * * * *",
        "*/10 * * * * *",
        "0 9 * * MON-FRI",
        "0 0 L * *",
        "@hourly",
    ] {
        assert_eq!(
            faults(&[("cron/schedule", schedule.into())]),
            [""; 0],
            "{schedule}"
        );
    }
    for schedule in [
        "",
        "* * * *",
        "61 * * * *",
        "0 0 30 2 *",
        "0 0 0 1 1 * 2030",
        "soon",
        "0 0 * * * \u{0130}",
    ] {
        assert_eq!(
            faults(&[("cron/schedule", schedule.into())]),
            ["/spec/cron/schedule"],
            "{schedule}"
        );
    }
    let check = |path: &str, value: serde_json::Value| {
        let expected = format!("/spec/{path}");
        assert_eq!(faults(&[(path, value)]), [expected]);
    };
    check("function", "A".into());
    check("cron/timezone", "Mars/Olympus".into());
    check("cron/timezone", "".into());
    check("cron/body", "x".repeat(65_537).into());
    check("cron/content_type", "a\nb".into());
    check("cron/catch_up_window_ms", 1.into());
    check("queue", json!({"topic": "t"}));
    check("method", "BREW".into());
    check("path", "x".into());
    check("path", "/x y".into());
    check("headers/host", "x".into());
    check("headers/x-gateless-class", "x".into());
    check("headers/X-Upper", "x".into());
    check("headers/x-y", "a\r\nb".into());
    let events = |name: &str, value: &str| {
        let attributes = json!({"attributes": {name: value}});
        let null = serde_json::Value::Null;
        faults(&[
            ("kind", "cloudevents".into()),
            ("cron", null),
            ("cloudevents", attributes),
        ])
    };
    assert_eq!(events("type", "a.b"), [""; 0]);
    assert_eq!(events("Type", "x"), ["/spec/cloudevents/attributes/Type"]);
    assert_eq!(events("type", ""), ["/spec/cloudevents/attributes/type"]);
    assert_eq!(
        faults(&[("kind", "queue".into())]),
        ["/spec/cron", "/spec/queue"]
    );
}

#[test]
fn only_what_changes_its_times_makes_it_begin_anew() {
    let at = |s: i64| Timestamp::from_second(s).unwrap();
    let put = |old: Option<&Trigger>, spec: &Spec, s| {
        Trigger::put(("default", "t"), old, spec, (at(s), "uid"))
    };
    let first = put(None, &spec(&[]), 100);
    assert_eq!((first.since, first.updated_at), (at(100), at(100)));
    let again = put(Some(&first), &spec(&[]), 200);
    assert_eq!(again, first);
    let path = put(Some(&first), &spec(&[("path", "/x".into())]), 300);
    assert_eq!((path.since, path.updated_at), (at(100), at(300)));
    let paused = put(Some(&path), &spec(&[("paused", true.into())]), 400);
    assert_eq!(paused.since, at(400));
    assert_eq!(paused.next_fire_at(at(500)), None);
    let noon = "2026-07-01T12:00:00Z".parse().unwrap();
    assert_eq!(
        first.next_fire_at("2026-07-01T11:59:59.5Z".parse().unwrap()),
        Some(noon)
    );
}
