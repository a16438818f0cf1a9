//! What benches of the queue share: how it is opened, and the call they put into it.

use std::path::Path;

use bytes::Bytes;
use gateless_core::fixture::admitted;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy::{Admitted, Maker};
use gateless_sidecar::queue::Local;
use gateless_sidecar::queue::local::Config;
use gateless_sidecar::queue::types::Record;

/// The queue in a folder, made if there is none.
///
/// # Errors
/// Its disk fails.
pub fn open(folder: &Path) -> anyhow::Result<Local> {
    let mut config = Config::new(folder.join("queue"), NodeId::new("0badcafe"));
    config.max_open = 10_000_000;
    Ok(Local::open(config)?)
}

/// The function that is called.
///
/// # Errors
/// Never: it is a name.
pub fn function() -> anyhow::Result<FunctionName> {
    Ok(FunctionName::new("default", "bench")?)
}

/// A call with this body.
///
/// # Errors
/// Never: see [`function`].
pub fn record(body: Bytes) -> anyhow::Result<Admitted<Record>> {
    Ok(admitted(Record {
        function: function()?,
        method: "POST".into(),
        path: "/work".into(),
        headers: vec![
            ("host".into(), "127.0.0.1:8080".into()),
            ("user-agent".into(), "bench/1".into()),
            ("content-type".into(), "application/octet-stream".into()),
        ],
        body,
        callback: None,
        idempotency: None,
        principal: Maker::Anonymous.into(),
    }))
}
