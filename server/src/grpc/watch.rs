//! One sidecar's config stream: a snapshot or the difference, then changes as they are committed.
//!
//! Level-triggered: what is kept for a slow sidecar is the *names* of resources that changed, and what is
//! sent is their state at the time of sending. So a burst of changes of one resource is one message. At most
//! [`WINDOW`] messages are sent ahead of the acks. A sidecar so slow that more than [`MAX_DIRTY`] names wait for it,
//! or that the change log forgot what it has not been sent, gets a snapshot.
//!
//! A message may be only part of the difference (a large one is cut); all but the last part then carry
//! the version the sidecar already had, so a break in between loses nothing.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use gateless_identity::{Identity, Recipient};
use gateless_proto::v1::watch_request::Kind;
use gateless_proto::v1::{
    Ancestry, Change, StatusReport, WatchAck, WatchHello, WatchRequest, WatchResponse,
};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::sealed::seal;
use crate::clock;
use crate::events::Action;
use crate::metrics::Metrics;
use crate::service::lineage::{self, Lineage};
use crate::service::resources::PUSHED;
use crate::service::{self, Service};
use crate::sidecars::{Connection, Refused};
use crate::store::{self, Batch, Watch};

/// Messages that may be sent before the first of them is acked.
const WINDOW: usize = 8;
/// About how many bytes of changes one message of a difference carries.
const MESSAGE_BYTES: usize = 1024 * 1024;
/// How many commits are taken together when they are there already.
const MAX_COALESCED: usize = 10_000;

/// The most names kept for a sidecar.
const MAX_DIRTY: usize = 100_000;

/// What a stream is served from.
pub(super) struct Parts {
    pub(super) service: Arc<Service>,
    pub(super) identity: Identity,
    pub(super) metrics: Arc<Metrics>,
}

/// Serves a stream of the sidecar `node` until either side ends it.
pub(super) fn open(
    parts: Parts,
    node: String,
    requests: Streaming<WatchRequest>,
    shutdown: CancellationToken,
) -> BoxStream<'static, Result<WatchResponse, Status>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let gone = sender.clone();
        let served = serve(parts, &node, requests, &sender);
        let ended = tokio::select! {
            served = served => served,
            () = gone.closed() => Ok(()),
            () = shutdown.cancelled() => Err(Status::unavailable("the server is shutting down")),
        };
        if let Err(status) = ended {
            // The sidecar may be gone too; then nobody needs to know.
            drop(sender.send(Err(status)).await);
        }
    });
    ReceiverStream::new(receiver).boxed()
}

async fn serve(
    parts: Parts,
    node: &str,
    mut requests: Streaming<WatchRequest>,
    sender: &mpsc::Sender<Result<WatchResponse, Status>>,
) -> Result<(), Status> {
    let Some(hello) = requests.message().await? else {
        return Ok(());
    };
    let Some(Kind::Hello(hello)) = hello.kind else {
        return Err(Status::invalid_argument(
            "the first message must be a hello",
        ));
    };
    if hello.node_id != node {
        return Err(Status::permission_denied(format!(
            "the certificate is that of sidecar {node}, which cannot speak for {:?}",
            hello.node_id.chars().take(64).collect::<String>()
        )));
    }
    let (mut feed, mut changes) = Feed::open(parts, hello).await?;
    tracing::info!(sidecar = feed.connection.node_id(), "sidecar connected");
    let served = feed.serve(&mut changes, &mut requests, sender).await;
    tracing::info!(sidecar = feed.connection.node_id(), "sidecar disconnected");
    served
}

struct Feed {
    service: Arc<Service>,
    identity: Identity,
    metrics: Arc<Metrics>,
    /// The version of what is trusted, which is sent when it is another than what was sent.
    trusted: tokio::sync::watch::Receiver<u64>,
    trust_sent: u64,
    /// Whom secrets are sealed to; `None`: a sidecar of the version before.
    sealed_to: Option<Recipient>,
    connection: Connection,
    /// What versions count in, and where it comes from.
    lineage: Lineage,
    /// Where it comes from is still to be told.
    ancestry: Option<Ancestry>,
    /// The record of that changed.
    lineage_changed: bool,
    /// Names of resources that changed since they were last sent.
    dirty: BTreeSet<String>,
    /// What the sidecar has when everything sent is applied.
    sent_version: u64,
    /// What it has when everything dirty is sent, too.
    version: u64,
    /// Whether a snapshot is to be sent first.
    snapshot: bool,
    /// Whether the first message is still to be sent; it goes out even with nothing in it.
    first: bool,
    /// Versions of the messages that were sent and not acked.
    unacked: VecDeque<u64>,
    /// Looked at again after an ack: it may have overtaken that one.
    last_report: Option<StatusReport>,
}

