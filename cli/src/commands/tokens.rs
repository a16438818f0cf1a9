//! `token`: who may do what in which namespace, and until when.
//!
//! A token is printed once, to stdout, and kept nowhere. Deliberately no renewal: make a new
//! one and revoke the old.

use clap::{Args, Subcommand};
use gateless_sdk::types::Role;
use reqwest::Method;
use serde_json::json;

use super::age;
use crate::client::Client;
use crate::failure::Failure;
use crate::manifest::units::Millis;
use crate::output::{Output, at};

/// Access tokens.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it, once.
    Create {
        /// What it may do: admin (everything, tokens too), deployer (functions, secrets and calls), invoker
        /// (calls) or viewer (reading).
        #[arg(long, value_parser = role)]
        role: Role,
        /// How long it is good.
        #[arg(long, default_value = "30d", value_name = "DURATION")]
        ttl: Millis,
        /// Good in every namespace.
        #[arg(long)]
        all_namespaces: bool,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
    },
    /// List tokens, without the tokens themselves.
    Ls,
    /// End a token now.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// A role by its name; which there are, the OpenAPI document says, and with it the SDK.
fn role(text: &str) -> Result<Role, String> {
    text.parse()
        .map_err(|_| "a role is admin, deployer, invoker or viewer".to_owned())
}

/// `gateless token`
pub(crate) async fn token(
    client: &Client,
    out: &mut Output,
    args: &TokenArgs,
) -> Result<(), Failure> {
    match &args.command {
        TokenCommand::Create {
            role,
            ttl,
            all_namespaces,
            description,
        } => {
            let namespace = if *all_namespaces {
                "*"
            } else {
                client.namespace()
            };
            let mut body = json!({
                "namespace": namespace,
                "role": role,
                "ttl_seconds": ttl.0.div_ceil(1000),
            });
            if let Some(description) = description {
                body["description"] = json!(description);
            }
            let made = client.call(Method::POST, "/v1/tokens", Some(&body)).await?;
            out.note(format!("token {}, shown only now", at(&made, "/id")));
            out.item(&made, |v| at(v, "/token"))
        }
        TokenCommand::Ls => {
            let items = client.list("/v1/tokens", &[], 1000).await?;
            let headers = ["ID", "NAMESPACE", "ROLE", "EXPIRES", "DESCRIPTION", "AGE"];
            out.list(items, &headers, |token| {
                let fields = ["/id", "/namespace", "/role", "/expires_at", "/description"];
                let mut row: Vec<String> = fields.iter().map(|p| at(token, p)).collect();
                row.push(age(token, "/created_at"));
                row
            })
        }
        TokenCommand::Revoke { id } => {
            let path = format!("/v1/tokens/{}", crate::client::segment(id));
            client.call(Method::DELETE, &path, None).await?;
            out.item(&json!({"revoked": true}), |_| format!("{id} is revoked"))
        }
    }
}
