//! What the proxy does with a component that has no room, with one that answers whole, and with connections that end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use gateless_core::access::Access;
use gateless_core::config;
use gateless_core::dispatch::Supply;
use gateless_core::hold::{Caller, Class, Origin};
use gateless_core::keepalive::LEFT_OPEN;
use gateless_core::name::{InstanceId, NodeId, RevisionName};
use gateless_core::policy::Identity;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use super::{Call, Payload, Proxy, Reserve};
use crate::call::bodies::Bodies;
use crate::call::error::Error;
use crate::endpoint::body::{Body, Inbound};
use crate::endpoint::component::{Component, Failure};
use crate::endpoint::target::Target;
use crate::instance::contract;
use crate::runtime::{Ask, Function, HoldCaps, HostEndpoint, Registry};
use crate::telemetry::metrics::Metrics;

/// Has no room for its first calls, and then says what it was called with.
struct Narrow {
    busy: AtomicU32,
}

impl Component for Narrow {
    fn call<'a>(
        &'a self,
        request: &'a mut Request<Body>,
        _: Option<Instant>,
    ) -> BoxFuture<'a, Result<Response<Inbound>, Failure>> {
        async move {
            let count = |left: u32| left.checked_sub(1);
            let (set, read) = (Ordering::Relaxed, Ordering::Relaxed);
            if self.busy.fetch_update(set, read, count).is_ok() {
                return Err(Failure::Busy);
            }
            let (parts, body) = std::mem::take(request).into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let told = format!(
                "{} {} {} {}",
                parts.method,
                parts.uri,
                parts.headers["x-kept"].to_str().unwrap(),
                String::from_utf8_lossy(&body),
            );
            Ok(Response::new(Inbound::Whole(Some(told.into()))))
        }
        .boxed()
    }
}

struct NoPeers;

impl Reserve for NoPeers {
    fn reserve(
        &self,
        _: &NodeId,
        _: &RevisionName,
        _: Duration,
    ) -> BoxFuture<'static, Option<String>> {
        async { None }.boxed()
    }
}

fn function(revision: config::Revision) -> config::Function {
    config::Function {
        name: revision.name.function().clone(),
        uid: "uid-1".into(),
        traffic: vec![config::TrafficTarget {
            revision: 0,
            percent: 100,
            tag: None,
        }],
        revisions: vec![Arc::new(revision)],
        candidate: None,
        settle: Duration::ZERO,
        gave_back_at_ms: 0,
        visibility: config::Visibility::Public,
        access: Access::default(),
        async_policy: config::AsyncPolicy::DEFAULT,
        callback_signing: None,
    }
}

/// A proxy before one function, whose only instance is at `target`.
fn proxy(target: Target) -> (Proxy, RevisionName) {
    let metrics = Arc::<Metrics>::default();
    let (registry, _) = Registry::new(NodeId::new("n"), HoldCaps::default(), metrics, None);
    let mut revision = contract::revision("narrow", contract::process(&["unused"]));
    revision.hold.max_requests = 10;
    revision.hold.max_bytes = 1 << 20;
    let name = revision.name.clone();
    registry.change([Arc::new(function(revision))], []);
    assert!(registry.add_local(&name, &InstanceId::new("i"), target, Duration::ZERO));
    let proxy = Proxy {
        registry,
        domain: "gateless.local".into(),
        reserve: Arc::new(NoPeers),
        policy: Arc::default(),
        bodies: Bodies::default(),
    };
    (proxy, name)
}

fn call(function: Arc<Function>, payload: Payload) -> Call {
    let request = Request::post("/path?query").header("x-kept", "yes");
    let parts = request.body(()).unwrap().into_parts().0;
    Call::new(
        function,
        Identity::Function(None),
        parts,
        payload,
        Caller(1),
    )
}

