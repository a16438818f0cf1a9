//! The stream from the server: hello, changes in, acknowledgements and reports out.
//!
//! Dials for ever; that the server is away is normal and logged once, not at every attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use gateless_common::backoff::{Backoff, Reconnect};
use gateless_core::lineage::Ancestry;
use gateless_identity::Identity;
use gateless_proto::v1::config_service_client::ConfigServiceClient;
use gateless_proto::v1::{
    CatalogueRefusal, Owned, StatusReport, WatchAck, WatchHello, WatchRequest, WatchResponse,
    watch_request,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tonic::Status;

use super::ServerChannel;
use super::lineage;
use super::persist::{NotApplied, Saver};
use super::state::Catalogue;
use crate::cluster::identity;
use crate::cluster::outbox::Outbox;

const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(100),
    max: Duration::from_secs(2),
};
const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(10);
/// A snapshot is one message.
pub(super) const MAX_MESSAGE_BYTES: usize = 512 * 1024 * 1024;

/// Acknowledgement, report or ownership: of each the latest counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Ack,
    Status,
    Owned,
}

/// The client of `ConfigService.Watch`.
pub(super) struct Watcher {
    channel: ServerChannel,
    identity: Identity,
    hello: WatchHello,
    saver: Arc<Saver>,
    catalogue: watch::Sender<Arc<Catalogue>>,
    connected: watch::Sender<bool>,
    /// The server's catalogue may not replace this one.
    refused: watch::Sender<Option<CatalogueRefusal>>,
    /// Of the server's management API; 0: not told.
    api_port: AtomicU16,
    /// Ask for everything instead of the difference.
    ask_snapshot: AtomicBool,
    // Both together: a report must not slip between a new stream and the latest one.
    reports: Mutex<Reports>,
}

#[derive(Default)]
struct Reports {
    latest: Option<StatusReport>,
    owned: Option<Owned>,
    outbox: Option<Arc<Outbox<Key, WatchRequest>>>,
}

fn request(kind: watch_request::Kind) -> WatchRequest {
    WatchRequest { kind: Some(kind) }
}

impl Watcher {
    pub(super) fn new(
        channel: ServerChannel,
        identity: Identity,
        hello: WatchHello,
        saver: Arc<Saver>,
    ) -> Self {
        let (catalogue, refused) = saver.with_state(|s| (s.catalogue.clone(), s.has_rejections()));
        Self {
            channel,
            identity,
            hello,
            saver,
            catalogue: watch::channel(Arc::new(catalogue)).0,
            connected: watch::channel(false).0,
            refused: watch::channel(None).0,
            api_port: AtomicU16::new(0),
            // What an earlier run refused may be good for this version of the sidecar.
            ask_snapshot: AtomicBool::new(refused),
            reports: Mutex::default(),
        }
    }

    pub(super) fn catalogue(&self) -> watch::Receiver<Arc<Catalogue>> {
        self.catalogue.subscribe()
    }

    pub(super) fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// Why the server's catalogue is not taken; `None`: it is.
    pub(super) fn refused(&self) -> watch::Receiver<Option<CatalogueRefusal>> {
        self.refused.subscribe()
    }

    pub(super) fn report(&self, report: StatusReport) {
        let mut reports = self.reports.lock();
        reports.latest = Some(report.clone());
        if let Some(outbox) = &reports.outbox {
            outbox.push(Key::Status, request(watch_request::Kind::Status(report)));
        }
    }

    pub(super) fn own(&self, functions: Vec<String>) {
        let owned = Owned { functions };
        let mut reports = self.reports.lock();
        reports.owned = Some(owned.clone());
        if let Some(outbox) = &reports.outbox {
            outbox.push(Key::Owned, request(watch_request::Kind::Owned(owned)));
        }
    }

    /// Keeps a stream up for ever.
    pub(super) async fn run(&self) {
        let mut backoff = Reconnect::new(BACKOFF);
        let mut last_error = None;
        loop {
            let outbox = Outbox::new();
            let status = self.stream(&outbox).await;
            outbox.close();
            self.reports.lock().outbox = None;
            if self.connected.send_replace(false) {
                backoff.succeeded();
                last_error = None;
            }
            let error = (status.code(), identity::reason(&status));
            if last_error.as_ref() != Some(&error) {
                tracing::info!(server_error = %error.1, code = ?error.0,
                    "no stream from the server, going on with the catalogue at hand");
                last_error = Some(error);
            }
            tokio::time::sleep(backoff.failed(rand::random())).await;
        }
    }

    /// One stream, to its end.
    async fn stream(&self, outbox: &Arc<Outbox<Key, WatchRequest>>) -> Status {
        match self.try_stream(outbox).await {
            Ok(()) => Status::unavailable("the server ended the stream"),
            Err(status) => *status,
        }
    }