impl Feed {
    async fn open(parts: Parts, hello: WatchHello) -> Result<(Self, Watch), Status> {
        let Parts {
            service,
            identity,
            metrics,
        } = parts;
        let store = service.store();
        let current = store.revision().await.map_err(|error| failed(&error))?;
        let lineage = match &hello.holds {
            Some(held) => service.compare(&held.catalogue_id, held.version).await,
            None => service.lineage().await,
        };
        let lineage = lineage.map_err(|error| failed(&error))?;
        let same = hello.catalogue_id == lineage.catalogue.to_string();
        let had = hello.catalogue_version;
        let difference = match same && had <= current {
            true => store.watch("", had).await.ok(),
            false => None,
        };
        let snapshot = difference.is_none();
        let changes = match difference {
            Some(changes) => changes,
            None => store
                .watch("", current)
                .await
                .map_err(|error| failed(&error))?,
        };
        let sent_version = if snapshot { 0 } else { had };
        let sealed_to = Recipient::from_bytes(&hello.sealing_key);
        let now = clock::now();
        let connection = service.registry().connect(hello, sent_version, now);
        let connection = connection.map_err(|refused| match refused {
            Refused::TooMany => Status::resource_exhausted(refused.to_string()),
            _ => Status::invalid_argument(refused.to_string()),
        })?;
        let feed = Self {
            connection,
            ancestry: Some(lineage.told()),
            lineage,
            lineage_changed: false,
            dirty: BTreeSet::new(),
            sent_version,
            // A difference brings its version commit by commit.
            version: if snapshot { current } else { had },
            snapshot,
            first: true,
            unacked: VecDeque::new(),
            last_report: None,
            trusted: identity.changes(),
            trust_sent: 0,
            sealed_to,
            service,
            identity,
            metrics,
        };
        Ok((feed, changes))
    }

    async fn serve(
        &mut self,
        changes: &mut Watch,
        requests: &mut Streaming<WatchRequest>,
        sender: &mpsc::Sender<Result<WatchResponse, Status>>,
    ) -> Result<(), Status> {
        // The difference since the hello is in the change log already: have it all before sending.
        self.take_ready(changes).await?;
        loop {
            let trust = *self.trusted.borrow_and_update() != self.trust_sent;
            let may_send = self.unacked.len() < WINDOW
                && (self.first
                    || self.snapshot
                    || self.lineage_changed
                    || trust
                    || !self.dirty.is_empty());
            tokio::select! {
                request = requests.message() => match request? {
                    Some(request) => self.receive(request).await?,
                    None => return Ok(()),
                },
                batch = changes.next() => {
                    self.take(batch, changes).await?;
                    self.take_ready(changes).await?;
                }
                Ok(()) = self.trusted.changed() => {}
                permit = sender.reserve(), if may_send => {
                    let Ok(permit) = permit else {
                        return Ok(());
                    };
                    let message = self.next_message().await?;
                    self.metrics.pushed();
                    permit.send(Ok(message));
                }
            }
        }
    }

    /// Takes commits that are there already, so that a burst becomes one message.
    async fn take_ready(&mut self, changes: &mut Watch) -> Result<(), Status> {
        for _ in 0..MAX_COALESCED {
            match changes.next().now_or_never() {
                Some(batch) => self.take(batch, changes).await?,
                None => break,
            }
        }
        Ok(())
    }

    async fn take(
        &mut self,
        batch: Option<store::Result<Batch>>,
        changes: &mut Watch,
    ) -> Result<(), Status> {
        match batch {
            Some(Ok(batch)) => {
                let names = batch.events.iter().map(store::Event::key);
                self.lineage_changed |= names.clone().any(|name| name == lineage::KEY);
                let pushed = names.filter(|name| PUSHED.iter().any(|p| name.starts_with(p)));
                self.dirty.extend(pushed.map(str::to_owned));
                self.version = self.version.max(batch.revision);
                if self.dirty.len() > MAX_DIRTY {
                    self.start_over(self.version);
                }
                Ok(())
            }
            // More changed than the log remembers, before this sidecar was served.
            Some(Err(store::Error::Compacted { .. })) => {
                let store = self.service.store();
                let current = store.revision().await.map_err(|error| failed(&error))?;
                let watch = store.watch("", current).await;
                *changes = watch.map_err(|error| failed(&error))?;
                self.start_over(current);
                Ok(())
            }
            // It comes back with what it has.
            Some(Err(error)) => Err(failed(&error)),
            None => Err(Status::unavailable("the server is shutting down")),
        }
    }

    /// Everything is sent again, as it is at `version` or later.
    fn start_over(&mut self, version: u64) {
        self.dirty.clear();
        self.snapshot = true;
        self.version = self.version.max(version);
    }

    async fn receive(&mut self, request: WatchRequest) -> Result<(), Status> {
        match request.kind {
            Some(Kind::Ack(ack)) => self.acked(ack).await,
            Some(Kind::Status(report)) => {
                self.tell_failures(&report);
                self.last_report = Some(report.clone());
                self.reported(report).await;
            }
            Some(Kind::Owned(owned)) => self.connection.owns(owned.functions),
            Some(Kind::Hello(_)) => {
                return Err(Status::invalid_argument("hello comes once, and first"));
            }
            None => {}
        }
        Ok(())
    }

