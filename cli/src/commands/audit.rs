//! `audit`: who changed what at the server, and what was refused.
//!
//! Deliberately only reading: nobody changes that log, the server included.

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::manifest::units::Millis;
use crate::output::{Output, at};

/// Who changed what.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// List changes and what was refused, newest first; with -o jsonl all that is known of each.
    Ls(AuditLsArgs),
    /// Check that no entry was altered, removed, inserted or cut off the end.
    Verify,
}

#[derive(Debug, Args)]
struct AuditLsArgs {
    /// Of every namespace, and of none.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only with the token of this id.
    #[arg(long, value_name = "ID")]
    by: Option<String>,
    /// Only actions (method and route) with this text in them.
    #[arg(long, value_name = "TEXT")]
    action: Option<String>,
    /// Only what was refused.
    #[arg(long, conflicts_with = "done")]
    refused: bool,
    /// Only what was done.
    #[arg(long)]
    done: bool,
    /// Only since so long ago.
    #[arg(long, value_name = "DURATION")]
    since: Option<Millis>,
    /// At most so many.
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: usize,
}

impl AuditLsArgs {
    fn query(&self, namespace: &str) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        let mut add = |name, value: Option<String>| query.extend(value.map(|value| (name, value)));
        add(
            "namespace",
            (!self.all_namespaces).then(|| namespace.to_owned()),
        );
        add("token_id", self.by.clone());
        add("action", self.action.clone());
        add("refused", self.refused.then(|| "true".to_owned()));
        add("refused", self.done.then(|| "false".to_owned()));
        let since = self.since.and_then(|since| {
            let ago = SignedDuration::from_millis(i64::try_from(since.0).ok()?);
            Timestamp::now().checked_sub(ago).ok()
        });
        add("since", since.map(|since| since.to_string()));
        query
    }
}

/// `gateless audit`
pub(crate) async fn audit(
    client: &Client,
    out: &mut Output,
    args: &AuditArgs,
) -> Result<(), Failure> {
    match &args.command {
        AuditCommand::Ls(args) => {
            let query = args.query(client.namespace());
            let items = client.list("/v1/audit", &query, args.limit).await?;
            let headers = ["TIME", "WHO", "FROM", "ACTION", "PATH", "RESULT", "CHANGED"];
            out.list(items, &headers, row)
        }
        AuditCommand::Verify => verify(client, out).await,
    }
}

fn row(entry: &Value) -> Vec<String> {
    let who = match at(entry, "/actor/description") {
        text if text.is_empty() || text == "-" => at(entry, "/actor/token_id"),
        text => text,
    };
    let result = match entry["code"].as_str() {
        Some(code) => format!("{} {code}", at(entry, "/status")),
        None => at(entry, "/status"),
    };
    // What the server did by itself has no path.
    let action = entry["action"].as_str().unwrap_or_default();
    let method = match entry["path"].as_str() {
        Some("") | None => action,
        Some(_) => action.split(' ').next().unwrap_or_default(),
    };
    let changes = entry["changes"].as_array().into_iter().flatten();
    let changed: Vec<String> = changes
        .map(|change| match change["pointer"].as_str() {
            Some("") | None => at(change, "/resource"),
            Some(pointer) => pointer.to_owned(),
        })
        .collect();
    vec![
        at(entry, "/time"),
        who,
        at(entry, "/from"),
        method.to_owned(),
        at(entry, "/path"),
        result,
        changed.join(" "),
    ]
}

async fn verify(client: &Client, out: &mut Output) -> Result<(), Failure> {
    let found = client.get("/v1/audit/verify", &[]).await?;
    out.item(&found, |found| match found["intact"].as_bool() {
        Some(true) => {
            let chains = found["chains"].as_array().into_iter().flatten();
            let lines = chains.map(|chain| match chain["last_sequence"].is_null() {
                true => format!("{}: no entry yet", at(chain, "/name")),
                false => format!(
                    "{}: entries {} to {} are as they were written; the last one's hash is {}",
                    at(chain, "/name"),
                    at(chain, "/first_sequence"),
                    at(chain, "/last_sequence"),
                    at(chain, "/head"),
                ),
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        _ => format!("broken: {}", at(found, "/broken")),
    })?;
    match found["intact"].as_bool() {
        Some(true) => Ok(()),
        _ => Err(Failure::new(
            Exit::Failure,
            "audit_broken",
            "the audit log is not as it was written",
        )
        .cause(at(&found, "/broken"))
        .hint("somebody with access to the server's data folder changed it, or its disk did")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_who_did_what() {
        let entry = json!({
            "time": "2026-01-01T00:00:00Z", "from": "10.0.0.1", "status": 403, "code": "role_not_enough",
            "actor": {"token_id": "t", "description": "ci"}, "path": "/v1/x", "action": "PUT /v1/{x}",
            "changes": [{"resource": "functions/a/b", "pointer": "/spec/c"}, {"resource": "secrets/a/b", "pointer": ""}],
        });
        let expected = [
            "2026-01-01T00:00:00Z",
            "ci",
            "10.0.0.1",
            "PUT",
            "/v1/x",
            "403 role_not_enough",
            "/spec/c secrets/a/b",
        ];
        assert_eq!(row(&entry), expected);
    }
}
