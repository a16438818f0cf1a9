//! `gateless deploy`: from a folder to a function that answers.
//!
//! Pack, upload if the server lacks the bundle, apply against the version just read, wait.
//! Deliberately no build step and no rollback: a revision that never gets ready never gets
//! traffic, so the one before it goes on serving.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::{key_value, upload};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::manifest::units::{Millis, show_bytes};
use crate::manifest::{self, Command, Manifest};
use crate::output::{Output, at};
use crate::pack::{self, Artifact};

/// Conditions are asked for this often.
const POLL: Duration = Duration::from_millis(150);
/// A failing condition may be a crash that the next start survives; after this it is believed.
const FAILING_FOR: Duration = Duration::from_secs(3);

/// Deploy a function from its function.toml, or from flags alone.
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// A function.toml, or the folder with one.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Name of the function; with --bundle or a COMMAND no function.toml is needed.
    #[arg(long)]
    name: Option<String>,
    /// Folder or executable file to run from, relative to here.
    #[arg(long, value_name = "PATH")]
    bundle: Option<PathBuf>,
    /// Environment variable, also several times.
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value)]
    env: Vec<(String, String)>,
    /// Any other key of function.toml, for example scaling.max_scale=3.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Let the server check everything and change no function; the bundle is uploaded for it.
    #[arg(long)]
    dry_run: bool,
    /// Return once applied, before it is ready.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for it to get ready.
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    timeout: Millis,
    /// Program and arguments, after --.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Deploys and waits.
pub(crate) async fn deploy(
    client: &mut Client,
    out: &mut Output,
    args: &DeployArgs,
) -> Result<(), Failure> {
    let (manifest, bundle) = load(args)?;
    if let (Some(namespace), false) = (&manifest.namespace, client.namespace_is_explicit()) {
        client.set_namespace(namespace);
    }
    let name = manifest.name.clone().ok_or_else(|| {
        Failure::usage("the function has no name")
            .hint("add name = \"...\" to function.toml, or pass --name")
    })?;
    let artifact = match &bundle {
        Some(path) => Some(pack_bundle(out, path, &manifest)?),
        None => None,
    };
    let body = manifest.to_request(artifact.as_ref())?;
    if let Some(artifact) = &artifact {
        upload::upload(client, out, artifact).await?;
    }
    let applied = apply(client, &name, &body, args.dry_run).await?;
    if args.dry_run {
        out.note(format!("{name} would be applied; nothing was changed"));
        return out.item(&applied, |v| format!("{:#}", v["spec"]));
    }
    let revision = at(&applied, "/status/latest_revision");
    out.note(format!(
        "applied {}/{name}, revision {revision}",
        client.namespace()
    ));
    if args.no_wait {
        return out.item(&applied, |_| revision);
    }
    let ready = wait_ready(client, out, &name, Duration::from_millis(args.timeout.0)).await?;
    out.item(&ready, |v| {
        let (revision, path) = (
            at(v, "/status/latest_ready_revision"),
            at(v, "/status/url_path"),
        );
        format!("{name} is ready: revision {revision}, {path}")
    })
}

fn load(args: &DeployArgs) -> Result<(Manifest, Option<PathBuf>), Failure> {
    let file = if args.path.is_dir() {
        args.path.join("function.toml")
    } else {
        args.path.clone()
    };
    let from_flags = args.name.is_some() && (args.bundle.is_some() || !args.command.is_empty());
    let text = if from_flags && !file.exists() {
        String::new()
    } else {
        manifest::read(&file)?
    };
    let mut manifest = Manifest::parse_with(&text, &file.display().to_string(), &args.set)?;
    if args.name.is_some() {
        manifest.name.clone_from(&args.name);
    }
    if !args.command.is_empty() {
        manifest.command = Some(Command(args.command.clone()));
    }
    manifest.extend_env(args.env.iter().cloned());
    let folder = file.parent().unwrap_or(Path::new(""));
    let bundle = match (&args.bundle, &manifest.bundle) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(path)) => Some(folder.join(path)),
        (None, None) => None,
    };
    Ok((manifest, bundle))
}

fn pack_bundle(out: &mut Output, path: &Path, manifest: &Manifest) -> Result<Artifact, Failure> {
    let artifact = pack::pack(path, &manifest.ignore)?;
    out.note(format!(
        "packed {}, {}, sha256 {}",
        path.display(),
        show_bytes(artifact.size),
        artifact.sha256
    ));
    Ok(artifact)
}

/// Applies on top of the version that is there now, so a concurrent change is a conflict.
async fn apply(client: &Client, name: &str, body: &Value, dry_run: bool) -> Result<Value, Failure> {
    let path = client.path(&["functions", name]);
    let (condition, value) = match client.send(client.request(Method::GET, &path)).await {
        Ok(reply) => match reply.headers.get("etag") {
            Some(etag) => ("if-match", etag.to_str().unwrap_or("*").to_owned()),
            None => ("if-match", format!("\"{}\"", reply.body["version"])),
        },
        Err(failure) if failure.exit() == Exit::NotFound => ("if-none-match", "*".into()),
        Err(failure) => return Err(failure),
    };
    let mut request = client
        .request(Method::PUT, &path)
        .header(condition, value)
        .json(body);
    if dry_run {
        request = request.query(&[("dry_run", "true")]);
    }
    let reply = client.send(request).await?;
    Ok(reply.body)
}

