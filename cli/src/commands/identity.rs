//! `identity`: whom the cluster trusts, and another authority for it.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::age;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, at};

/// The authority that sidecars' certificates are of.
#[derive(Debug, Args)]
pub(crate) struct IdentityArgs {
    #[command(subcommand)]
    command: Option<IdentityCommand>,
}

#[derive(Debug, Subcommand)]
enum IdentityCommand {
    /// Show the trust domain and the authorities.
    Show,
    /// Make a new authority; the present one stays trusted until it is retired, and no connection ends.
    Rotate,
    /// Trust the authority before the present one no more; refused while sidecars have certificates of it.
    Retire,
}

/// `gateless identity`
pub(crate) async fn identity(
    client: &Client,
    out: &mut Output,
    args: &IdentityArgs,
) -> Result<(), Failure> {
    let (method, path) = match &args.command {
        None | Some(IdentityCommand::Show) => (Method::GET, "/v1/identity"),
        Some(IdentityCommand::Rotate) => (Method::POST, "/v1/identity/rotate"),
        Some(IdentityCommand::Retire) => (Method::POST, "/v1/identity/retire"),
    };
    let standing = client.call(method, path, None).await?;
    out.item(&standing, shown)
}

fn shown(standing: &Value) -> String {
    let mut lines = vec![format!("trust domain  {}", at(standing, "/trust_domain"))];
    let authorities = standing["authorities"].as_array();
    for (n, authority) in authorities.into_iter().flatten().enumerate() {
        let does = if n == 0 { "issues" } else { "is trusted" };
        let (name, age) = (at(authority, "/fingerprint"), age(authority, "/created_at"));
        lines.push(format!("authority     {name}  {does}, {age} old"));
    }
    let age = age(standing, "/gossip_key_created_at");
    lines.push(format!("gossip key    {age} old"));
    lines.push(format!("revoked       {}", at(standing, "/revoked")));
    lines.join("\n")
}
