//! `secret`: write-only values for functions.
//!
//! Values come from arguments, files or stdin and go to the server only. Deliberately no way
//! to read one back, and no value in any message.

use std::collections::BTreeMap;
use std::io::Read;

use clap::{Args, Subcommand};
use gateless_common::limits::SECRET_BYTES;
use reqwest::Method;
use serde_json::{Value, json};

use super::{age, key_value};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;

/// Secrets of the namespace.
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    #[command(subcommand)]
    command: SecretCommand,
}

#[derive(Debug, Subcommand)]
enum SecretCommand {
    /// Create or replace a secret with exactly these keys; instances that use it are replaced, one after the other.
    Set {
        /// Its name.
        name: String,
        /// KEY=VALUE, KEY=@FILE, or KEY=- for stdin; arguments show in process lists.
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = key_value)]
        values: Vec<(String, String)>,
    },
    /// List names and keys.
    Ls,
    /// Delete one.
    Rm {
        /// Its name.
        name: String,
    },
}

/// `gateless secret`
pub(crate) async fn secret(
    client: &Client,
    out: &mut Output,
    args: &SecretArgs,
) -> Result<(), Failure> {
    match &args.command {
        SecretCommand::Set { name, values } => {
            let mut data = BTreeMap::new();
            for (key, value) in values {
                data.insert(key, read_value(key, value)?);
            }
            let path = client.path(&["secrets", name]);
            client
                .call(Method::PUT, &path, Some(&json!({"data": data})))
                .await?;
            let keys: Vec<_> = data.keys().collect();
            out.item(&json!({"name": name, "keys": keys}), |_| {
                format!("{name} is set")
            })
        }
        SecretCommand::Ls => {
            let items = client.list(&client.path(&["secrets"]), &[], 1000).await?;
            out.list(items, &["NAME", "KEYS", "AGE"], |secret| {
                let keys = secret["keys"].as_array().into_iter().flatten();
                let keys: Vec<_> = keys.filter_map(Value::as_str).collect();
                vec![
                    crate::output::at(secret, "/name"),
                    keys.join(","),
                    age(secret, "/updated_at"),
                ]
            })
        }
        SecretCommand::Rm { name } => {
            let path = client.path(&["secrets", name]);
            client.call(Method::DELETE, &path, None).await?;
            out.item(&json!({"deleted": true}), |_| format!("{name} is deleted"))
        }
    }
}

/// The value itself, a file's text, or stdin's without its last line end.
fn read_value(key: &str, value: &str) -> Result<String, Failure> {
    if value == "-" {
        let text = read_text(key, Ok(std::io::stdin().lock()))?;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    } else if let Some(path) = value.strip_prefix('@') {
        read_text(key, std::fs::File::open(path))
    } else {
        Ok(value.to_owned())
    }
}

/// All of it, or none: a value that was cut would be another secret.
fn read_text(key: &str, from: std::io::Result<impl Read>) -> Result<String, Failure> {
    let broken = |e: std::io::Error| Failure::io(format!("cannot read the value of {key}"), &e);
    let (mut bytes, most) = (Vec::new(), SECRET_BYTES as u64);
    let read = from.map_err(broken)?.take(most + 1).read_to_end(&mut bytes);
    if read.map_err(broken)? > SECRET_BYTES {
        return Err(Failure::usage(format!(
            "the value of {key} has more than {SECRET_BYTES} bytes, which no secret may have"
        )));
    }
    String::from_utf8(bytes).map_err(|e| broken(std::io::Error::other(e)))
}
