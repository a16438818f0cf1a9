//! `ls`, `status`, `delete`, `revisions`, `instances`: what is there, and making it go.
//!
//! Deliberately no watching: `deploy` waits, `logs -f` follows.

use std::time::Duration;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::age;
use super::rollout::{conditions, describe};
use crate::client::Client;
use crate::failure::Failure;
use crate::manifest::units::Millis;
use crate::output::{Output, at, table};

/// List functions.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// Only functions with this label.
    #[arg(short, long, value_name = "KEY=VALUE")]
    label: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

/// A function.
#[derive(Debug, Args)]
pub(crate) struct FunctionArg {
    /// Its name.
    pub(crate) function: String,
}

/// Delete a function.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Its name.
    function: String,
    /// Return before every sidecar has been told.
    #[arg(long)]
    no_wait: bool,
    /// Succeed when it is not there.
    #[arg(long)]
    if_exists: bool,
    /// How long to wait.
    #[arg(long, default_value = "1m", value_name = "DURATION")]
    timeout: Millis,
}

/// `gateless ls`
pub(crate) async fn ls(client: &Client, out: &mut Output, args: &LsArgs) -> Result<(), Failure> {
    let label = args.label.clone().map(|label| ("label", label));
    let query: Vec<_> = label.into_iter().collect();
    let items = client
        .list(&client.path(&["functions"]), &query, args.limit)
        .await?;
    if items.items.is_empty() {
        out.note(format!("no functions in namespace {}", client.namespace()));
    }
    let headers = ["NAME", "READY", "REVISION", "TRAFFIC", "PATH", "AGE"];
    out.list(items, &headers, |function| {
        vec![
            at(function, "/name"),
            at(function, "/status/ready"),
            at(function, "/status/latest_ready_revision"),
            traffic_text(function),
            at(function, "/status/url_path"),
            age(function, "/created_at"),
        ]
    })
}

/// `gateless status`
pub(crate) async fn status(
    client: &Client,
    out: &mut Output,
    args: &FunctionArg,
) -> Result<(), Failure> {
    let path = client.path(&["functions", &args.function]);
    let function = client.get(&path, &[]).await?;
    let instances = client.list(&format!("{path}/instances"), &[], 1000).await?;
    let mut document = function;
    document["instances"] = Value::Array(instances.items);
    out.item(&document, people_status)
}

fn people_status(function: &Value) -> String {
    let mut text = table(
        &["FUNCTION", "READY", "LATEST", "LATEST READY", "PATH", "AGE"],
        &[vec![
            format!("{}/{}", at(function, "/namespace"), at(function, "/name")),
            at(function, "/status/ready"),
            at(function, "/status/latest_revision"),
            at(function, "/status/latest_ready_revision"),
            at(function, "/status/url_path"),
            age(function, "/created_at"),
        ]],
    );
    text.push_str(&format!("\ntraffic: {}\n", traffic_text(function)));
    for condition in conditions(function) {
        text.push_str(&format!("{}\n", describe(condition)));
        let lines = condition["last_log_lines"].as_array().into_iter().flatten();
        for line in lines.filter_map(Value::as_str) {
            text.push_str(&format!("  | {line}\n"));
        }
    }
    let instances = function["instances"].as_array();
    let rows: Vec<_> = instances.into_iter().flatten().map(instance_row).collect();
    if rows.is_empty() {
        text.push_str("\nno instances: the next call starts one");
    } else {
        text.push('\n');
        text.push_str(table(&INSTANCE_HEADERS, &rows).trim_end());
    }
    text
}

/// `gateless delete`
pub(crate) async fn delete(
    client: &Client,
    out: &mut Output,
    args: &DeleteArgs,
) -> Result<(), Failure> {
    let path = client.path(&["functions", &args.function]);
    let etag = match client.send(client.request(Method::GET, &path)).await {
        Ok(reply) => reply.headers.get("etag").cloned(),
        Err(failure) if args.if_exists && failure.exit() == crate::failure::Exit::NotFound => {
            out.note(format!("{} was not there", args.function));
            return out.item(&json!({"deleted": false}), |_| args.function.clone());
        }
        Err(failure) => return Err(failure),
    };
    let mut request = client.request(Method::DELETE, &path);
    if let Some(etag) = etag {
        request = request.header("if-match", etag);
    }
    client.send(request).await?;
    if !args.no_wait {
        let query = [
            ("condition", "deleted".to_owned()),
            ("timeout_ms", args.timeout.0.to_string()),
        ];
        out.status(format!(
            "waiting for the instances of {} to end",
            args.function
        ));
        let wait = client.request(Method::GET, &format!("{path}/wait"));
        // The server's answer to a wait that takes too long says more than a client's timeout.
        let timeout = Duration::from_millis(args.timeout.0) + Duration::from_secs(10);
        client.send_within(wait.query(&query), timeout).await?;
    }
    out.note(format!("deleted {}/{}", client.namespace(), args.function));
    out.item(&json!({"deleted": true}), |_| args.function.clone())
}

/// `gateless revisions`
pub(crate) async fn revisions(
    client: &Client,
    out: &mut Output,
    args: &FunctionArg,
) -> Result<(), Failure> {
    let path = client.path(&["functions", &args.function, "revisions"]);
    let items = client.list(&path, &[], 1000).await?;
    let headers = ["REVISION", "READY", "TRAFFIC", "TAGS", "INSTANCES", "AGE"];
    out.list(items, &headers, |revision| {
        let tags = revision["tags"].as_array().into_iter().flatten();
        let tags: Vec<_> = tags.filter_map(Value::as_str).collect();
        vec![
            at(revision, "/name"),
            (!revision["ready_at"].is_null()).to_string(),
            format!("{}%", at(revision, "/percent")),
            if tags.is_empty() {
                "-".into()
            } else {
                tags.join(",")
            },
            at(revision, "/instances/ready"),
            age(revision, "/created_at"),
        ]
    })
}

const INSTANCE_HEADERS: [&str; 6] = [
    "INSTANCE",
    "REVISION",
    "STATE",
    "SIDECAR",
    "IN FLIGHT",
    "AGE",
];

fn instance_row(instance: &Value) -> Vec<String> {
    vec![
        at(instance, "/id"),
        at(instance, "/revision"),
        at(instance, "/state"),
        at(instance, "/sidecar"),
        at(instance, "/in_flight"),
        age(instance, "/started_at"),
    ]
}

/// `gateless instances`
pub(crate) async fn instances(
    client: &Client,
    out: &mut Output,
    args: &FunctionArg,
) -> Result<(), Failure> {
    let path = client.path(&["functions", &args.function, "instances"]);
    let items = client.list(&path, &[], 1000).await?;
    out.list(items, &INSTANCE_HEADERS, instance_row)
}

/// `hello-00002 90%, latest 10% [canary]`
pub(crate) fn traffic_text(function: &Value) -> String {
    let targets = function["traffic"].as_array().into_iter().flatten();
    let parts: Vec<String> = targets.map(target_text).collect();
    if parts.is_empty() {
        return "none".into();
    }
    parts.join(", ")
}

fn target_text(target: &Value) -> String {
    let mut text = match (target["latest"] == true, target["revision"].as_str()) {
        (true, Some(revision)) => format!("latest ({revision})"),
        (true, None) => "latest".into(),
        (false, revision) => revision.unwrap_or("-").to_owned(),
    };
    text.push_str(&format!(" {}%", at(target, "/percent")));
    if let Some(tag) = target["tag"].as_str().filter(|tag| !tag.is_empty()) {
        text.push_str(&format!(" [{tag}]"));
    }
    text
}
