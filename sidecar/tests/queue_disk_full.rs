//! A full disk: nothing is answered as accepted that isn't kept, calls accepted before can
//! still be seen afterwards, and the queue comes back by itself when there is space again.
//!
//! Needs a small file system of its own: the test binary runs itself in a mount namespace
//! with a tmpfs. Where that isn't allowed (not root) the test says so and passes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

use gateless_common::problem::Code;
use gateless_core::config::AsyncPolicy;
use gateless_core::fixture::admitted;
use std::path::{Path, PathBuf};
use std::process::Command;

use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy::Maker;
use gateless_sidecar::queue::local::Config;
use gateless_sidecar::queue::types::{CallId, Record};
use gateless_sidecar::queue::{Calls, Error, Inbox, Local, lifecycle};

const FOLDER: &str = "GATELESS_TEST_SMALL_DISK";

fn record() -> Record {
    Record {
        function: FunctionName::new("default", "hello").unwrap(),
        method: "POST".into(),
        path: "/".into(),
        headers: vec![],
        body: vec![b'x'; 64 * 1024].into(),
        callback: None,
        idempotency: None,
        principal: Maker::Anonymous.into(),
    }
}

fn open(folder: &Path, min_free_bytes: u64) -> Local {
    let mut config = Config::new(folder.join("queue"), NodeId::new("0badcafe"));
    config.min_free_bytes = min_free_bytes;
    Local::open(config).unwrap()
}

/// Accepts until it is refused.
async fn fill(queue: &Local, ids: &mut Vec<CallId>) -> Error {
    loop {
        match queue
            .accept(admitted(record()), &AsyncPolicy::DEFAULT)
            .await
        {
            Ok(accepted) => ids.push(accepted.id),
            Err(error) => return error,
        }
    }
}

/// Not a test of its own: what runs in the mount namespace.
#[tokio::test(flavor = "multi_thread")]
async fn child_process() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![1; 6 << 20]).unwrap();
    let mut ids = Vec::new();

    // With a reserve the queue refuses calls and is otherwise well.
    let queue = open(&folder, 12 << 20);
    let error = fill(&queue, &mut ids).await;
    assert_eq!(error.code(), Code::QueueUnavailable, "{error}");
    assert!(*queue.up().borrow());
    queue.change(&ids[0], lifecycle::cancel).await.unwrap();
    queue.close().await;

    // Without one it meets the end of the disk.
    let queue = open(&folder, 0);
    let error = fill(&queue, &mut ids).await;
    assert_eq!(error.code(), Code::QueueUnavailable, "{error}");
    assert!(ids.len() > 50, "only {} calls were accepted", ids.len());
    let mut up = queue.up();
    up.wait_for(|up| !up).await.unwrap();
    let error = queue
        .accept(admitted(record()), &AsyncPolicy::DEFAULT)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::QueueUnavailable, "{error}");

    std::fs::remove_file(&ballast).unwrap();
    up.wait_for(|up| *up).await.unwrap();
    for id in &ids {
        assert!(queue.get(id).await.is_ok(), "{id} is lost");
    }
    ids.push(
        queue
            .accept(admitted(record()), &AsyncPolicy::DEFAULT)
            .await
            .unwrap()
            .id,
    );
    queue.close().await;

    let queue = open(&folder, 0);
    for id in &ids {
        assert!(queue.get(id).await.is_ok(), "{id} is lost after a restart");
    }
    queue.close().await;
    eprintln!("{} calls accepted and kept", ids.len());
}

#[test]
fn full_disk_refuses_calls_and_keeps_those_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=32m tmpfs "$1" 2>/dev/null || exit 77
        exec "$2" --exact child_process --nocapture"#;
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder.path())
        .output();
    match child {
        Ok(output) if output.status.success() => {
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output) if matches!(output.status.code(), Some(1 | 77)) => {
            eprintln!("skipped: no mount namespace or tmpfs here");
        }
        Ok(output) => panic!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => eprintln!("skipped: no unshare: {error}"),
    }
}