    async fn acked(&mut self, ack: WatchAck) {
        // An ack is of all messages up to its version: a sidecar may leave out those before its last.
        while self
            .unacked
            .pop_front_if(|sent| *sent <= ack.version)
            .is_some()
        {}
        let version = ack.version.min(self.sent_version);
        let now = clock::now();
        if ack.refused.is_some() {
            self.connection.refuses(ack.refused, now);
            return;
        }
        self.connection.acked(version, ack.rejected, now);
        if let Some(report) = self.last_report.clone() {
            self.reported(report).await;
        }
    }

    async fn reported(&self, report: StatusReport) {
        let ready: Vec<_> = report
            .revisions
            .iter()
            .filter(|r| r.was_ready || r.died)
            .cloned()
            .collect();
        let version = report.version;
        let mut applied = self.connection.reported(report, clock::now());
        if version > 0 {
            // It may be of a state before what was acknowledged since.
            applied = applied.min(version);
        }
        for status in ready {
            if let Err(error) = self.service.observe(&status, applied).await {
                // The next report says it again.
                tracing::error!(%error, revision = status.revision, "a revision cannot be marked ready");
            }
            if let Err(error) = self.service.observe_death(&status, applied).await {
                tracing::error!(%error, revision = status.revision, "a revision cannot give its calls back");
            }
        }
    }

    /// Revisions that began to fail since the last report.
    fn tell_failures(&self, report: &StatusReport) {
        let known = self.last_report.iter().flat_map(|last| &last.revisions);
        let known: HashSet<_> = known
            .filter(|status| !status.reason.is_empty())
            .map(|status| (&status.namespace, &status.revision, &status.reason))
            .collect();
        let failing = report.revisions.iter().filter(|status| {
            let new = !known.contains(&(&status.namespace, &status.revision, &status.reason));
            !status.reason.is_empty() && new
        });
        for status in failing {
            let message = format!("{}: {}", status.reason, status.message);
            let name = (status.namespace.as_str(), status.function.as_str());
            let events = self.service.events();
            events.function(name, Action::Failed, &status.revision, message);
        }
    }

    async fn next_message(&mut self) -> Result<WatchResponse, Status> {
        self.first = false;
        self.look_at_lineage()
            .await
            .map_err(|error| failed(&error))?;
        let snapshot = std::mem::take(&mut self.snapshot);
        let changes = match snapshot {
            true => self.everything().await,
            false => self.difference().await,
        };
        let changes = changes.map_err(|error| failed(&error))?;
        if self.dirty.is_empty() {
            self.sent_version = self.version;
        }
        let trust = self.identity.announced();
        let is_new = trust.version != self.trust_sent;
        self.trust_sent = trust.version;
        self.unacked.push_back(self.sent_version);
        self.connection.sent(self.sent_version);
        Ok(WatchResponse {
            catalogue_id: self.lineage.catalogue.to_string(),
            ancestry: self.ancestry.take(),
            version: self.sent_version,
            snapshot,
            changes,
            api_port: self.service.api_port().into(),
            trust: is_new.then(|| trust.signed().clone()),
            ..Default::default()
        })
    }

    /// Where the catalogue comes from changed: a sidecar that kept its own may take this one now, and needs all of it.
    async fn look_at_lineage(&mut self) -> service::Result<()> {
        if std::mem::take(&mut self.lineage_changed) {
            let lineage = self.service.lineage().await?;
            if lineage != self.lineage {
                self.ancestry = Some(lineage.told());
                self.lineage = lineage;
                self.start_over(self.version);
            }
        }
        Ok(())
    }

    async fn everything(&mut self) -> service::Result<Vec<Change>> {
        // All that was dirty is in it; what changes meanwhile becomes dirty again.
        self.dirty.clear();
        let mut changes = Vec::new();
        for prefix in PUSHED {
            for entry in store::list(&**self.service.store(), prefix).await?.entries {
                let change = self.service.resource(&entry.key).await?;
                let change = change.filter(|change| change.resource.is_some());
                changes.extend(change.and_then(|change| seal(self.sealed_to.as_ref(), change)));
            }
        }
        Ok(changes)
    }

    async fn difference(&mut self) -> service::Result<Vec<Change>> {
        let (mut changes, mut size) = (Vec::new(), 0);
        while size < MESSAGE_BYTES {
            let Some(name) = self.dirty.pop_first() else {
                break;
            };
            let change = self.service.resource(&name).await?;
            if let Some(change) = change.and_then(|change| seal(self.sealed_to.as_ref(), change)) {
                size += change.encoded_len();
                changes.push(change);
            }
        }
        Ok(changes)
    }
}

fn failed(error: &dyn std::fmt::Display) -> Status {
    tracing::error!(%error, "a config stream failed");
    Status::unavailable("the catalogue cannot be read; connect again")
}