/// Shows conditions as they change until the newest revision serves, fails or takes too long.
async fn wait_ready(
    client: &Client,
    out: &mut Output,
    name: &str,
    timeout: Duration,
) -> Result<Value, Failure> {
    let path = client.path(&["functions", name]);
    let start = Instant::now();
    let mut shown: Vec<String> = Vec::new();
    let mut failing: Option<Instant> = None;
    loop {
        let function = client.get(&path, &[]).await?;
        for condition in conditions(&function) {
            let text = describe(condition);
            if !shown.contains(&text) {
                out.note(format!("  {text}"));
                shown.push(text);
            }
        }
        if is_settled(&function) {
            return Ok(function);
        }
        if is_failing(&function) {
            let since = *failing.get_or_insert_with(Instant::now);
            if since.elapsed() >= FAILING_FOR {
                return Err(not_ready(name, &function, Exit::Failure, "not_ready"));
            }
        } else {
            failing = None;
        }
        if start.elapsed() >= timeout {
            return Err(not_ready(name, &function, Exit::Timeout, "timeout"));
        }
        out.status(format!(
            "waiting for {name}, {}s",
            start.elapsed().as_secs()
        ));
        tokio::time::sleep(POLL).await;
    }
}

/// The newest revision is the ready one, and every connected sidecar has heard of it.
fn is_settled(function: &Value) -> bool {
    let status = &function["status"];
    let pushing = |c: &Value| c["status"] == "unknown" && c["reason"] == "pushing";
    status["ready"] == true
        && status["latest_revision"] == status["latest_ready_revision"]
        && !conditions(function).any(pushing)
}

/// The newest revision does not start.
fn is_failing(function: &Value) -> bool {
    conditions(function).any(|c| c["type"] == "Ready" && is_false(c))
}

/// The conditions of a function.
pub(crate) fn conditions(function: &Value) -> impl Iterator<Item = &Value> {
    let list = function["status"]["conditions"].as_array();
    list.into_iter().flatten()
}

fn is_false(condition: &Value) -> bool {
    condition["status"] == "false"
}

/// One condition on one line.
pub(crate) fn describe(condition: &Value) -> String {
    let text = |key: &str| condition[key].as_str().unwrap_or_default();
    let mut line = format!("{}: {}", text("type"), text("status"));
    for part in ["reason", "message"].map(text) {
        if !part.is_empty() {
            line.push_str(", ");
            line.push_str(part);
        }
    }
    line
}

fn not_ready(name: &str, function: &Value, exit: Exit, code: &str) -> Failure {
    let revision = at(function, "/status/latest_revision");
    let culprit = conditions(function)
        .find(|c| is_false(c) && c["type"] == "Ready")
        .or_else(|| conditions(function).find(|c| c["status"] != "true"));
    let mut cause = culprit.map_or_else(|| "no condition says why".into(), describe);
    let lines = culprit.and_then(|c| c["last_log_lines"].as_array());
    for line in lines.into_iter().flatten().filter_map(Value::as_str) {
        cause.push_str("\n| ");
        cause.push_str(line);
    }
    Failure::new(
        exit,
        code,
        format!("{name} is not ready, revision {revision}"),
    )
    .cause(cause)
    .hint(format!(
        "gateless logs {name}; the revision before it keeps its traffic"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ready_means_the_newest_revision_is() {
        let function = |ready, latest, latest_ready: Option<&str>| json!({"status": {"ready": ready, "latest_revision": latest, "latest_ready_revision": latest_ready}});
        assert!(is_settled(&function(true, "f-00001", Some("f-00001"))));
        assert!(!is_settled(&function(true, "f-00002", Some("f-00001"))));
        assert!(!is_settled(&function(false, "f-00001", None)));
        let mut pushing = function(true, "f-00001", Some("f-00001"));
        pushing["status"]["conditions"] =
            json!([{"type": "Accepted", "status": "unknown", "reason": "pushing"}]);
        assert!(!is_settled(&pushing));
    }

    #[test]
    fn a_failed_wait_shows_the_reason_and_the_last_log_lines() {
        let function = json!({"status": {"latest_revision": "f-00002", "conditions": [
            {"type": "Ready", "status": "false", "reason": "crash_loop", "message": "exit code 1",
             "last_log_lines": ["no module named x"]},
        ]}});
        let text = not_ready("f", &function, Exit::Failure, "not_ready").to_string();
        assert!(text.contains("crash_loop, exit code 1"), "{text}");
        assert!(text.contains("| no module named x"), "{text}");
    }
}
