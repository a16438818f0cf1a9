//! What this sidecar tells whoever watches it: changes as they happen, and samples each second.
//!
//! Nobody is waited for: a watcher that is too slow is told how much it missed. While there is none
//! nothing is built, so whoever has something to tell asks [`Observer::is_watched`] first.

mod sampler;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use gateless_common::io::unix_now;
use gateless_core::name::{FunctionName, InstanceId, RevisionName};
use gateless_core::owner::Decision;
use gateless_core::trigger::TriggerName;
use gateless_proto::v1;
use gateless_proto::v1::observation::Kind;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError as Lagged;
use tonic::Status;

pub use sampler::{Level, Sampler};

/// Changes a watcher may be behind.
const BEHIND: usize = 4096;

/// Hands changes and samples to whoever watches.
#[derive(Debug)]
pub struct Observer {
    sender: broadcast::Sender<v1::Observation>,
    watchers: AtomicUsize,
}

impl Default for Observer {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
            watchers: AtomicUsize::new(0),
        }
    }
}

impl Observer {
    /// Whether anybody watches.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    /// Everything from now on.
    #[must_use]
    pub fn watch(self: &Arc<Self>) -> BoxStream<'static, Result<v1::Observation, Status>> {
        let watcher = Watcher::new(self);
        let seen = BroadcastStream::new(self.sender.subscribe()).map(move |seen| {
            // Lives as long as the stream.
            let _watcher = &watcher;
            Ok(seen.unwrap_or_else(|Lagged::Lagged(missed)| observation(Kind::Lagged(missed))))
        });
        seen.boxed()
    }

    pub(crate) fn publish(&self, kind: Kind) {
        // Nobody watches any more: that is no error.
        self.sender.send(observation(kind)).ok();
    }

    /// An owner here decided.
    pub(crate) fn decided(&self, decision: &Decision) {
        if !self.is_watched() {
            return;
        }
        let name = decision.revision.function();
        self.publish(Kind::Decision(v1::ScalingDecision {
            namespace: name.namespace().to_owned(),
            function: name.name().to_owned(),
            revision: decision.revision.revision().to_owned(),
            desired: decision.desired,
            previous: decision.previous,
            reason: decision.cause.to_owned(),
            explanation: decision.reason.to_string(),
        }));
    }

    /// An instance here changed its state.
    pub(crate) fn instance(
        &self,
        id: &InstanceId,
        revision: Option<&RevisionName>,
        state: &str,
        message: &str,
    ) {
        let Some(revision) = revision.filter(|_| self.is_watched()) else {
            return;
        };
        self.publish(Kind::Instance(v1::InstanceChange {
            id: id.to_string(),
            namespace: revision.function().namespace().to_owned(),
            function: revision.function().name().to_owned(),
            revision: revision.revision().to_owned(),
            state: state.to_owned(),
            message: message.to_owned(),
        }));
    }

    /// A trigger did something, or failed to.
    pub(crate) fn trigger(
        &self,
        trigger: &TriggerName,
        function: &FunctionName,
        action: &str,
        message: &str,
    ) {
        if !self.is_watched() {
            return;
        }
        self.publish(Kind::Trigger(v1::TriggerChange {
            namespace: trigger.namespace().to_owned(),
            trigger: trigger.name().to_owned(),
            function: function.name().to_owned(),
            action: action.to_owned(),
            message: message.to_owned(),
        }));
    }

    /// A queued call changed its state.
    pub(crate) fn call(&self, id: String, function: &FunctionName, change: Call) {
        self.publish(Kind::Call(v1::CallChange {
            id,
            namespace: function.namespace().to_owned(),
            function: function.name().to_owned(),
            state: change.state.to_owned(),
            attempt: change.attempt,
            status: change.status.map_or(0, u32::from),
        }));
    }
}

/// What became of a queued call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) state: &'static str,
    pub(crate) attempt: u32,
    pub(crate) status: Option<u16>,
}

/// Counts as watching for as long as it lives.
struct Watcher(Arc<Observer>);

impl Watcher {
    fn new(observer: &Arc<Observer>) -> Self {
        observer.watchers.fetch_add(1, Ordering::Relaxed);
        Self(observer.clone())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

fn observation(kind: Kind) -> v1::Observation {
    v1::Observation {
        time_ms: unix_now().0,
        kind: Some(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_watcher_is_told_what_it_missed_and_nobody_else_counts() {
        let observer = Arc::new(Observer::default());
        assert!(!observer.is_watched());
        let mut watcher = observer.watch();
        assert!(observer.is_watched());
        for n in 0..BEHIND as u64 + 5 {
            observer.publish(Kind::Lagged(1_000 + n));
        }
        let first = watcher.next().await.unwrap().unwrap();
        assert_eq!(first.kind, Some(Kind::Lagged(5)));
        let second = watcher.next().await.unwrap().unwrap();
        assert_eq!(second.kind, Some(Kind::Lagged(1_005)));
        drop(watcher);
        assert!(!observer.is_watched());
    }
}