    async fn try_stream(&self, outbox: &Arc<Outbox<Key, WatchRequest>>) -> Result<(), Box<Status>> {
        let hello = request(watch_request::Kind::Hello(self.hello()));
        let mut client = ConfigServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let call = client.watch(outbox.clone().stream(Some(hello)));
        let answer = tokio::time::timeout(ESTABLISH_TIMEOUT, call).await;
        let answer = answer.map_err(|_| Status::deadline_exceeded("the server does not answer"))?;
        let mut changes = answer?.into_inner();
        {
            let mut reports = self.reports.lock();
            if let Some(report) = reports.latest.clone() {
                outbox.push(Key::Status, request(watch_request::Kind::Status(report)));
            }
            if let Some(owned) = reports.owned.clone() {
                outbox.push(Key::Owned, request(watch_request::Kind::Owned(owned)));
            }
            reports.outbox = Some(outbox.clone());
        }
        self.connected.send_replace(true);
        tracing::info!("stream from the server is up");
        let mut ancestry = None;
        while let Some(mut response) = changes.message().await? {
            if let Some(told) = &response.ancestry {
                ancestry = Some(Arc::new(lineage::read(told)));
            } else if response.snapshot {
                // It is kept with every snapshot.
                response.ancestry = ancestry.as_deref().map(lineage::write);
            }
            let ack = self.apply(response, ancestry.as_ref()).await?;
            outbox.push(Key::Ack, request(watch_request::Kind::Ack(ack)));
        }
        Ok(())
    }

    fn hello(&self) -> WatchHello {
        let mut hello = self.hello.clone();
        hello.holds = self.saver.with_state(|s| lineage::holds(&s.catalogue));
        if !self.ask_snapshot.load(Ordering::Relaxed) {
            (hello.catalogue_id, hello.catalogue_version) = self
                .saver
                .with_state(|s| (s.catalogue.id.clone(), s.catalogue.version));
        }
        hello
    }

    /// After [`Watcher::run`] was dropped.
    pub(super) fn stopped(&self) {
        self.connected.send_replace(false);
        if let Some(outbox) = self.reports.lock().outbox.take() {
            outbox.close();
        }
    }

    pub(super) fn api_port(&self) -> u16 {
        self.api_port.load(Ordering::Relaxed)
    }

    async fn apply(
        &self,
        mut response: WatchResponse,
        ancestry: Option<&Arc<Ancestry>>,
    ) -> Result<WatchAck, Box<Status>> {
        // Not the catalogue's to keep: keys are in it.
        if let Some(trust) = response.trust.take() {
            let learnt = self.identity.learn(trust);
            learnt.map_err(|error| Status::data_loss(error.to_string()))?;
        }
        let api_port = u16::try_from(response.api_port).unwrap_or(0);
        self.api_port.store(api_port, Ordering::Relaxed);
        let (version, snapshot) = (response.version, response.snapshot);
        let (saver, ancestry) = (self.saver.clone(), ancestry.cloned());
        // Ten thousand functions take a while to check.
        let apply = move || saver.apply(response, ancestry.as_ref());
        let applied = tokio::task::spawn_blocking(apply).await;
        let applied = match applied.map_err(|e| Status::internal(e.to_string()))? {
            Ok(applied) => applied,
            Err(NotApplied::Refused(refused)) => return Ok(self.refuse(version, refused)),
            Err(NotApplied::Foreign(foreign)) => {
                self.ask_snapshot.store(true, Ordering::Relaxed);
                return Err(Box::new(Status::data_loss(foreign.to_string())));
            }
        };
        if snapshot {
            self.ask_snapshot.store(false, Ordering::Relaxed);
        }
        if self.refused.send_replace(None).is_some() {
            tracing::info!(version, "the server's catalogue is taken again");
        }
        self.catalogue.send_replace(applied.catalogue);
        Ok(WatchAck {
            version,
            rejected: applied.rejected,
            refused: None,
        })
    }

    /// Another sidecar's catalogue, as a whole. Whether it was taken.
    pub(super) async fn take_from_peer(&self, whole: WatchResponse) -> Result<bool, Box<Status>> {
        let saver = self.saver.clone();
        let ancestry = whole.ancestry.as_ref().map(lineage::read).map(Arc::new);
        let apply = move || saver.apply(whole, ancestry.as_ref());
        let applied = tokio::task::spawn_blocking(apply).await;
        let Ok(applied) = applied.map_err(|e| Status::internal(e.to_string()))? else {
            return Ok(false);
        };
        if !applied.rejected.is_empty() {
            self.ask_snapshot.store(true, Ordering::Relaxed);
        }
        self.catalogue.send_replace(applied.catalogue);
        Ok(true)
    }

    /// Keeps what is here. The stream stays up: an operator may say that this catalogue is to be taken, and then everything
    /// is needed.
    fn refuse(&self, version: u64, refused: CatalogueRefusal) -> WatchAck {
        self.ask_snapshot.store(true, Ordering::Relaxed);
        let before = self.refused.send_replace(Some(refused.clone()));
        if before.as_ref() != Some(&refused) {
            let held = refused.holds.clone().unwrap_or_default();
            tracing::error!(
                reason = refused.reason,
                held_catalogue = held.catalogue_id,
                held_version = held.version,
                version,
                "the server's catalogue is not taken: it does not have this sidecar's in its past; \
                 gateless server catalogue shows both, accept or restore --from-fleet settles it"
            );
        }
        WatchAck {
            version,
            rejected: Vec::new(),
            refused: Some(refused),
        }
    }
}
