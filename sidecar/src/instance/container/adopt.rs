//! After a restart: which containers of the last sidecar go on, and the end of those that nobody knows.
//!
//! The engine's labels say what there is. A container of this node that is no known instance is removed, and so is one that an earlier
//! node of the same data folder left, once no sidecar on this host says that it is that node.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptions;
use futures_util::future::join_all;
use gateless_core::name::{InstanceId, RevisionName};
use tokio::sync::watch;

use super::engine::{self, Client, Found, Refused, ask};
use super::life::{self, Running};
use super::output::Speaker;
use super::request::{FOLDER, MANIFEST, Manifest, NODE};
use super::{Inner, network};
use crate::instance::process::leftovers;

/// Between two sweeps while something could not be removed.
const AGAIN: Duration = Duration::from_secs(5);

/// What goes on of this node's containers; the rest is removed. Waits for the engine no longer than to learn that it does not answer.
pub(super) async fn take_stock(inner: &Arc<Inner>) -> Vec<Running> {
    let found = engine::look(&inner.config.engine).await;
    let Some(client) = found.client else {
        return Vec::new();
    };
    let Ok(all) = of_label(&client, NODE, &inner.place.node).await else {
        return Vec::new();
    };
    let looked = all
        .into_iter()
        .map(|summary| survivor(inner, &client, summary));
    let survivors: Vec<Running> = join_all(looked).await.into_iter().flatten().collect();
    let kept: BTreeSet<&str> = survivors.iter().map(|one| one.name.as_str()).collect();
    remove_unknown(inner, &client, |name| kept.contains(name)).await;
    survivors
}

async fn of_label(
    client: &Client,
    label: &str,
    value: &str,
) -> Result<Vec<ContainerSummary>, Refused> {
    let filters = HashMap::from([("label".to_owned(), vec![format!("{label}={value}")])]);
    let options = ListContainersOptions {
        all: true,
        filters: Some(filters),
        ..ListContainersOptions::default()
    };
    ask(client.docker.list_containers(Some(options))).await
}

fn name(summary: &ContainerSummary) -> Option<String> {
    let name = summary.names.as_ref()?.first()?;
    Some(name.trim_start_matches('/').to_owned())
}

fn manifest(summary: &ContainerSummary) -> Option<Manifest> {
    serde_json::from_str(label(summary, MANIFEST)?).ok()
}

fn label<'a>(summary: &'a ContainerSummary, label: &str) -> Option<&'a str> {
    summary.labels.as_ref()?.get(label).map(String::as_str)
}

async fn survivor(
    inner: &Inner,
    client: &Arc<Client>,
    summary: ContainerSummary,
) -> Option<Running> {
    let manifest = manifest(&summary)?;
    let revision: RevisionName = manifest.revision.parse().ok()?;
    let (id, name) = (InstanceId::new(&manifest.id), name(&summary)?);
    let look = life::look(client, &name).await.ok()?;
    if !look.running || name != life::name(&inner.place.node, &id) || inner.knows(&id) {
        return None;
    }
    let address = SocketAddr::new(look.ip?, manifest.port);
    let speaker = Speaker { id, revision };
    let noted = inner.folder.container(speaker.id.as_str()).exists();
    let copied_until = speaker.copied_until(&inner.logs).await;
    let mut running = Running {
        client: client.clone(),
        name,
        manifest,
        address,
        speaker,
        ready: false,
        copied_until,
    };
    // One that was ready may be too busy to say so again.
    running.ready = noted || life::answers(&running).await.is_ok();
    Some(running)
}

/// Removes what is of no instance; whether all of it is gone.
async fn remove_unknown(inner: &Inner, client: &Client, keep: impl Fn(&str) -> bool) -> bool {
    let mut gone = true;
    let own = of_label(client, NODE, &inner.place.node).await;
    let of_folder = of_label(client, FOLDER, &inner.place.folder).await;
    let (Ok(own), Ok(of_folder)) = (own, of_folder) else {
        return false;
    };
    let node = inner.place.node.as_str();
    let is_other = |one: &ContainerSummary| label(one, NODE).is_some_and(|other| other != node);
    let of_others: Vec<_> = of_folder.into_iter().filter(is_other).collect();
    let living = match of_others.is_empty() {
        true => BTreeSet::new(),
        false => tokio::task::spawn_blocking(leftovers::living)
            .await
            .unwrap_or_default(),
    };
    let is_left =
        |one: &ContainerSummary| label(one, NODE).is_some_and(|other| !living.contains(other));
    for summary in own.into_iter().chain(of_others.into_iter().filter(is_left)) {
        let Some(name) = name(&summary) else { continue };
        // Instances are known before their containers are made.
        let manifest = manifest(&summary).filter(|_| label(&summary, NODE) == Some(node));
        let is_known = manifest.is_some_and(|one| inner.knows(&InstanceId::new(&one.id)));
        if !is_known && !keep(&name) {
            tracing::info!(container = name, "a container that nobody knows is removed");
            gone &= life::remove(client, &name).await;
        }
    }
    network::remove_leftovers(client, &inner.place, |other| living.contains(other)).await;
    gone
}

/// Removes what stayed when its instance ended, as the engine did not answer: when it is back, and until all of it is gone.
pub(super) async fn sweep(inner: Weak<Inner>, mut engine: watch::Receiver<Found>) {
    // The first look is adoption's.
    loop {
        let Some(strong) = inner.upgrade() else {
            return;
        };
        tokio::select! {
            changed = engine.changed() => if changed.is_err() { return },
            () = strong.remains.notified() => {}
        }
        if strong.closing.is_cancelled() {
            return;
        }
        let Ok(client) = strong.client() else {
            continue;
        };
        if !strong.adopted.is_cancelled() {
            continue;
        }
        if !remove_unknown(&strong, &client, |_| false).await {
            tokio::time::sleep(AGAIN).await;
            strong.remains.notify_one();
        }
    }
}
