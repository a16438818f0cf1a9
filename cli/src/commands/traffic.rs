//! `traffic` and `rollback`: which revision gets which share of the calls.
//!
//! Deliberately no gradual shifting here: a script or the dashboard repeats `traffic set`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::functions::traffic_text;
use super::key_value;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;

/// Show or set which revision gets which share of the calls.
#[derive(Debug, Args)]
pub(crate) struct TrafficArgs {
    #[command(subcommand)]
    command: TrafficCommand,
}

#[derive(Debug, Subcommand)]
enum TrafficCommand {
    /// Show the targets.
    Show {
        /// The function.
        function: String,
    },
    /// Set the targets: gateless traffic set hello r1=90 latest=10.
    Set {
        /// The function.
        function: String,
        /// Percent per revision: its name, its number (2 or r2), or `latest`. They sum to 100.
        #[arg(value_name = "REVISION=PERCENT", value_parser = key_value)]
        targets: Vec<(String, String)>,
        /// A name by which a revision can be called whatever its share, also several times.
        #[arg(long = "tag", value_name = "TAG=REVISION", value_parser = key_value)]
        tags: Vec<(String, String)>,
    },
}

/// Send all traffic to an earlier revision.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The function.
    function: String,
    /// Revision to go back to [default: the ready one before the one that serves].
    #[arg(long)]
    to: Option<String>,
}

/// `gateless traffic`
pub(crate) async fn traffic(
    client: &Client,
    out: &mut Output,
    args: &TrafficArgs,
) -> Result<(), Failure> {
    match &args.command {
        TrafficCommand::Show { function } => {
            let path = client.path(&["functions", function]);
            let body = client.get(&path, &[]).await?;
            show(out, &body)
        }
        TrafficCommand::Set {
            function,
            targets,
            tags,
        } => {
            let body = json!({"targets": build_targets(function, targets, tags)?});
            change(client, out, function, Method::PUT, "traffic", &body).await
        }
    }
}

/// `gateless rollback`
pub(crate) async fn rollback(
    client: &Client,
    out: &mut Output,
    args: &RollbackArgs,
) -> Result<(), Failure> {
    let name = &args.function;
    let body = match &args.to {
        Some(revision) => json!({"revision": revision_name(name, revision)}),
        None => json!({}),
    };
    change(client, out, name, Method::POST, "rollback", &body).await
}

/// Changes traffic on top of the version that is there now.
async fn change(
    client: &Client,
    out: &mut Output,
    function: &str,
    method: Method,
    what: &str,
    body: &Value,
) -> Result<(), Failure> {
    let path = client.path(&["functions", function]);
    let before = client.send(client.request(Method::GET, &path)).await?;
    let mut request = client.request(method, &format!("{path}/{what}")).json(body);
    if let Some(etag) = before.headers.get("etag") {
        request = request.header("if-match", etag);
    }
    client.send(request).await?;
    let after = client.get(&path, &[]).await?;
    out.note(format!("was: {}", traffic_text(&before.body)));
    show(out, &after)
}

fn show(out: &mut Output, function: &Value) -> Result<(), Failure> {
    let document = json!({"targets": function["traffic"]});
    out.item(&document, |_| traffic_text(function))
}

fn build_targets(
    function: &str,
    shares: &[(String, String)],
    tags: &[(String, String)],
) -> Result<Vec<Value>, Failure> {
    let mut targets: Vec<Value> = Vec::new();
    let mut sum = 0;
    for (revision, percent) in shares {
        let share: u32 = percent
            .trim_end_matches('%')
            .parse()
            .ok()
            .filter(|p| *p <= 100)
            .ok_or_else(|| {
                Failure::usage(format!("{revision}={percent}: the share is not 0 to 100"))
                    .hint("gateless traffic set hello r1=90 latest=10")
            })?;
        sum += share;
        targets.push(target(function, revision, share));
    }
    if sum != 100 {
        return Err(Failure::usage(format!("the shares sum to {sum}, not 100"))
            .hint("gateless traffic set hello r1=90 latest=10"));
    }
    for (tag, revision) in tags {
        let mut tagged = target(function, revision, 0);
        let same = |t: &&mut Value| {
            t["revision"] == tagged["revision"]
                && t["latest"] == tagged["latest"]
                && t["tag"].is_null()
        };
        if let Some(existing) = targets.iter_mut().find(same) {
            existing["tag"] = json!(tag);
        } else {
            tagged["tag"] = json!(tag);
            targets.push(tagged);
        }
    }
    Ok(targets)
}

fn target(function: &str, revision: &str, percent: u32) -> Value {
    if revision == "latest" {
        return json!({"revision": null, "latest": true, "percent": percent, "tag": null});
    }
    let revision = revision_name(function, revision);
    json!({"revision": revision, "latest": false, "percent": percent, "tag": null})
}

/// `2` and `r2` are short for `hello-00002`.
fn revision_name(function: &str, text: &str) -> String {
    match text.strip_prefix('r').unwrap_or(text).parse::<u32>() {
        Ok(number) => format!("{function}-{number:05}"),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        list.iter().map(own).collect()
    }

    #[test]
    fn numbers_are_short_for_revisions_and_tags_join_their_share() {
        let targets = build_targets(
            "f",
            &pairs(&[("r1", "90"), ("latest", "10%")]),
            &pairs(&[("old", "1"), ("next", "f-00007")]),
        );
        assert_eq!(
            Value::Array(targets.unwrap()),
            json!([
                {"revision": "f-00001", "latest": false, "percent": 90, "tag": "old"},
                {"revision": null, "latest": true, "percent": 10, "tag": null},
                {"revision": "f-00007", "latest": false, "percent": 0, "tag": "next"},
            ])
        );
    }

    #[test]
    fn shares_must_sum_to_100() {
        for bad in [
            &[("latest", "90")][..],
            &[("r1", "x")],
            &[("r1", "101")],
            &[],
        ] {
            assert!(build_targets("f", &pairs(bad), &[]).is_err(), "{bad:?}");
        }
    }
}
