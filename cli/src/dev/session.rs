//! The loop of `gateless dev`: build, deploy, show logs until something changes, again.
//!
//! A change made meanwhile abandons what is under way. Deliberately keeps nothing of a failed round:
//! what answers is what the server says is ready.

use std::time::{Duration, Instant};

use gateless_common::time;
use gateless_sdk::LogQuery;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::watch::Watcher;
use crate::client::Client;
use crate::commands::logs::{self, tail::Tail};
use crate::commands::rollout::{Until, apply, not_ready, state, wait};
use crate::commands::upload;
use crate::failure::{Exit, Failure};
use crate::manifest::units::Millis;
use crate::output::{Format, Output, at};
use crate::pack::sources::Sources;
use crate::project::build::Interrupt;
use crate::project::{Project, ProjectArgs};

/// Lines of the log before the first look.
const TAIL: u32 = 100;
/// Between looks at whether what answers goes on answering.
const LOOK: Duration = Duration::from_secs(1);

/// One function under way.
pub(super) struct Session<'a> {
    args: &'a ProjectArgs,
    timeout: Duration,
    client: &'a Client,
    calls: &'a str,
    watcher: Watcher,
    tail: Option<Tail<'a>>,
    /// The revision that answers.
    serving: Option<String>,
    /// The function, once something of it answered.
    name: Option<String>,
}

/// How a round ended.
enum Round {
    /// It serves.
    Serving(Value),
    /// It failed; the one before serves.
    Failed(Failure),
    /// These changed before it was through.
    Overtaken(Vec<String>),
}

impl<'a> Session<'a> {
    pub(super) fn new(
        args: &'a ProjectArgs,
        timeout: Millis,
        client: &'a Client,
        calls: &'a str,
    ) -> Result<Self, Failure> {
        Ok(Self {
            args,
            timeout: Duration::from_millis(timeout.0),
            client,
            calls,
            watcher: Watcher::new(args.file())?,
            tail: None,
            serving: None,
            name: None,
        })
    }

    /// Rounds without end; only what no edit can repair ends it.
    pub(super) async fn run(&mut self, out: &mut Output) -> Result<(), Failure> {
        loop {
            let start = Instant::now();
            let changed = match self.round(out).await? {
                Round::Serving(function) => {
                    self.serves(out, &function, start).await?;
                    self.until_changed(out).await?
                }
                Round::Failed(failure) => {
                    self.failed(out, &failure)?;
                    self.until_changed(out).await?
                }
                Round::Overtaken(changed) => changed,
            };
            out.note(format!("changed: {}", changed.join(", ")));
        }
    }

    async fn round(&mut self, out: &mut Output) -> Result<Round, Failure> {
        let project = match self.args.load() {
            Ok(project) => project,
            Err(failure) => return Ok(Round::Failed(failure)),
        };
        let sources = sources(&project)?;
        let own_output = sources.contains_own_output();
        self.watcher.set(sources)?;
        if own_output {
            // The build writes among its sources: what changes while it runs is its own doing.
            if let Err(failure) = project.build(out, Interrupt::Drop).await {
                self.watcher.forget_changes()?;
                return Ok(Round::Failed(failure));
            }
            self.watcher.forget_changes()?;
        }
        let deployment = async {
            if !own_output {
                project.build(out, Interrupt::Drop).await?;
            }
            deploy(self.client, out, &project, self.timeout).await
        };
        tokio::select! {
            result = deployment => Ok(match result {
                Ok(function) => Round::Serving(function),
                Err(failure) => Round::Failed(failure),
            }),
            changed = self.watcher.changed() => changed.map(Round::Overtaken),
        }
    }

    async fn serves(
        &mut self,
        out: &mut Output,
        function: &Value,
        start: Instant,
    ) -> Result<(), Failure> {
        let (name, revision) = (
            at(function, "/name"),
            at(function, "/status/latest_revision"),
        );
        let url = format!("{}{}", self.calls, at(function, "/status/url_path"));
        let millis = time::millis(start.elapsed());
        if out.format() == Format::Table {
            let took = crate::manifest::units::show_millis(millis);
            out.line(&format!(
                "{name} answers at {url} ({revision}, after {took})"
            ))?;
        } else {
            out.document(&json!({
                "event": "deployed", "function": name, "revision": revision,
                "url": url, "duration_ms": millis,
            }))?;
        }
        self.serving = Some(revision);
        self.name = Some(name.clone());
        if self.tail.is_none() {
            let query = LogQuery {
                follow: true,
                tail: Some(TAIL),
                ..LogQuery::default()
            };
            self.tail = Some(Tail::open(self.client, &name, query).await?);
        }
        Ok(())
    }

    fn failed(&mut self, out: &mut Output, failure: &Failure) -> Result<(), Failure> {
        // A failed build says nothing of what answers; a verdict on a revision does.
        if let Some(answers) = failure.document()["answers"].as_array() {
            let first = answers.first().and_then(Value::as_str);
            self.serving = first.map(ToOwned::to_owned);
        }
        if out.format() != Format::Table {
            out.document(&json!({
                "event": "failed", "problem": failure.document(), "serving": self.serving,
            }))?;
        }
        out.error(failure);
        out.note(match &self.serving {
            Some(revision) => format!("{revision} goes on answering; waiting for a change"),
            None => "nothing answers; waiting for a change".into(),
        });
        Ok(())
    }

    /// Shows the log, and when the function stops answering or begins again; what changed.
    async fn until_changed(&mut self, out: &mut Output) -> Result<Vec<String>, Failure> {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut answered = true;
        loop {
            let (Some(tail), Some(name)) = (self.tail.as_mut(), self.name.clone()) else {
                return self.watcher.changed().await;
            };
            tokio::select! {
                changed = self.watcher.changed() => return changed,
                entry = tail.next_following(out) => show(out, entry?)?,
                _ = looks.tick() => {
                    let path = self.client.path(&["functions", &name]);
                    let function = self.client.get(&path, &[]).await?;
                    let answers = state(&function) != "failing";
                    if answered && !answers {
                        self.failed(out, &not_ready(&name, &function, Exit::Failure))?;
                    } else if answers && !answered {
                        out.note(format!("{name} answers again"));
                        self.serving = Some(at(&function, "/status/latest_revision"));
                    }
                    answered = answers;
                }
            }
        }
    }
}

fn show(out: &mut Output, mut entry: Value) -> Result<(), Failure> {
    if out.format() == Format::Table {
        return out.line(&logs::text(&entry));
    }
    entry["event"] = json!("log");
    out.document(&entry)
}

fn sources(project: &Project) -> Result<Sources, Failure> {
    let build = &project.manifest.build;
    Sources::new(
        &project.folder,
        project.bundle.as_deref(),
        &project.manifest.ignore,
        build.watch.as_deref(),
        build.command.is_some(),
    )
    .map_err(|e| Failure::io(format!("cannot read {}", project.folder.display()), &e))
}

async fn deploy(
    client: &Client,
    out: &mut Output,
    project: &Project,
    timeout: Duration,
) -> Result<Value, Failure> {
    let (body, artifact) = project.pack(out)?;
    if let Some(artifact) = &artifact {
        upload::upload(client, out, artifact).await?;
    }
    let applied = apply(client, &project.name, &body, false).await;
    let applied = applied.map_err(|failure| project.explain(failure))?;
    out.note(format!(
        "applied {}",
        at(&applied, "/status/latest_revision")
    ));
    wait(client, out, &project.name, (Until::Answering, timeout)).await
}
