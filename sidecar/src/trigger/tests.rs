//! Events and messages over a real queue; what the tests of schedules stand on.

mod schedules;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use gateless_core::name::FunctionName;
use gateless_core::policy::Identity;
use gateless_core::time::Time;
use gateless_core::trigger::TriggerName;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;

use super::ingress::{Poster, Route};
use super::*;
use crate::call::bodies::Bodies;
use crate::catalogue::config::tests::sample as function;
use crate::catalogue::config::trigger::tests::{cron, events, sample, topic};
use crate::queue::clock::Manual;
use crate::queue::filter::Filter;
use crate::queue::local;
use crate::queue::types::View;
use crate::queue::{Calls, Local, Queue};

const START: Time = Time::from_millis(1_800_000_000_000);

/// Peers by node, as many as there are.
#[derive(Default)]
struct Cluster(Mutex<BTreeMap<NodeId, Handle>>);

impl Peers for Arc<Cluster> {
    fn share(
        &self,
        to: &NodeId,
        levels: v1::TriggerLevels,
    ) -> BoxFuture<'static, Result<v1::TriggerLevels, Status>> {
        let peer = self.0.lock().get(to).cloned();
        Box::pin(async move {
            let peer = peer.ok_or_else(|| Status::unavailable("not there"))?;
            peer.shared(levels).await
        })
    }

    fn is_open(&self, at: &NodeId, id: &CallId) -> BoxFuture<'static, Result<bool, Status>> {
        let peer = self.0.lock().get(at).cloned();
        let id = id.clone();
        Box::pin(async move {
            let peer = peer.ok_or_else(|| Status::unavailable("not there"))?;
            let view = peer.inner.calls.get(&id).await;
            let view = view.map_err(|error| Status::not_found(error.to_string()))?;
            Ok(view.call.state.finished_at().is_none())
        })
    }
}

struct Fixture {
    handle: Handle,
    queue: Local,
    clock: Manual,
    catalogue: watch::Sender<Arc<Catalogue>>,
    members: watch::Sender<Vec<Member>>,
    metrics: Arc<Metrics>,
    data: tempfile::TempDir,
}

fn catalogue(triggers: Vec<v1::Trigger>) -> Arc<Catalogue> {
    let mut catalogue = Catalogue::default();
    for name in ["hello", "other"] {
        let function = crate::catalogue::config::function(&function(name)).unwrap();
        catalogue
            .functions
            .insert(function.name.clone(), Arc::new(function));
    }
    for wire in triggers {
        let trigger = crate::catalogue::config::trigger(&wire).unwrap();
        catalogue
            .triggers
            .insert(trigger.name.clone(), Arc::new(trigger));
    }
    Arc::new(catalogue)
}

fn member(node: &str) -> Member {
    Member {
        node: NodeId::new(node),
        peer_address: String::new(),
        public_url: String::new(),
        capacity: 1,
    }
}

impl Fixture {
    async fn new(triggers: Vec<v1::Trigger>) -> Self {
        let data = tempfile::tempdir().unwrap();
        Self::on(
            "0000000a",
            data,
            Manual::new(START),
            triggers,
            &Arc::default(),
        )
        .await
    }

    async fn on(
        node: &str,
        data: tempfile::TempDir,
        clock: Manual,
        triggers: Vec<v1::Trigger>,
        cluster: &Arc<Cluster>,
    ) -> Self {
        let node = NodeId::new(node);
        let mut config = local::Config::new(data.path().join("queue"), node.clone());
        config.clock = Clock::Manual(clock.clone());
        let queue = Local::open(config).unwrap();
        let (catalogue, receiver) = watch::channel(catalogue(triggers));
        let (members, live) = watch::channel(vec![member(node.as_str())]);
        let metrics = Metrics::shared();
        let handle = spawn(Parts {
            node: node.clone(),
            catalogue: receiver,
            members: live,
            others: Arc::new(cluster.clone()),
            policy: Arc::default(),
            bodies: Bodies::default(),
            queue: Arc::new(queue.clone()),
            homes: Homes::alone(
                node.clone(),
                Queue::of(&queue),
                Clock::Manual(clock.clone()),
            ),
            calls: Arc::new(queue.clone()),
            max_body: 1 << 20,
            clock: Clock::Manual(clock.clone()),
            metrics: metrics.clone(),
            observer: Arc::default(),
            data: data.path().to_owned(),
        })
        .await;
        cluster.0.lock().insert(node, handle.clone());
        Self {
            handle,
            queue,
            clock,
            catalogue,
            members,
            metrics,
            data,
        }
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (StatusCode, Value) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(n, v)| {
                (
                    n.parse::<HeaderName>().unwrap(),
                    HeaderValue::from_str(v).unwrap(),
                )
            })
            .collect();
        let route = Route::of(path).unwrap();
        let body = Bytes::from(body.to_owned());
        let poster = Poster {
            identity: Identity::Anonymous,
            source: None,
        };
        let response = self.handle.take(&route, &headers, body, &poster).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn calls(&self, function: &str) -> Vec<View> {
        let filter = Filter {
            namespace: "default".into(),
            function: Some(FunctionName::new("default", function).unwrap()),
            limit: 1000,
            ..Filter::default()
        };
        self.queue.list(filter).await.unwrap().calls
    }

