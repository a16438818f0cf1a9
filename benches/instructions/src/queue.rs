//! A queued call from its acceptance to the disk: one writer, so that every call has a commit of its own.

use bytes::Bytes;
use gateless_core::config::AsyncPolicy;
use gateless_core::fixture::{admitted, function_name};
use gateless_core::name::NodeId;
use gateless_core::policy::Maker;
use gateless_sidecar::queue::local::Config;
use gateless_sidecar::queue::types::Record;
use gateless_sidecar::queue::{Inbox, Local};

/// So many calls of 1 KiB.
pub(crate) async fn append(count: u32) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let queue = Local::open(Config::new(
        folder.path().join("queue"),
        NodeId::new("0badcafe"),
    ))?;
    let mut policy = AsyncPolicy::DEFAULT;
    policy.max_queued = u32::MAX;
    let record = admitted(Record {
        function: function_name("hello"),
        method: "POST".into(),
        path: "/work".into(),
        headers: vec![
            ("host".into(), "127.0.0.1:8080".into()),
            ("content-type".into(), "application/octet-stream".into()),
        ],
        body: Bytes::from(vec![b'x'; 1024]),
        callback: None,
        idempotency: None,
        principal: Maker::Anonymous.into(),
    });
    for _ in 0..count {
        queue
            .accept(
                record.try_copy(|record| anyhow::Ok(record.clone()))?,
                &policy,
            )
            .await?;
    }
    queue.close().await;
    Ok(())
}
