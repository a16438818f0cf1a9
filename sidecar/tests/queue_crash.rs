//! Invariants 1 and 2: a call whose acceptance was told of survives SIGKILL at any time, and
//! ends done or in the dead-letter queue.
//!
//! The test binary runs itself as a sidecar's async path: accepting, delivering to a function
//! that fails often, and printing each accepted id. It is killed again and again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateless_core::config::AsyncPolicy;
use gateless_core::egress::Egress;
use gateless_core::fixture::admitted;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy::Maker;
use gateless_sidecar::queue::callback::fake::{self, Nowhere};
use gateless_sidecar::queue::invoke::{Answer, Exchange};
use gateless_sidecar::queue::local::Config;
use gateless_sidecar::queue::types::{CallId, Record};
use gateless_sidecar::queue::{Calls, Dispatcher, Inbox, InvokeError, Local, Lookup, Queue};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

const FOLDER: &str = "GATELESS_TEST_QUEUE_FOLDER";
const ROUNDS: u64 = 10;

const POLICY: AsyncPolicy = AsyncPolicy {
    max_attempts: 4,
    backoff_base: Duration::from_millis(1),
    backoff_max: Duration::from_millis(20),
    max_in_flight: 16,
    ..AsyncPolicy::DEFAULT
};

fn function() -> FunctionName {
    FunctionName::new("default", "flaky").unwrap()
}

fn record() -> Record {
    Record {
        function: function(),
        method: "POST".into(),
        path: "/".into(),
        headers: vec![("content-type".into(), "text/plain".into())],
        body: vec![b'x'; 1024].into(),
        callback: None,
        idempotency: None,
        principal: Maker::Anonymous.into(),
    }
}

fn open(folder: &Path) -> Local {
    Local::open(Config::new(folder.join("queue"), NodeId::new("0badcafe"))).unwrap()
}

fn answer(status: u16) -> Result<Answer, InvokeError> {
    let body = Full::new(Bytes::from_static(b"answer")).map_err(|never| match never {});
    Ok(Response::builder()
        .status(status)
        .body(UnsyncBoxBody::new(body))
        .unwrap())
}

fn dispatch(queue: &Local, failing: bool) -> Dispatcher {
    let invoke = move |_: &FunctionName, _: Request<Bytes>, _: Duration| -> Exchange {
        Box::pin(async move {
            match rand::random_range(0..4) {
                0 | 1 if failing => answer(500),
                2 if failing => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    answer(200)
                }
                _ => answer(200),
            }
        })
    };
    let policies = |_: &FunctionName| Lookup::Known(POLICY);
    Dispatcher::start(
        Queue::of(queue),
        queue.config().clock.clone(),
        Arc::new(invoke),
        Arc::new(policies),
        fake::destinations(Arc::new(Nowhere), Egress::default()),
        None,
    )
}

/// Not a test of its own: what the killed process runs.
#[tokio::test(flavor = "multi_thread")]
async fn child_process() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let queue = open(Path::new(&folder));
    let _dispatcher = dispatch(&queue, true);
    let mut writers = Vec::new();
    for _ in 0..8 {
        let queue = queue.clone();
        writers.push(tokio::spawn(async move {
            loop {
                let accepted = queue.accept(admitted(record()), &POLICY).await.unwrap();
                // Not `println!`: that would be captured.
                writeln!(std::io::stdout(), "accepted {}", accepted.id).unwrap();
            }
        }));
    }
    futures_util::future::join_all(writers).await;
}

/// Runs the child until it has told of so many calls, kills it, and returns their ids.
fn run_and_kill(folder: &Path, calls: usize) -> Vec<CallId> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_process", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ids = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).split(b'\n') {
        let line = String::from_utf8(line.unwrap()).unwrap();
        // A killed process may leave half a line: that call wasn't told of.
        if let Some((_, id)) = line.split_once("accepted ")
            && let Ok(id) = CallId::parse(id)
        {
            ids.push(id);
        }
        if ids.len() == calls {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(
        ids.len() >= calls,
        "the child ended by itself after {} calls",
        ids.len()
    );
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_calls_survive_sigkill_and_reach_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut ids = BTreeSet::new();
    for round in 0..ROUNDS {
        let calls = rand::random_range(1..400);
        eprintln!("round {round}: killing after {calls} calls");
        ids.extend(run_and_kill(folder.path(), calls));
    }
    let queue = open(folder.path());
    for id in &ids {
        assert!(queue.get(id).await.is_ok(), "{id} is lost");
    }
    let recovered = queue.depths().pop();
    eprintln!("{} calls told of; recovered: {recovered:?}", ids.len());
    let dispatcher = dispatch(&queue, false);
    let open = |queue: &Local| {
        let depths = queue.depths().into_iter();
        depths
            .map(|d| d.queued + d.running + d.retrying)
            .sum::<u64>()
    };
    let delivered = async {
        while open(&queue) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), delivered)
        .await
        .expect("calls remain");
    dispatcher.stop(Duration::from_secs(10)).await;
    let mut ends = std::collections::BTreeMap::new();
    for id in &ids {
        let view = queue.get(id).await.unwrap();
        assert!(view.call.tries >= 1, "{view:?}");
        *ends.entry(view.call.state.as_str()).or_insert(0) += 1;
    }
    eprintln!("ends: {ends:?}");
    let ended: usize =
        ends.get("succeeded").copied().unwrap_or(0) + ends.get("dead").copied().unwrap_or(0);
    assert_eq!(ended, ids.len());
    queue.close().await;
}
