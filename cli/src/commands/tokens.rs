//! `token`: who may do what in which namespace, and until when.
//!
//! A token is printed once, to stdout, and kept nowhere. Deliberately no renewal: make a new
//! one and revoke the old.

use clap::{Args, Subcommand, ValueEnum};
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
        /// What it may do.
        #[arg(long)]
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// Everything, tokens too.
    Admin,
    /// Functions, secrets and calls.
    Deployer,
    /// Calls.
    Invoker,
    /// Reading.
    Viewer,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Deployer => "deployer",
            Self::Invoker => "invoker",
            Self::Viewer => "viewer",
        }
    }
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
                "role": role.name(),
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
