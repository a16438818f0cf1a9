//! `trigger`: what calls a function besides callers: a schedule, an event, a message of a topic.
//!
//! Deliberately no checking of schedules here: the server has the rules.

use clap::{ArgGroup, Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{age, key_value};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{Output, at};

/// Triggers of functions.
#[derive(Debug, Args)]
pub(crate) struct TriggerArgs {
    #[command(subcommand)]
    command: TriggerCommand,
}

#[derive(Debug, Subcommand)]
enum TriggerCommand {
    /// List them.
    Ls,
    /// Show one.
    Get(NameArg),
    /// Create or replace one.
    Set(Box<SetArgs>),
    /// Delete one.
    Rm(NameArg),
    /// Let it rest until it is resumed.
    Pause(NameArg),
    /// Let it call again.
    Resume(NameArg),
}

#[derive(Debug, Args)]
struct NameArg {
    /// Its name.
    name: String,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true))]
struct SetArgs {
    /// Its name.
    name: String,
    /// The function it calls.
    #[arg(long, value_name = "NAME")]
    function: String,
    /// A schedule of five fields, or six with seconds first.
    #[arg(long, group = "source", value_name = "SCHEDULE")]
    cron: Option<String>,
    /// With --cron: the schedule's time zone.
    #[arg(long, requires = "cron", value_name = "ZONE")]
    timezone: Option<String>,
    /// With --cron: what of a time that comes while the call of the one before is not over.
    #[arg(long, requires = "cron", value_parser = ["allow", "skip", "queue"])]
    overlap: Option<String>,
    /// With --cron: the calls' body.
    #[arg(
        short,
        long,
        requires = "cron",
        value_name = "TEXT",
        allow_hyphen_values = true
    )]
    data: Option<String>,
    /// With --cron: the body's type.
    #[arg(long, requires = "cron", value_name = "TYPE")]
    content_type: Option<String>,
    /// An attribute CloudEvents must have, for example type=com.example.made, also several times.
    #[arg(long, group = "source", value_name = "NAME=VALUE", value_parser = key_value)]
    event: Vec<(String, String)>,
    /// A topic.
    #[arg(long, group = "source", value_name = "TOPIC")]
    topic: Option<String>,
    /// The calls' method.
    #[arg(short = 'X', long)]
    method: Option<String>,
    /// The calls' path and query.
    #[arg(long)]
    path: Option<String>,
    /// A header of the calls, also several times.
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = key_value)]
    headers: Vec<(String, String)>,
    /// Make it, but let it rest.
    #[arg(long)]
    paused: bool,
}

/// `gateless trigger`
pub(crate) async fn trigger(
    client: &Client,
    out: &mut Output,
    args: &TriggerArgs,
) -> Result<(), Failure> {
    match &args.command {
        TriggerCommand::Ls => ls(client, out).await,
        TriggerCommand::Get(NameArg { name }) => {
            let body = client.get(&client.path(&["triggers", name]), &[]).await?;
            out.item(&body, |v| format!("{v:#}"))
        }
        TriggerCommand::Set(set) => {
            let path = client.path(&["triggers", &set.name]);
            let (condition, value) = match client.send(client.request(Method::GET, &path)).await {
                Ok(reply) => ("if-match", etag(&reply)),
                Err(failure) if failure.exit() == Exit::NotFound => ("if-none-match", "*".into()),
                Err(failure) => return Err(failure),
            };
            let request = client
                .request(Method::PUT, &path)
                .header(condition, value)
                .json(&json!({"spec": set.spec()}));
            let made = client.send(request).await?.body;
            out.item(&made, |_| format!("{} calls {}", set.name, set.function))
        }
        TriggerCommand::Rm(NameArg { name }) => {
            let path = client.path(&["triggers", name]);
            let before = client.send(client.request(Method::GET, &path)).await?;
            let request = client.request(Method::DELETE, &path);
            client
                .send(request.header("if-match", etag(&before)))
                .await?;
            out.item(&json!({"deleted": true}), |_| format!("{name} is deleted"))
        }
        TriggerCommand::Pause(NameArg { name }) => set_paused(client, out, name, true).await,
        TriggerCommand::Resume(NameArg { name }) => set_paused(client, out, name, false).await,
    }
}

