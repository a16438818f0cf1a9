//! What a sidecar's config stream says, written down for as long as that stream speaks for it.

use std::sync::Arc;

use gateless_proto::v1::{CatalogueRefusal, Rejection, StatusReport};
use jiff::Timestamp;

use super::{Indexed, Known, Registry, is_short};
use crate::events::Action;

/// The most refused resources remembered per sidecar.
const MAX_REJECTIONS: usize = 1000;

/// One stream of one sidecar; dropping it says that the stream ended.
pub struct Connection {
    pub(super) registry: Arc<Registry>,
    pub(super) node_id: String,
    pub(super) id: u64,
}

impl Connection {
    /// The sidecar's id.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// A version was sent.
    pub fn sent(&self, version: u64) {
        self.update(|known| {
            known.sidecar.sent_version = known.sidecar.sent_version.max(version);
        });
    }

    /// A version was applied; `rejected` is everything the sidecar refuses now.
    pub fn acked(&self, version: u64, rejected: Vec<Rejection>, now: Timestamp) {
        self.update(|known| {
            let sidecar = &mut known.sidecar;
            sidecar.last_seen_at = now;
            sidecar.applied_version = sidecar.applied_version.max(version);
            sidecar.refused = None;
            let before = std::mem::take(&mut sidecar.rejections);
            for Rejection { resource, reason } in rejected.into_iter().take(MAX_REJECTIONS) {
                let reason: String = reason.chars().take(2000).collect();
                if before.get(&resource) != Some(&reason) {
                    let sidecar = sidecar.node_id.as_str();
                    tracing::warn!(sidecar, resource, reason, "a sidecar refused a resource");
                }
                sidecar.rejections.insert(resource, reason);
            }
        });
        self.registry.changes.bump();
    }

    /// The sidecar keeps what it has instead of this catalogue.
    pub fn refuses(&self, refusal: Option<CatalogueRefusal>, now: Timestamp) {
        self.update(|known| {
            let sidecar = &mut known.sidecar;
            sidecar.last_seen_at = now;
            let Some(refusal) = refusal else {
                return;
            };
            let reason: String = refusal.reason.chars().take(64).collect();
            if sidecar.refused.as_ref() != Some(&reason) {
                let sidecar = sidecar.node_id.as_str();
                tracing::error!(
                    sidecar,
                    reason,
                    "a sidecar does not take this catalogue and keeps its own"
                );
            }
            sidecar.refused = Some(reason);
            sidecar.holds = refusal.holds.filter(is_short).or(sidecar.holds.take());
        });
        self.registry.changes.bump();
    }

    /// A status report came. Answers with the version the sidecar had applied by then.
    pub fn reported(&self, report: StatusReport, now: Timestamp) -> u64 {
        let mut indexed = Indexed {
            version: report.version,
            ..Indexed::default()
        };
        let count = report.instances.len();
        for instance in report.instances {
            let function = format!("{}/{}", instance.namespace, instance.function);
            indexed
                .instances
                .entry(function)
                .or_default()
                .push(instance);
        }
        for status in report.revisions {
            let revision = format!(
                "{}/{}/{}",
                status.namespace, status.function, status.revision
            );
            indexed.revisions.insert(revision, status);
        }
        let (mut applied, mut told) = (0, None);
        self.update(|known| {
            known.report = indexed;
            if known.sidecar.draining != report.draining {
                known.sidecar.draining = report.draining;
                told = Some(if report.draining {
                    Action::Draining
                } else {
                    Action::Resumed
                });
            }
            known.sidecar.last_seen_at = now;
            known.sidecar.held = report.held;
            known.sidecar.async_queued = report.async_queued;
            known.sidecar.instances = count;
            applied = known.sidecar.applied_version;
        });
        self.registry.changes.bump();
        if let Some(action) = told {
            self.registry.events.sidecar(&self.node_id, action, 0);
        }
        applied
    }

    /// The functions it owns changed.
    pub fn owns(&self, functions: Vec<String>) {
        self.update(|known| known.sidecar.owns = functions.into());
    }

    fn update(&self, change: impl FnOnce(&mut Known)) {
        let mut inner = self.registry.known.lock();
        if let Some(known) = inner.sidecars.get_mut(&self.node_id)
            && known.connection == self.id
        {
            change(known);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut gone = false;
        self.update(|known| {
            gone = true;
            known.connection = 0;
            known.sidecar.connected = false;
            known.report = Indexed::default();
            known.sidecar.instances = 0;
            known.sidecar.owns = Arc::default();
        });
        self.registry.changes.bump();
        if gone {
            self.registry.events.sidecar(&self.node_id, Action::Left, 0);
        }
    }
}
