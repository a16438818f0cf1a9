//! What is refused, and with which words. Also the sample function other tests build on.

use super::*;

/// A valid function with one revision that gets all traffic.
pub(crate) fn sample(name: &str) -> v1::Function {
    gateless_proto::fixture::function(name, &["serve"])
}

fn check(spoil: impl FnOnce(&mut v1::Function), expected: &str) {
    let mut wire = sample("hello");
    spoil(&mut wire);
    let refused = function(&wire).map(drop).map_err(|e| e.to_string());
    match refused {
        Err(reason) => assert!(reason.starts_with(expected), "{reason} is not {expected}"),
        Ok(()) => panic!("accepted, although {expected}"),
    }
}

fn process(wire: &mut v1::Function) -> &mut v1::ProcessRuntime {
    let runtime = wire.revisions[0].runtime.as_mut().unwrap();
    match runtime.kind.as_mut() {
        Some(v1::runtime::Kind::Process(process)) => process,
        other => panic!("no process: {other:?}"),
    }
}

fn scaling(wire: &mut v1::Function) -> &mut v1::Scaling {
    wire.revisions[0].scaling.as_mut().unwrap()
}

#[test]
fn valid_function_is_converted() {
    let mut wire = sample("hello");
    scaling(&mut wire).max_scale = 3;
    wire.revisions[0].limits.as_mut().unwrap().idle_timeout_ms = 0;
    wire.candidate = "hello-00001".into();
    wire.revisions[0]
        .limits
        .as_mut()
        .unwrap()
        .container_concurrency = 2;
    let function = function(&wire).unwrap();
    assert_eq!(function.name.to_string(), "default/hello");
    assert_eq!(function.traffic[0].revision, 0);
    assert_eq!(
        function.candidate.as_ref(),
        Some(&function.revisions[0].name)
    );
    let revision = &function.revisions[0];
    assert_eq!(revision.limits.timeout, Some(Duration::from_secs(300)));
    assert_eq!(revision.limits.idle_timeout, None, "0 is none");
    assert_eq!(revision.limits.container_concurrency, Some(2));
    let expected = gateless_core::config::Scaling {
        max_scale: Some(3),
        ..Default::default()
    };
    assert_eq!(revision.scaling, expected);
}

#[test]
fn what_the_server_sends_by_default_is_what_the_table_has() {
    let function = function(&sample("hello")).unwrap();
    assert_eq!(function.async_policy, AsyncPolicy::DEFAULT);
    let revision = &function.revisions[0];
    assert_eq!(revision.limits, gateless_core::config::Limits::DEFAULT);
    assert_eq!(revision.hold, gateless_core::config::HoldLimits::DEFAULT);
    assert_eq!(
        revision.retries,
        gateless_core::config::RetryPolicy::DEFAULT
    );
    assert_eq!(revision.scaling, gateless_core::config::Scaling::DEFAULT);
}

#[test]
fn a_setting_that_was_not_sent_is_refused_unless_0_is_a_value_of_it() {
    check(
        |f| f.revisions[0].hold.as_mut().unwrap().max_wait_ms = 0,
        "revisions[0].hold.max_wait_ms: must be 1 to",
    );
    check(
        |f| f.revisions[0].retries.as_mut().unwrap().budget_percent = 101,
        "revisions[0].retries.budget_percent: must be 0 to 100, not 101",
    );
}

#[test]
fn wrong_names_and_traffic_are_refused() {
    check(|f| f.name = "Hello".into(), "name: ");
    check(|f| f.uid.clear(), "uid: is empty");
    check(|f| f.revisions.clear(), "revisions: is empty");
    check(
        |f| f.revisions.push(f.revisions[0].clone()),
        "revisions[1].name: ",
    );
    check(
        |f| f.traffic[0].percent = 99,
        "traffic: percentages sum to 99",
    );
    check(
        |f| f.traffic[0].percent = 4_000_000_000,
        "traffic[0].percent: ",
    );
    check(
        |f| f.traffic[0].revision = "x".into(),
        "traffic[0].revision: no revision",
    );
    check(|f| f.traffic[0].tag = "No".into(), "traffic[0].tag: ");
    check(|f| f.candidate = "x".into(), "candidate: no revision");
    check(|f| f.visibility = 9, "visibility: ");
    check(|f| f.r#async = None, "async: is missing");
    check(
        |f| f.r#async.as_mut().unwrap().max_attempts = 0,
        "async.max_attempts: ",
    );
    check(
        |f| f.r#async.as_mut().unwrap().backoff_max_ms = 1,
        "async.backoff_base_ms: ",
    );
}

#[test]
fn wrong_revisions_are_refused() {
    let at = "revisions[0].";
    let check = |spoil: fn(&mut v1::Function), path: &str| check(spoil, &format!("{at}{path}"));
    check(|f| f.revisions[0].runtime = None, "runtime: is missing");
    check(
        |f| f.revisions[0].runtime.as_mut().unwrap().kind = None,
        "runtime.kind: ",
    );
    check(
        |f| f.revisions[0].retries.as_mut().unwrap().max_attempts = 0,
        "retries.max_attempts: ",
    );
    check(
        |f| drop(f.revisions[0].env.insert("A=B".into(), String::new())),
        "env: ",
    );
    check(|f| f.revisions[0].protocol = 0, "protocol: ");
    check(|f| process(f).command.clear(), "runtime.process.command: ");
    check(
        |f| process(f).command = vec![String::new()],
        "runtime.process.command: ",
    );
    check(
        |f| process(f).bundle_sha256 = "../x".into(),
        "runtime.process.bundle_sha256: ",
    );
    check(
        |f| process(f).bundle_sha256 = "a".repeat(64),
        "runtime.process.bundle_format: ",
    );
    check(
        |f| process(f).working_dir = "sub".into(),
        "runtime.process.working_dir: ",
    );
    check(
        |f| process(f).ready_kind = "http".into(),
        "runtime.process.ready_path: ",
    );
    check(
        |f| process(f).start_timeout_ms = 0,
        "runtime.process.start_timeout_ms: ",
    );
    check(|f| scaling(f).metric = "cpu".into(), "scaling.metric: ");
    check(|f| scaling(f).target = f64::NAN, "scaling.target: ");
    check(|f| scaling(f).target = f64::INFINITY, "scaling.target: ");
    check(
        |f| scaling(f).target_utilization_percent = 100.5,
        "scaling.target_utilization",
    );
    check(
        |f| scaling(f).max_scale_up_rate = 1.0,
        "scaling.max_scale_up_rate: ",
    );
    check(
        |f| scaling(f).target_burst_capacity = -0.5,
        "scaling.target_burst_capacity: ",
    );
    check(
        |f| {
            scaling(f).min_scale = 3;
            scaling(f).max_scale = 2;
        },
        "scaling.min_scale: ",
    );
}

#[test]
fn secret_values_are_not_printed() {
    let wire = v1::Secret {
        namespace: "default".into(),
        name: "db".into(),
        data: [("password".to_owned(), b"hunter2".to_vec())].into(),
        generation: 1,
    };
    let secret = secret(&wire).unwrap();
    assert_eq!(secret.data["password"], "hunter2");
    let printed = format!("{secret:?}");
    assert!(
        printed.contains("password") && !printed.contains("hunter2"),
        "{printed}"
    );
}