/// The version that was read, so that a change made meanwhile is a conflict.
fn etag(reply: &crate::client::Reply) -> String {
    let header = reply.headers.get("etag").and_then(|v| v.to_str().ok());
    header.unwrap_or("*").to_owned()
}

async fn ls(client: &Client, out: &mut Output) -> Result<(), Failure> {
    let items = client.list(&client.path(&["triggers"]), &[], 1000).await?;
    let headers = ["NAME", "KIND", "SOURCE", "FUNCTION", "STATE", "AGE"];
    out.list(items, &headers, |trigger| {
        let paused = trigger["spec"]["paused"] == true;
        vec![
            at(trigger, "/name"),
            at(trigger, "/spec/kind"),
            source(&trigger["spec"]),
            at(trigger, "/spec/function"),
            if paused { "paused" } else { "active" }.into(),
            age(trigger, "/created_at"),
        ]
    })
}

fn source(spec: &Value) -> String {
    let attributes = spec["cloudevents"]["attributes"].as_object();
    if let Some(attributes) = attributes.filter(|a| !a.is_empty()) {
        let pair = |(name, value): (&String, &Value)| {
            format!("{name}={}", value.as_str().unwrap_or_default())
        };
        return attributes.iter().map(pair).collect::<Vec<_>>().join(",");
    }
    match at(spec, "/cron/schedule") {
        schedule if schedule != "-" => schedule,
        _ => at(spec, "/queue/topic"),
    }
}

async fn set_paused(
    client: &Client,
    out: &mut Output,
    name: &str,
    paused: bool,
) -> Result<(), Failure> {
    let path = client.path(&["triggers", name]);
    let before = client.send(client.request(Method::GET, &path)).await?;
    let mut spec = before.body["spec"].clone();
    spec["paused"] = json!(paused);
    let request = client
        .request(Method::PUT, &path)
        .header("if-match", etag(&before))
        .json(&json!({"spec": spec}));
    let after = client.send(request).await?.body;
    let state = if paused { "paused" } else { "active" };
    out.item(&after, |_| format!("{name} is {state}"))
}

impl SetArgs {
    fn spec(&self) -> Value {
        let mut spec = Map::new();
        let mut put = |key: &str, value: Value| spec.insert(key.to_owned(), value);
        put("function", json!(self.function));
        put("paused", json!(self.paused));
        if let Some(schedule) = &self.cron {
            let mut cron = Map::from_iter([("schedule".to_owned(), json!(schedule))]);
            for (key, value) in [
                ("timezone", &self.timezone),
                ("overlap", &self.overlap),
                ("body", &self.data),
                ("content_type", &self.content_type),
            ] {
                if let Some(value) = value {
                    cron.insert(key.to_owned(), json!(value));
                }
            }
            put("kind", json!("cron"));
            put("cron", Value::Object(cron));
        } else if let Some(topic) = &self.topic {
            put("kind", json!("queue"));
            put("queue", json!({ "topic": topic }));
        } else {
            put("kind", json!("cloudevents"));
            put("cloudevents", json!({"attributes": object(&self.event)}));
        }
        if let Some(method) = &self.method {
            put("method", json!(method));
        }
        if let Some(path) = &self.path {
            put("path", json!(path));
        }
        if !self.headers.is_empty() {
            put("headers", object(&self.headers));
        }
        Value::Object(spec)
    }
}

fn object(pairs: &[(String, String)]) -> Value {
    let members = pairs.iter().map(|(key, value)| (key.clone(), json!(value)));
    Value::Object(members.collect())
}
