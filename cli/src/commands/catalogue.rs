//! `server catalogue|accept|restore`: what the server has, what sidecars have, and whose counts when they differ.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, at};

/// `gateless server restore`
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Take functions, secrets, triggers and artifacts from the sidecars.
    #[arg(long, required = true)]
    from_fleet: bool,
    /// The sidecar whose catalogue counts, where they have different ones.
    #[arg(long, value_name = "NODE")]
    sidecar: Option<String>,
}

/// `gateless server catalogue`
pub(crate) async fn catalogue(client: &Client, out: &mut Output) -> Result<(), Failure> {
    let catalogue = client.call(Method::GET, "/v1/catalogue", None).await?;
    out.item(&catalogue, shown)
}

fn shown(catalogue: &Value) -> String {
    let mut lines = vec![
        format!("lineage    {}", at(catalogue, "/lineage")),
        format!("catalogue  {}", at(catalogue, "/catalogue_id")),
        format!("version    {}", at(catalogue, "/version")),
    ];
    for sidecar in catalogue["sidecars"].as_array().into_iter().flatten() {
        let (node, version) = (at(sidecar, "/node_id"), at(sidecar, "/version"));
        lines.push(match sidecar["refused"].as_str() {
            None => format!("sidecar    {node}  has version {version}"),
            Some(reason) => format!(
                "sidecar    {node}  keeps version {version} of {} ({reason})",
                at(sidecar, "/catalogue_id")
            ),
        });
    }
    lines.join("\n")
}

/// `gateless server accept`
pub(crate) async fn accept(client: &Client, out: &mut Output) -> Result<(), Failure> {
    let accepted = client
        .call(Method::POST, "/v1/catalogue/accept", None)
        .await?;
    out.item(&accepted, |accepted| {
        match accepted["accepted"].as_array().map_or(0, Vec::len) {
            0 => "no connected sidecar keeps a catalogue of its own".to_owned(),
            _ => "the sidecars take this server's catalogue now".to_owned(),
        }
    })
}

/// `gateless server restore`
pub(crate) async fn restore(
    client: &Client,
    out: &mut Output,
    args: &RestoreArgs,
) -> Result<(), Failure> {
    let body = match &args.sidecar {
        Some(sidecar) => json!({"sidecar": sidecar}),
        None => json!({}),
    };
    out.status("asking the sidecars");
    let restored = client
        .call(Method::POST, "/v1/catalogue/restore", Some(&body))
        .await?;
    for missing in restored["missing_artifacts"]
        .as_array()
        .into_iter()
        .flatten()
    {
        out.note(format!(
            "no sidecar has artifact {}: upload it again",
            missing.as_str().unwrap_or_default()
        ));
    }
    out.item(&restored, |restored| {
        format!(
            "back from sidecar {}: {} functions, {} secrets, {} triggers, {} artifacts",
            at(restored, "/sidecar"),
            at(restored, "/functions"),
            at(restored, "/secrets"),
            at(restored, "/triggers"),
            at(restored, "/artifacts")
        )
    })
}
