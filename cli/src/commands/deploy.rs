//! `gateless deploy` and `gateless diff`: from a folder to a function that answers.
//!
//! Build, pack, upload if the server lacks the bundle, apply against the version just read, wait for the
//! verdict: this revision answers, with this share of the calls. Deliberately no rollback: a revision that
//! never gets ready never gets traffic.

use std::time::Duration;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::rollout::{NO_TRAFFIC, Until, apply, message, wait};
use super::upload;
use crate::change::{Change, changes};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::manifest::units::Millis;
use crate::output::{Output, at};
use crate::project::build::Interrupt;
use crate::project::{Project, ProjectArgs};

/// Deploy a function from its function.toml, or from flags alone.
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    project: ProjectArgs,
    /// Let the server check everything and print what would change; the bundle is uploaded for it.
    #[arg(long)]
    dry_run: bool,
    /// Return once applied, before it is ready.
    #[arg(long)]
    no_wait: bool,
    /// Be content with a revision that is ready but gets no calls, as traffic is set to others.
    #[arg(long)]
    no_traffic: bool,
    /// How long to wait for it to get ready.
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    timeout: Millis,
}

/// What a deployment would change.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    project: ProjectArgs,
    /// Exit with 1 when something differs.
    #[arg(long)]
    exit_code: bool,
}

/// Deploys and waits.
pub(crate) async fn deploy(
    client: &mut Client,
    out: &mut Output,
    args: &DeployArgs,
) -> Result<(), Failure> {
    let (project, body) = prepare(client, out, &args.project).await?;
    let name = &project.name;
    if args.dry_run {
        return show_changes(client, out, &project, &body).await.map(drop);
    }
    let applied = apply(client, name, &body, false).await;
    let applied = applied.map_err(|failure| project.explain(failure))?;
    let revision = at(&applied, "/status/latest_revision");
    out.note(format!(
        "applied {}/{name}, revision {revision}",
        client.namespace()
    ));
    if args.no_wait {
        return out.item(&applied, |_| revision);
    }
    let timeout = Duration::from_millis(args.timeout.0);
    let ready = match wait(client, out, name, (Until::Settled, timeout)).await {
        Err(failure) if args.no_traffic && failure.document()["code"] == NO_TRAFFIC => {
            client.get(&client.path(&["functions", name]), &[]).await?
        }
        waited => waited?,
    };
    out.item(&ready, |v| {
        format!("{}, {}", message(v), at(v, "/status/url_path"))
    })
}

/// `gateless diff`
pub(crate) async fn diff(
    client: &mut Client,
    out: &mut Output,
    args: &DiffArgs,
) -> Result<(), Failure> {
    let (project, body) = prepare(client, out, &args.project).await?;
    let differs = show_changes(client, out, &project, &body).await?;
    if differs && args.exit_code {
        return Err(Failure::new(
            Exit::Failure,
            "differs",
            format!("{} differs from what runs", project.name),
        ));
    }
    Ok(())
}

/// Builds, packs and uploads; the apply request's body.
async fn prepare(
    client: &mut Client,
    out: &mut Output,
    args: &ProjectArgs,
) -> Result<(Project, Value), Failure> {
    let project = args.load()?;
    if let (Some(namespace), false) = (&project.manifest.namespace, client.namespace_is_explicit())
    {
        client.set_namespace(namespace);
    }
    project.build(out, Interrupt::Terminal).await?;
    let (body, artifact) = project.pack(out)?;
    if let Some(artifact) = &artifact {
        upload::upload(client, out, artifact).await?;
    }
    Ok((project, body))
}

/// Prints what applying `body` would change; true when anything would.
async fn show_changes(
    client: &Client,
    out: &mut Output,
    project: &Project,
    body: &Value,
) -> Result<bool, Failure> {
    let name = &project.name;
    let path = client.path(&["functions", name]);
    let running = match client.send(client.request(Method::GET, &path)).await {
        Ok(reply) => reply.body,
        Err(failure) if failure.exit() == Exit::NotFound => Value::Null,
        Err(failure) => return Err(failure),
    };
    let planned = apply(client, name, body, true).await;
    let planned = planned.map_err(|failure| project.explain(failure))?;
    let part = |function: &Value| json!({"labels": function["labels"], "spec": function["spec"]});
    let before = if running.is_null() {
        json!({})
    } else {
        part(&running)
    };
    let found = changes(&before, &part(&planned));
    out.note(match (running.is_null(), found.len()) {
        (true, _) => format!("{name} is new; nothing was changed"),
        (_, 0) => format!("{name} runs like this already"),
        (_, n) => format!("{name} would change in {n} places; nothing was changed"),
    });
    let document = json!({
        "name": name,
        "exists": !running.is_null(),
        "changes": found.iter().map(Change::to_json).collect::<Vec<_>>(),
        "function": planned,
    });
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    if !lines.is_empty() || out.format() != crate::output::Format::Table {
        out.item(&document, |_| lines.join("\n"))?;
    }
    Ok(!found.is_empty())
}
