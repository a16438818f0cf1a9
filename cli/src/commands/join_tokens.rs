//! `sidecar join-token`: what a new sidecar proves with that an operator wants it.
//!
//! A token is printed once, to stdout, and kept nowhere.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::age;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::manifest::units::Millis;
use crate::output::{Output, at};

/// Tokens that new sidecars join with.
#[derive(Debug, Args)]
pub(crate) struct JoinTokenArgs {
    #[command(subcommand)]
    command: JoinTokenCommand,
}

#[derive(Debug, Subcommand)]
enum JoinTokenCommand {
    /// Make a join token and print it, once.
    Create {
        /// How many sidecars may join with it.
        #[arg(long, default_value_t = 1, value_name = "N")]
        uses: u32,
        /// How long it is good.
        #[arg(long, default_value = "1h", value_name = "DURATION")]
        ttl: Millis,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
    },
    /// List join tokens, without the tokens themselves.
    Ls,
    /// End a join token now; sidecars that have joined with it stay.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// `gateless sidecar join-token`
pub(crate) async fn join_token(
    client: &Client,
    out: &mut Output,
    args: &JoinTokenArgs,
) -> Result<(), Failure> {
    match &args.command {
        JoinTokenCommand::Create {
            uses,
            ttl,
            description,
        } => {
            let mut body = json!({"uses": uses, "ttl_seconds": ttl.0.div_ceil(1000)});
            if let Some(description) = description {
                body["description"] = json!(description);
            }
            let made = client
                .call(Method::POST, "/v1/join-tokens", Some(&body))
                .await?;
            out.note(format!("join token {}, shown only now", at(&made, "/id")));
            out.item(&made, |v| at(v, "/token"))
        }
        JoinTokenCommand::Ls => {
            let items = client.list("/v1/join-tokens", &[], 1000).await?;
            let headers = ["ID", "USED", "EXPIRES", "DESCRIPTION", "AGE"];
            out.list(items, &headers, |token| {
                let used = token["joined"].as_array().map_or(0, Vec::len);
                vec![
                    at(token, "/id"),
                    format!("{used}/{}", at(token, "/uses")),
                    at(token, "/expires_at"),
                    at(token, "/description"),
                    age(token, "/created_at"),
                ]
            })
        }
        JoinTokenCommand::Revoke { id } => {
            let path = format!("/v1/join-tokens/{}", segment(id));
            client.call(Method::DELETE, &path, None).await?;
            out.item(&json!({"revoked": true}), |_| format!("{id} is revoked"))
        }
    }
}
