//! Calls past the policy, through permit and pooled connection to an instance, and back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateless_core::config::Scaling;
use gateless_core::fixture;
use gateless_core::hold::{Caller, Class, Origin};
use gateless_core::name::{InstanceId, NodeId, RevisionName};
use gateless_core::policy::Identity;
use gateless_sidecar::call::bodies::Bodies;
use gateless_sidecar::call::{Call, Payload, Proxy, Reserve};
use gateless_sidecar::clock;
use gateless_sidecar::endpoint::target::Target;
use gateless_sidecar::runtime::{Ask, HoldCaps, Lease, Registry, Revision, Wait};
use http::Request;
use http_body_util::BodyExt;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\n\r\nhello";

/// So many calls, one after the other, to an instance that is warm.
pub(crate) async fn warm(count: u32) -> anyhow::Result<()> {
    let (proxy, name) = proxy(instance()?, None)?;
    for _ in 0..count {
        let function = proxy.registry.function(name.function()).context("gone")?;
        let revision = proxy.registry.revision(&name).context("gone")?;
        let request = Request::get("/function/hello/path?query=1")
            .header("host", "127.0.0.1:7700")
            .header("user-agent", "wrk/4")
            .header("accept", "*/*")
            .body(())?;
        let (parts, ()) = request.into_parts();
        let payload = Payload::Whole(Bytes::new());
        let call = Call::new(function, Identity::Anonymous, parts, payload, Caller(1));
        let mut call = proxy.admit(call).map_err(|error| anyhow!("{error:?}"))?;
        let sent = proxy.send(&revision, &mut call).await;
        let response = sent.map_err(|error| anyhow!("{error:?}"))?;
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| anyhow!("{error:?}"))?.to_bytes();
        ensure!(&*body == b"hello", "another answer: {body:?}");
    }
    Ok(())
}

/// So many calls that wait for the only place of an instance, and get it from the call before.
pub(crate) async fn hold(count: u32) -> anyhow::Result<()> {
    let (proxy, name) = proxy(SocketAddr::from(([127, 0, 0, 1], 1)), Some(1))?;
    let revision = proxy.registry.revision(&name).context("gone")?;
    let mut lease = ask(&revision)?.map_err(|_| anyhow!("no room at once"))?;
    for _ in 0..count {
        let Err(mut wait) = ask(&revision)? else {
            anyhow::bail!("got a place that was taken");
        };
        drop(lease);
        let granted = wait.granted().await;
        lease = granted.map_err(|refusal| anyhow!("{refusal:?}"))?;
    }
    Ok(())
}

fn ask(revision: &Arc<Revision>) -> anyhow::Result<Result<Lease, Wait>> {
    let ask = Ask {
        now: clock::now(),
        class: Class::Sync,
        origin: Origin::Here,
        caller: Caller(1),
        peer: None,
        bytes: 0,
        again: false,
        avoid: &[],
    };
    revision.ask(&ask).map_err(|refusal| anyhow!("{refusal:?}"))
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

/// A proxy before one function with one instance.
fn proxy(address: SocketAddr, concurrency: Option<u32>) -> anyhow::Result<(Proxy, RevisionName)> {
    let (registry, _) = Registry::new(NodeId::new("n"), HoldCaps::default(), Arc::default(), None);
    let mut function = fixture::function("hello", Scaling::DEFAULT);
    let mut revision = fixture::revision("hello", 1, Scaling::DEFAULT);
    revision.limits.container_concurrency = concurrency;
    let name = revision.name.clone();
    function.revisions = vec![Arc::new(revision)];
    registry.change([Arc::new(function)], []);
    let target = Target::Http { address };
    let instance = InstanceId::new("i");
    ensure!(
        registry.add_local(&name, &instance, target, Duration::ZERO),
        "no such revision"
    );
    let proxy = Proxy {
        registry,
        domain: "gateless.local".into(),
        reserve: Arc::new(NoPeers),
        policy: Arc::default(),
        bodies: Bodies::default(),
    };
    Ok((proxy, name))
}

/// A function that answers whatever comes, with as few instructions as there can be: they are counted, too.
fn instance() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream).ok());
        }
    });
    Ok(address)
}

/// Every head comes in one piece, and no body follows it.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = [0; 4096];
    while stream.read(&mut head)? > 0 {
        stream.write_all(ANSWER)?;
    }
    Ok(())
}