async fn told(busy: u32, payload: Payload) -> String {
    let busy = AtomicU32::new(busy);
    let (proxy, name) = proxy(Target::InProcess(Arc::new(Narrow { busy })));
    let function = proxy.registry.function(name.function()).unwrap();
    let revision = proxy.registry.revision(&name).unwrap();
    let mut call = proxy.admit(call(function, payload)).unwrap();
    let sent = proxy.send(&revision, &mut call).await;
    let response = sent.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    // The component is through, so the next call need not wait until this answer is read.
    assert_eq!(proxy.registry.in_flight(&InstanceId::new("i")), 0);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

fn streamed() -> Payload {
    let body = Full::new(Bytes::from("streamed")).map_err(Into::into);
    Payload::new(Inbound::Boxed(Box::pin(body)))
}

#[tokio::test(start_paused = true)]
async fn call_a_busy_component_did_not_take_is_made_again_with_all_it_had() {
    let whole = Payload::Whole("whole".into());
    assert_eq!(told(3, whole).await, "POST /path?query yes whole");
    assert_eq!(told(3, streamed()).await, "POST /path?query yes streamed");
}

/// Answers each of `connections` once all are there, and again, but closes one that asks for `/poison`. Says how often
/// one did.
fn fragile(connections: usize) -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::<AtomicU32>::default());
    let (counted, together) = (asked.clone(), Arc::new(Barrier::new(connections)));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, asked, together) =
                (stream.unwrap(), counted.clone(), together.clone());
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(line)) = lines.next() {
                    if line.starts_with("GET /poison") {
                        asked.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                    if line.starts_with("GET /together") {
                        together.wait();
                    }
                    if line.is_empty() {
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        stream.write_all(answer).unwrap();
                    }
                }
            });
        }
    });
    (address, asked)
}

#[tokio::test]
async fn request_that_ends_its_connections_is_sent_again_once_and_then_as_retries_allow() {
    const IDLE: usize = 6;
    let (address, asked) = fragile(IDLE);
    let (proxy, name) = proxy(Target::Http { address });
    let revision = proxy.registry.revision(&name).unwrap();
    let get = async |path: &str| {
        let function = proxy.registry.function(name.function()).unwrap();
        let parts = Request::get(path).body(()).unwrap().into_parts().0;
        let payload = Payload::Whole(Bytes::new());
        let call = Call::new(
            function,
            Identity::Function(None),
            parts,
            payload,
            Caller(1),
        );
        let sent = proxy.send(&revision, &mut proxy.admit(call).unwrap()).await;
        Ok::<_, Error>(sent?.into_body().collect().await.unwrap())
    };
    let answered = join_all((0..IDLE).map(|_| get("/together"))).await;
    assert!(answered.iter().all(Result::is_ok));
    // Long enough for each to be used again.
    tokio::time::sleep(2 * LEFT_OPEN).await;
    let failed = get("/poison").await.unwrap_err();
    assert!(
        matches!(failed, Error::Instance { seen: true, .. }),
        "{failed}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn body_goes_to_a_component_as_it_came() {
    assert_eq!(told(0, streamed()).await, "POST /path?query yes streamed");
}

#[tokio::test(start_paused = true)]
async fn call_that_waits_for_a_host_that_refused_another_is_granted_by_itself() {
    let metrics = Arc::<Metrics>::default();
    let (registry, _signals) = Registry::new(NodeId::new("n"), HoldCaps::default(), metrics, None);
    let mut revision = contract::revision("there", contract::process(&["unused"]));
    revision.hold.max_requests = 10;
    revision.hold.max_bytes = 1 << 20;
    let name = revision.name.clone();
    registry.change([Arc::new(function(revision))], []);
    let there = HostEndpoint {
        node: NodeId::new("other"),
        peer_address: "127.0.0.1:1".into(),
        ready: 1,
    };
    registry.set_endpoints(&name, vec![there], Supply::default());
    let revision = registry.revision(&name).unwrap();
    let ask = Ask {
        now: crate::clock::now(),
        class: Class::Sync,
        origin: Origin::Here,
        caller: Caller(1),
        peer: None,
        bytes: 1,
        again: false,
        avoid: &[],
    };
    let Ok(Ok(refused)) = revision.ask(&ask) else {
        panic!("it is there")
    };
    revision.refused(refused.key());
    // Its caller has left: it will not look again.
    drop(refused);
    let Ok(Err(mut wait)) = revision.ask(&ask) else {
        panic!("it is full")
    };
    let granted = tokio::time::timeout(Duration::from_secs(60), wait.granted()).await;
    granted.unwrap().unwrap();
}
