//! `sidecars`: the hosts functions run on, emptying one, and finding one to call.
//!
//! Deliberately trusts the server's list only as a hint: whoever calls tries the next address
//! when one does not answer.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::age;
use crate::client::{Client, segment};
use crate::failure::{Exit, Failure};
use crate::login::check_url;
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
    match (is_up(sidecar), sidecar["draining"] == true) {
        (false, _) => "down",
        (true, true) => "draining",
        (true, false) => "up",
    }
}

fn is_up(sidecar: &Value) -> bool {
    sidecar["connected"] == true
}

/// Public addresses to try, best first: the one given, or the server's, live ones first.
pub(crate) async fn entrances(
    client: &Client,
    given: Option<&String>,
) -> Result<Vec<String>, Failure> {
    if let Some(url) = given {
        return Ok(vec![check_url(url)?]);
    }
    let sidecars = client
        .list("/v1/sidecars", &[], 100)
        .await
        .map_err(|failure| {
            if failure.exit() == Exit::Unreachable {
                failure
                    .hint("calls need no server: name a sidecar with --sidecar or GATELESS_SIDECAR")
            } else {
                failure
            }
        })?;
    let mut sidecars = sidecars.items;
    sidecars.sort_by_key(|sidecar| !is_up(sidecar));
    let urls: Vec<String> = sidecars
        .iter()
        .filter_map(|sidecar| sidecar["public_url"].as_str())
        .filter_map(|url| check_url(url).ok())
        .collect();
    if urls.is_empty() {
        return Err(
            Failure::new(Exit::Failure, "no_sidecar", "the server knows no sidecar")
                .hint("start one with `gateless sidecar`, or name one with --sidecar"),
        );
    }
    Ok(urls)
}

/// `NAME` in the client's namespace, or `NAME.NAMESPACE`, as it stands in a call's path.
pub(crate) fn call_name(client: &Client, function: &str) -> String {
    if function.contains('.') {
        segment(function)
    } else {
        segment(&format!("{function}.{}", client.namespace()))
    }
}
