//! What callers of the async path see.

use std::sync::Arc;
use std::time::Duration;

use gateless_common::problem::Code;
use gateless_core::access::Access;
use gateless_core::call::waits::WaitsFor;
use gateless_core::config::{self, AsyncPolicy, Visibility};
use gateless_core::hold::Caller;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy::{Identity, Maker, Policy, Principal};
use gateless_core::time::Time;
use http::{Request, request};

use super::*;
use crate::call::Payload;
use crate::queue::clock::Clock;
use crate::queue::contract::fixture::{self, Fixture};
use crate::queue::{reading, token, wire};
use crate::runtime::{HoldCaps, Registry};
use crate::telemetry::metrics::Metrics;

fn function() -> config::Function {
    config::Function {
        name: FunctionName::new("default", "hello").unwrap(),
        uid: "u".into(),
        revisions: vec![],
        traffic: vec![],
        candidate: None,
        settle: Duration::ZERO,
        gave_back_at_ms: 0,
        visibility: Visibility::Public,
        access: Access::default(),
        async_policy: AsyncPolicy::DEFAULT,
        callback_signing: None,
    }
}

fn admitted(parts: request::Parts, body: &'static str) -> Admitted<Call> {
    let metrics = Arc::<Metrics>::default();
    let (registry, _) = Registry::new(NodeId::new("n"), HoldCaps::default(), metrics, None);
    registry.change([Arc::new(function())], []);
    let function = registry.function(&function().name).unwrap();
    let payload = Payload::Whole(body.into());
    let call = Call::new(
        function,
        Identity::Function(None),
        parts,
        payload,
        Caller(0),
    );
    Policy::default().admit(call, Time::ZERO).unwrap()
}