    /// Keys of the calls of `hello`, sorted, once there are `count`.
    async fn keys(&self, count: usize) -> Vec<String> {
        let look = async {
            loop {
                let calls = self.calls("hello").await;
                if calls.len() >= count {
                    return calls;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let calls = tokio::time::timeout(Duration::from_secs(30), look).await;
        let calls = calls.expect("not so many calls came");
        let keys = calls
            .into_iter()
            .map(|c| c.idempotency_key.unwrap_or_default());
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys
    }

    async fn status(&self, name: &str) -> v1::TriggerStatus {
        self.handle.statuses("default", name).await.remove(0)
    }
}

const ORDER: [(&str, &str); 4] = [
    ("ce-specversion", "1.0"),
    ("ce-id", "1"),
    ("ce-source", "/shop"),
    ("ce-type", "order"),
];

#[tokio::test]
async fn event_becomes_a_call_for_each_trigger_that_wants_it() {
    let mut second = sample("second", events(&[]));
    second.function = "other".into();
    second.method = "PUT".into();
    second.path = "/in?x=1".into();
    second.headers.insert("content-type".into(), "a/b".into());
    let mut paused = sample("paused", events(&[]));
    paused.paused = true;
    let triggers = vec![
        sample("first", events(&[("type", "order"), ("source", "/shop")])),
        second,
        sample("not-this", events(&[("type", "invoice")])),
        paused,
        sample("a-topic", topic("orders")),
    ];
    let fixture = Fixture::new(triggers).await;
    let mut sent = ORDER.to_vec();
    sent.extend([("content-type", "text/plain"), ("traceparent", "00-1-2-01")]);
    let (status, answer) = fixture.post("/_gateless/events", &sent, "data").await;
    assert_eq!((status.as_u16(), &answer["accepted"]), (202, &2.into()));
    let hello = fixture.calls("hello").await.remove(0);
    assert_eq!((&*hello.method, &*hello.path), ("POST", "/"));
    let other = fixture.calls("other").await.remove(0);
    assert_eq!((&*other.method, &*other.path), ("PUT", "/in?x=1"));
    let mut ids = vec![hello.id.to_string(), other.id.to_string()];
    let mut told: Vec<_> = answer["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    told.sort();
    assert_eq!(ids, told);
    // The same event again is the same call again; another id is another event.
    let (status, again) = fixture
        .post("/_gateless/events/default", &sent, "data")
        .await;
    assert_eq!((status.as_u16(), &again["calls"]), (202, &answer["calls"]));
    sent[1].1 = "2";
    fixture.post("/_gateless/events", &sent, "data").await;
    assert_eq!(fixture.calls("hello").await.len(), 2);
    assert_eq!(fixture.status("first").await.delivered, 2);
    let (status, none) = fixture
        .post("/_gateless/events/elsewhere", &sent, "data")
        .await;
    assert_eq!(
        (status.as_u16(), none),
        (202, serde_json::json!({"accepted": 0, "calls": []}))
    );
    let shown = fixture.metrics.expose(0, &[]);
    let line = "gateless_trigger_fires_total{namespace=\"default\",trigger=\"first\",outcome=\"duplicate\"} 1";
    assert!(shown.contains(line), "{shown}");
}

#[tokio::test]
async fn headers_of_a_call_are_the_events_and_the_triggers() {
    let mut wire = sample("t", events(&[]));
    wire.headers.insert("content-type".into(), "a/b".into());
    wire.headers.insert("x-mine".into(), "1".into());
    let trigger = crate::catalogue::config::trigger(&wire).unwrap();
    let header = |name: &str, value: &str| (name.to_owned(), Bytes::from(value.to_owned()));
    let fired_by = vec![
        header("ce-id", "1"),
        header("content-type", "text/plain"),
        header("idempotency-key", "theirs"),
    ];
    let record = call::record(&trigger, fired_by, "x".into(), "key".into(), None);
    let expected = [
        header("ce-id", "1"),
        header("content-type", "a/b"),
        header("x-mine", "1"),
        header("x-gateless-trigger", "t"),
        header("idempotency-key", "key"),
    ];
    assert_eq!(record.headers, expected);
}

#[tokio::test]
async fn bad_events_are_refused_whole_with_what_is_wrong() {
    let fixture = Fixture::new(vec![sample("t", events(&[]))]).await;
    let check = async |headers: &[(&str, &str)], body: &str, status: u16, word: &str| {
        let (found, problem) = fixture.post("/_gateless/events", headers, body).await;
        assert_eq!(found.as_u16(), status, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{detail}");
    };
    check(&ORDER[..3], "", 400, "attribute type is missing").await;
    check(
        &[("content-type", "application/cloudevents+avro")],
        "",
        415,
        "avro",
    )
    .await;
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let good = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
    let one_bad = format!(r#"[{good},{{"specversion":"1.0"}}]"#);
    check(
        &batch,
        &one_bad,
        400,
        "attribute id is missing (event 1 of the batch)",
    )
    .await;
    let many = vec![good; 1001].join(",");
    check(&batch, &format!("[{many}]"), 413, "1000").await;
    assert_eq!(fixture.calls("hello").await.len(), 0);
    let (status, answer) = fixture
        .post("/_gateless/events", &batch, &format!("[{good},{good}]"))
        .await;
    assert_eq!((status.as_u16(), &answer["accepted"]), (202, &2.into()));
    assert_eq!(answer["calls"][0], answer["calls"][1]);
    assert_eq!(fixture.calls("hello").await.len(), 1);
}

#[tokio::test]
async fn message_goes_to_every_trigger_on_its_topic() {
    let mut second = sample("second", topic("orders"));
    second.function = "other".into();
    let mut elsewhere = sample("elsewhere", topic("orders"));
    elsewhere.namespace = "elsewhere".into();
    let mut orphan = sample("orphan", topic("orders"));
    orphan.function = "missing".into();
    let triggers = vec![sample("first", topic("orders")), second, elsewhere, orphan];
    let fixture = Fixture::new(triggers).await;
    let (status, answer) = fixture.post("/_gateless/topics/orders", &[], "m").await;
    assert_eq!((status.as_u16(), &answer["accepted"]), (202, &2.into()));
    assert_eq!(fixture.calls("hello").await.len(), 1);
    assert_eq!(fixture.calls("other").await.len(), 1);
    let orphan = fixture.status("orphan").await;
    assert_eq!((orphan.delivered, orphan.failed), (0, 1));
    assert!(
        orphan.last_error.contains("default/missing"),
        "{}",
        orphan.last_error
    );
    // Without a key each message is its own; with one it is taken once.
    let key = [("idempotency-key", "k")];
    for keyed in [&[][..], &key, &key] {
        fixture
            .post("/_gateless/topics/orders.default", keyed, "m")
            .await;
    }
    assert_eq!(fixture.calls("hello").await.len(), 3);
    let bad = [("idempotency-key", "a b")];
    let (status, _) = fixture.post("/_gateless/topics/orders", &bad, "m").await;
    assert_eq!(status.as_u16(), 400);
    let (_, none) = fixture.post("/_gateless/topics/unknown", &[], "m").await;
    assert_eq!(none["accepted"], 0);
}

#[tokio::test]
async fn full_queue_takes_none_of_the_calls_and_says_so() {
    let triggers = vec![sample("first", topic("t")), sample("second", topic("t"))];
    let fixture = Fixture::new(Vec::new()).await;
    let mut small = catalogue(triggers).as_ref().clone();
    let name = FunctionName::new("default", "hello").unwrap();
    let mut function = small.functions[&name].as_ref().clone();
    function.async_policy.max_queued = 1;
    small.functions.insert(name, Arc::new(function));
    let first = TriggerName::new("default", "first").unwrap();
    let uid = small.triggers[&first].uid.clone();
    fixture.catalogue.send_replace(Arc::new(small));
    while fixture.handle.inner.table.load().by_uid(&uid).is_none() {
        tokio::task::yield_now().await;
    }
    let (status, problem) = fixture.post("/_gateless/topics/t", &[], "m").await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (429, &"queue_full".into())
    );
    assert_eq!(fixture.calls("hello").await.len(), 0);
    assert_eq!(fixture.status("first").await.failed, 1);
}

#[test]
fn paths_are_those_of_namespaces_and_topics() {
    let events = |ns: &str| Some(Route::Events(ns.into()));
    assert_eq!(Route::of("/_gateless/events"), events("default"));
    assert_eq!(Route::of("/_gateless/events/shop"), events("shop"));
    let topic = |topic: &str, namespace: &str| {
        let (topic, namespace) = (topic.into(), namespace.into());
        Some(Route::Topic { namespace, topic })
    };
    assert_eq!(Route::of("/_gateless/topics/a"), topic("a", "default"));
    assert_eq!(Route::of("/_gateless/topics/a.b"), topic("a", "b"));
    for none in [
        "/_gateless/eventsx",
        "/_gateless/events/a/b",
        "/_gateless/topics/",
        "/_gateless/topics/a.b.c",
        "/_gateless/topics/A",
        "/_gateless/calls/x",
    ] {
        assert_eq!(Route::of(none), None, "{none}");
    }
}
