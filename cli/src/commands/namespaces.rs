//! `ns`: what a namespace may have of what all share.
//!
//! Deliberately no list of namespaces: they exist only through what is in them.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::manifest::units::Bytes;
use crate::output::Output;

const BOUNDS: [&str; 6] = [
    "functions",
    "instances",
    "memory_bytes",
    "cpu_millicores",
    "tokens",
    "secrets",
];

/// Namespaces.
#[derive(Debug, Args)]
pub(crate) struct NsArgs {
    #[command(subcommand)]
    command: NsCommand,
}

#[derive(Debug, Subcommand)]
enum NsCommand {
    /// Show or set what the namespace may have.
    Quota(QuotaArgs),
}

#[derive(Debug, Args)]
struct QuotaArgs {
    #[command(subcommand)]
    command: Option<QuotaCommand>,
}

#[derive(Debug, Subcommand)]
enum QuotaCommand {
    /// Show its bounds, and what it has.
    Show,
    /// Set bounds; those not named stay. For admins of all namespaces.
    Set(Bounds),
    /// Take all bounds away. For admins of all namespaces.
    Clear,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Bounds {
    /// Functions.
    #[arg(long, value_name = "N")]
    functions: Option<u64>,
    /// Instances of all functions; each must set max_scale then.
    #[arg(long, value_name = "N")]
    instances: Option<u64>,
    /// Memory of those instances; each function must bound its own then.
    #[arg(long, value_name = "SIZE")]
    memory: Option<Bytes>,
    /// CPU of those instances, 500m or 2; each function must bound its own then.
    #[arg(long, value_name = "CPU", value_parser = cpu)]
    cpu: Option<u64>,
    /// Live tokens.
    #[arg(long, value_name = "N")]
    tokens: Option<u64>,
    /// Secrets.
    #[arg(long, value_name = "N")]
    secrets: Option<u64>,
}

impl Bounds {
    /// What there is, with what is set here.
    fn over(&self, mut quota: Value) -> Value {
        let set = [
            self.functions,
            self.instances,
            self.memory.map(|bytes| bytes.0),
            self.cpu,
            self.tokens,
            self.secrets,
        ];
        for (name, value) in BOUNDS.into_iter().zip(set) {
            if let Some(value) = value {
                quota[name] = json!(value);
            }
        }
        quota
    }
}

fn cpu(text: &str) -> Result<u64, String> {
    let millicores = gateless_common::spec::millicores(text).map(u64::from);
    millicores.ok_or_else(|| "CPU is written as 500m, 0.5 or 2".to_owned())
}

/// `gateless ns`
pub(crate) async fn ns(client: &Client, out: &mut Output, args: &NsArgs) -> Result<(), Failure> {
    let NsCommand::Quota(args) = &args.command;
    let path = client.path(&["quota"]);
    match &args.command {
        None | Some(QuotaCommand::Show) => show(out, &client.get(&path, &[]).await?),
        Some(QuotaCommand::Set(bounds)) => {
            let before = client.get(&path, &[]).await?;
            let quota = bounds.over(before["quota"].clone());
            // Two who set different bounds at once must not undo one another.
            let request = client.request(Method::PUT, &path).json(&quota);
            let request = match before["version"].as_u64() {
                Some(version) if version > 0 => {
                    request.header("if-match", format!("\"{version}\""))
                }
                _ => request.header("if-none-match", "*"),
            };
            show(out, &client.send(request).await?.body)
        }
        Some(QuotaCommand::Clear) => {
            client.call(Method::DELETE, &path, None).await?;
            let namespace = client.namespace().to_owned();
            out.item(&json!({"cleared": true}), |_| {
                format!("{namespace} has no quota")
            })
        }
    }
}

fn show(out: &mut Output, found: &Value) -> Result<(), Failure> {
    out.item(found, |found| {
        let rows = BOUNDS.map(|name| {
            let number = |value: &Value, none: &str| match value.as_u64() {
                Some(number) => number.to_string(),
                None => none.to_owned(),
            };
            let (used, may) = (
                number(&found["used"][name], "unbounded"),
                number(&found["quota"][name], "-"),
            );
            vec![name.to_owned(), used, may]
        });
        crate::output::table(&["OF", "HAS", "MAY HAVE"], &rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_not_named_stay() {
        let bounds = Bounds {
            functions: Some(3),
            instances: None,
            memory: Some(Bytes(1 << 20)),
            cpu: None,
            tokens: None,
            secrets: None,
        };
        let before = json!({"functions": 1, "instances": 2, "memory_bytes": null, "tokens": 4, "secrets": null});
        let after = json!({"functions": 3, "instances": 2, "memory_bytes": 1 << 20, "tokens": 4, "secrets": null});
        assert_eq!(bounds.over(before), after);
    }
}
