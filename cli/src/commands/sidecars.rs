//! `sidecars`: the hosts functions run on, and emptying one.
//!
//! Deliberately no way to start or end one from afar: that is the host's.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::age;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::{Output, at};

/// Hosts functions run on.
#[derive(Debug, Args)]
pub(crate) struct SidecarsArgs {
    #[command(subcommand)]
    command: Option<SidecarsCommand>,
}

#[derive(Debug, Subcommand)]
enum SidecarsCommand {
    /// List them: health, config version, lag.
    Ls,
    /// Let its instances end and start none there; calls through it go on.
    Drain(SidecarArg),
    /// Let it run instances again.
    Resume(SidecarArg),
    /// Take its identity back: it is out of the cluster until it joins again.
    Revoke(SidecarArg),
    /// Say that it is gone for good: its calls are lost, and it never joins again.
    Rm(SidecarArg),
}

#[derive(Debug, Args)]
struct SidecarArg {
    /// Its node id.
    id: String,
}

/// `gateless sidecars`
pub(crate) async fn sidecars(
    client: &Client,
    out: &mut Output,
    args: &SidecarsArgs,
) -> Result<(), Failure> {
    match &args.command {
        None | Some(SidecarsCommand::Ls) => ls(client, out).await,
        Some(SidecarsCommand::Drain(sidecar)) => act(client, out, sidecar, "drain").await,
        Some(SidecarsCommand::Resume(sidecar)) => act(client, out, sidecar, "resume").await,
        Some(SidecarsCommand::Revoke(SidecarArg { id })) => {
            let path = format!("/v1/sidecars/{}/revoke", segment(id));
            client.call(Method::POST, &path, None).await?;
            out.item(&json!({"revoked": true}), |_| format!("{id} is revoked"))
        }
        Some(SidecarsCommand::Rm(SidecarArg { id })) => {
            let path = format!("/v1/sidecars/{}", segment(id));
            client.call(Method::DELETE, &path, None).await?;
            out.item(&json!({"removed": true}), |_| format!("{id} is removed"))
        }
    }
}

async fn ls(client: &Client, out: &mut Output) -> Result<(), Failure> {
    let items = client.list("/v1/sidecars", &[], 1000).await?;
    let headers = [
        "NODE",
        "STATE",
        "PUBLIC",
        "INSTANCES",
        "CONFIG VERSION",
        "LAG",
        "ISOLATION",
        "LAST SEEN",
    ];
    out.list(items, &headers, |sidecar| {
        vec![
            at(sidecar, "/node_id"),
            state(sidecar).into(),
            at(sidecar, "/public_url"),
            at(sidecar, "/instances"),
            at(sidecar, "/config_version"),
            at(sidecar, "/lag"),
            isolation(sidecar).into(),
            age(sidecar, "/last_seen_at"),
        ]
    })
}

async fn act(
    client: &Client,
    out: &mut Output,
    sidecar: &SidecarArg,
    verb: &str,
) -> Result<(), Failure> {
    let path = format!("/v1/sidecars/{}/{verb}", segment(&sidecar.id));
    let after = client.call(Method::POST, &path, None).await?;
    out.item(&after, |v| format!("{} is {}", sidecar.id, state(v)))
}

fn state(sidecar: &Value) -> &'static str {
    let conditions = sidecar["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let keeps_its_own = |c: &Value| c["type"] == "CatalogueTaken" && c["status"] == "false";
    match (is_up(sidecar), sidecar["draining"] == true) {
        (false, _) => "down",
        (true, _) if conditions.any(keeps_its_own) => "other catalogue",
        (true, true) => "draining",
        (true, false) => "up",
    }
}

/// The condition that says how functions are isolated there; `None`: the server is older.
pub(super) fn isolated(sidecar: &Value) -> Option<&Value> {
    let conditions = sidecar["conditions"].as_array()?;
    conditions.iter().find(|c| c["type"] == "Isolated")
}

fn isolation(sidecar: &Value) -> &'static str {
    let Some(isolated) = isolated(sidecar) else {
        return "-";
    };
    match isolated["reason"].as_str() {
        Some("sandboxed") => "sandbox",
        Some("parts_missing") => "partial",
        Some("switched_off") => "none",
        _ => "-",
    }
}

fn is_up(sidecar: &Value) -> bool {
    sidecar["connected"] == true
}
