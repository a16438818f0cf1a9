//! What is applied, what is refused, and what stays.

use super::*;
use crate::catalogue::config::tests::sample;

impl Default for State {
    fn default() -> Self {
        Self::new(Own::new(gateless_identity::OpeningKey::generate()))
    }
}

pub(in crate::catalogue) fn change(function: v1::Function) -> v1::Change {
    let name = format!("functions/{}/{}", function.namespace, function.name);
    let kind = Some(Kind::Function(function));
    let resource = Some(v1::Resource {
        kind,
        ..v1::Resource::default()
    });
    v1::Change { name, resource }
}

fn response(id: &str, version: u64, changes: Vec<v1::Change>) -> v1::WatchResponse {
    v1::WatchResponse {
        api_port: 0,
        trust: None,
        catalogue_id: id.into(),
        version,
        snapshot: false,
        changes,
        ..Default::default()
    }
}

fn snapshot(version: u64, changes: Vec<v1::Change>) -> v1::WatchResponse {
    v1::WatchResponse {
        api_port: 0,
        trust: None,
        snapshot: true,
        ..response("c1", version, changes)
    }
}

fn names(state: &State) -> Vec<String> {
    let functions = state.catalogue.functions.keys();
    functions.map(ToString::to_string).collect()
}

#[test]
fn changes_add_replace_and_remove() {
    let mut state = State::default();
    let all = vec![change(sample("a")), change(sample("b"))];
    state.apply(snapshot(1, all)).unwrap();
    let mut newer = sample("b");
    newer.uid = "again".into();
    let mut gone = change(sample("a"));
    gone.resource = None;
    let changes = vec![gone, change(newer), change(sample("c"))];
    state.apply(response("c1", 2, changes)).unwrap();
    assert_eq!(names(&state), ["default/b", "default/c"]);
    let b = "default/b".parse::<FunctionName>().unwrap();
    let b = &state.catalogue.functions[&b];
    assert_eq!((&*b.uid, state.catalogue.version), ("again", 2));
    state.apply(snapshot(3, vec![change(sample("c"))])).unwrap();
    assert_eq!(names(&state), ["default/c"]);
    assert_eq!(state.good().len(), 1);
}

#[test]
fn bad_resource_is_refused_alone_and_the_last_good_one_stays() {
    let mut state = State::default();
    state.apply(snapshot(1, vec![change(sample("a"))])).unwrap();
    let mut bad = sample("a");
    bad.traffic[0].percent = 50;
    let mut misnamed = change(sample("x"));
    misnamed.name = "functions/default/y".into();
    let unknown = v1::Change {
        name: "triggers/default/t".into(),
        resource: Some(v1::Resource::default()),
    };
    let changes = vec![change(bad.clone()), misnamed, unknown, change(sample("b"))];
    let accepted = state.apply(response("c1", 2, changes)).unwrap();
    assert_eq!(accepted.changes.len(), 1);
    assert_eq!(names(&state), ["default/a", "default/b"]);
    let rejected = state.rejections();
    assert_eq!(rejected.len(), 3);
    assert_eq!(rejected[0].resource, "functions/default/a");
    assert_eq!(
        rejected[0].reason,
        "traffic: percentages sum to 50, not 100"
    );
    // A snapshot that still has the bad one keeps the last good one as well.
    state.apply(snapshot(3, vec![change(bad)])).unwrap();
    assert_eq!(names(&state), ["default/a"]);
    assert_eq!(state.rejections().len(), 1);
    state
        .apply(response("c1", 4, vec![change(sample("a"))]))
        .unwrap();
    assert!(!state.has_rejections());
}

#[test]
fn bad_trigger_is_refused_alone_and_the_last_good_one_stays() {
    use crate::catalogue::config::trigger::tests::{cron, sample as trigger, topic};
    let named = |kind| v1::Change {
        name: "triggers/default/t".into(),
        resource: Some(v1::Resource {
            kind: Some(Kind::Trigger(kind)),
            ..Default::default()
        }),
    };
    let mut state = State::default();
    let good = named(trigger("t", cron("* * * * *")));
    state.apply(snapshot(1, vec![good])).unwrap();
    let bad = vec![named(trigger("t", cron("soon"))), change(sample("b"))];
    state.apply(response("c1", 2, bad)).unwrap();
    assert_eq!(names(&state), ["default/b"]);
    let name = TriggerName::new("default", "t").unwrap();
    assert!(state.catalogue.triggers[&name].cron().is_some());
    assert_eq!(state.rejections()[0].resource, "triggers/default/t");
    let better = vec![named(trigger("t", topic("orders")))];
    state.apply(response("c1", 3, better)).unwrap();
    assert!(state.catalogue.triggers[&name].cron().is_none());
    assert!(!state.has_rejections());
    let mut gone = named(trigger("t", topic("orders")));
    gone.resource = None;
    state.apply(response("c1", 4, vec![gone])).unwrap();
    assert!(state.catalogue.triggers.is_empty());
}

#[test]
fn changes_to_another_catalogue_are_not_mixed_in() {
    let mut state = State::default();
    state.apply(snapshot(1, vec![change(sample("a"))])).unwrap();
    let foreign = response("c2", 2, vec![change(sample("b"))]);
    assert!(state.apply(foreign).is_err());
    assert_eq!(names(&state), ["default/a"]);
}