async fn send(
    fixture: &Fixture,
    headers: &[(&str, &str)],
    body: &'static str,
) -> Result<Response<Bytes>, Error> {
    let mut request = Request::post("/x?y=1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let (queue, clock) = (fixture.queue.clone(), Clock::Manual(fixture.clock.clone()));
    let group = group(&admitted(parts, body), &Egress::default())?;
    accept(
        &Homes::alone(NodeId::new(fixture::NODE), queue, clock),
        group,
    )
    .await
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn accepted_call_is_answered_202_with_where_to_look() {
    let fixture = Fixture::memory();
    let response = send(&fixture, &[("x-own", "1")], "body").await.unwrap();
    assert_eq!(response.status(), 202);
    let id = response.headers()["x-call-id"].to_str().unwrap().to_owned();
    let document = json(&response);
    assert_eq!(document["id"], id.as_str());
    let url = format!("/_gateless/calls/{id}");
    assert_eq!(document["status_url"], url.as_str());
    assert_eq!(response.headers()["location"], url.as_str());
    assert_eq!(document["result_url"], format!("{url}/result"));

    let id = CallId::parse(&id).unwrap();
    let view = fixture.queue.calls.get(&id).await.unwrap();
    let shown = json(&status_response(&wire::call(&view, Some(WaitsFor::Turn))));
    assert_eq!(
        (&shown["state"], &shown["path"]),
        (&"queued".into(), &"/x?y=1".into())
    );
    assert_eq!(shown["accepted_at"], "2027-01-15T08:00:00Z");
    assert_eq!(shown["waits_for"], "turn");
    assert_eq!(shown["finished_at"], Value::Null);
    assert_eq!(shown["body_bytes"], 4);
    for hidden in ["callback_url", "callback_state", "callback_error"] {
        assert_eq!(shown.get(hidden), None, "{hidden}");
    }
}

#[tokio::test]
async fn result_is_the_functions_answer() {
    let fixture = Fixture::memory();
    let response = send(&fixture, &[], "body").await.unwrap();
    let id = CallId::parse(response.headers()["x-call-id"].to_str().unwrap()).unwrap();
    let early = result(&*fixture.queue.calls, &id).await.unwrap_err();
    assert_eq!(
        (early.code().status(), early.code()),
        (409, Code::CallNotFinished)
    );
    let begun = fixture.begin().await;
    begun
        .end(fixture::answer(404), fixture.now())
        .await
        .unwrap();
    let response = result(&*fixture.queue.calls, &id).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-function-status"], "404");
    assert_eq!(response.headers()["etag"], "x");
    assert_eq!(&response.body()[..], b"made");
}

#[tokio::test]
async fn idempotency_key_gives_the_same_call_or_a_refusal() {
    let fixture = Fixture::memory();
    let key = [("idempotency-key", "k1")];
    let first = send(&fixture, &key, "a").await.unwrap();
    let second = send(&fixture, &key, "a").await.unwrap();
    assert_eq!(second.status(), 202);
    assert_eq!(first.headers()["x-call-id"], second.headers()["x-call-id"]);
    assert!(!first.headers().contains_key("idempotent-replayed"));
    assert_eq!(second.headers()["idempotent-replayed"], "true");
    let other = send(&fixture, &key, "b").await.unwrap_err();
    assert_eq!(other.code().status(), 422);
}

#[tokio::test]
async fn call_is_read_by_who_shows_its_token_or_the_key_it_was_made_with() {
    let fixture = Fixture::memory();
    let response = send(&fixture, &[], "a").await.unwrap();
    let text = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let (id, token) = (
        CallId::parse(&text("x-call-id")).unwrap(),
        text("x-call-token"),
    );
    assert_eq!(json(&response)["token"], token.as_str());
    assert!(token.len() * 4 >= 128, "{token}");
    let principal = Principal {
        maker: Maker::Anonymous,
        key: Some("ann".into()),
        source: None,
    };
    let record = Record {
        principal,
        ..fixture::record("b")
    };
    let keyed = fixture.accept(record).await.unwrap().id;
    let calls = &*fixture.queue.calls;
    let read = async |id: &CallId, shown: Option<&str>, key: Option<&str>| {
        let shown = shown.map(|shown| token::proof(shown.as_bytes()));
        let key = |_: &_, _: &_| key.map(Into::into);
        let read = reading::read(calls, id, shown.as_ref(), key).await;
        read.map(|view| view.id).map_err(|error| error.to_string())
    };
    assert_eq!(read(&id, Some(&token), None).await, Ok(id.clone()));
    assert_eq!(
        read(&keyed, Some("of ann"), Some("ann")).await,
        Ok(keyed.clone())
    );
    // All else looks like a call that never was.
    let unknown = CallId::new(Time::from_millis(7), NodeId::new(fixture::NODE));
    let never = |id: &CallId| Err(Error::NotFound(id.to_string()).to_string());
    for (id, shown, key) in [
        (&unknown, Some(token.as_str()), None),
        (&id, None, None),
        (&id, Some("other"), None),
        (&id, Some("of ann"), Some("ann")),
        (&keyed, Some(token.as_str()), None),
        (&keyed, Some("of bob"), Some("bob")),
        (&keyed, None, None),
    ] {
        assert_eq!(read(id, shown, key).await, never(id), "{shown:?} {key:?}");
    }
}

#[tokio::test]
async fn unusable_requests_are_refused_before_anything_is_queued() {
    let fixture = Fixture::memory();
    let check = async |name: &str, value: &str, expected: Code| {
        let error = send(&fixture, &[(name, value)], "a").await.unwrap_err();
        assert_eq!(error.code(), expected, "{name}: {value}");
        assert_eq!(error.code().status(), 400);
    };
    check(
        "x-callback-url",
        "ftp://example.com/",
        Code::UnsupportedCallbackScheme,
    )
    .await;
    check("x-callback-url", "nowhere", Code::BadCallbackUrl).await;
    for near in [
        "http://127.0.0.1:7701/function/inner",
        "http://localhost:7702/",
        "http://[fd00:ec2::254]/latest",
        "http://10.0.0.1/",
    ] {
        check("x-callback-url", near, Code::BadCallbackUrl).await;
    }
    check("idempotency-key", "", Code::BadIdempotencyKey).await;
    check("idempotency-key", "a b", Code::BadIdempotencyKey).await;
    check("idempotency-key", &"x".repeat(256), Code::BadIdempotencyKey).await;
    assert!(fixture.queue.calls.depths().is_empty());
}

#[tokio::test]
async fn unknown_ids_and_other_sidecars_ids_are_not_found() {
    let fixture = Fixture::memory();
    let mine = "0190f5f0c0de7000800000000000abcd-0badcafe";
    let other = "0190f5f0c0de7000800000000000abcd-deadbeef";
    for id in [mine, other] {
        let id = CallId::parse(id).unwrap();
        let error = fixture.queue.calls.get(&id).await.unwrap_err();
        assert_eq!(error.code().status(), 404);
    }
    for text in [
        "",
        "x",
        "0190f5f0c0de7000800000000000abcd",
        "0190F5f0c0de7000800000000000abcd-n",
    ] {
        assert!(CallId::parse(text).is_err(), "{text}");
    }
}
