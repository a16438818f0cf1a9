//! `key`: callers' keys to a function that asks for one.
//!
//! A key is printed once, to stdout, and kept nowhere. Deliberately no way to change one: revoke it and make another.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::age;
use crate::client::Client;
use crate::failure::Failure;
use crate::manifest::units::Millis;
use crate::output::{Output, at};

/// Callers' keys to a function.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a caller's key and print it, once.
    Create {
        /// The function; its [access] says auth = "key".
        function: String,
        /// The caller's name: a-z, 0-9, -.
        caller: String,
        /// How long it is good [default: until it is revoked].
        #[arg(long, value_name = "DURATION")]
        ttl: Option<Millis>,
    },
    /// List a function's keys, without the keys themselves.
    Ls {
        /// The function.
        function: String,
    },
    /// End a key now.
    Revoke {
        /// The function.
        function: String,
        /// The caller's name.
        caller: String,
    },
}

/// `gateless key`
pub(crate) async fn key(client: &Client, out: &mut Output, args: &KeyArgs) -> Result<(), Failure> {
    match &args.command {
        KeyCommand::Create {
            function,
            caller,
            ttl,
        } => {
            let mut body = json!({"name": caller});
            if let Some(ttl) = ttl {
                body["ttl_seconds"] = json!(ttl.0.div_ceil(1000));
            }
            let path = client.path(&["functions", function, "keys"]);
            let made = client.call(Method::POST, &path, Some(&body)).await?;
            out.note(format!("key of {caller}, shown only now"));
            out.item(&made, |v| at(v, "/key"))
        }
        KeyCommand::Ls { function } => {
            let path = client.path(&["functions", function, "keys"]);
            let items = client.list(&path, &[], 1000).await?;
            out.list(items, &["CALLER", "EXPIRES", "AGE"], |key: &Value| {
                let expires = match key["expires_at"].as_str() {
                    Some(end) => end.to_owned(),
                    None => "never".to_owned(),
                };
                vec![at(key, "/name"), expires, age(key, "/created_at")]
            })
        }
        KeyCommand::Revoke { function, caller } => {
            let path = client.path(&["functions", function, "keys", caller]);
            client.call(Method::DELETE, &path, None).await?;
            let done = json!({"revoked": true});
            out.item(&done, |_| format!("the key of {caller} is revoked"))
        }
    }
}
