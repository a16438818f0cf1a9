//! The drivers of this sidecar, one for each kind of runtime.
//!
//! Only passes on: what a revision runs as decides which driver runs it. Logs are not a driver's: whoever
//! opens the drivers gives each the same store.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::join_all;
use gateless_core::config::{Kind, Revision};
use gateless_core::name::{FunctionName, InstanceId};
use gateless_core::resources::{Costs, Resources};
use tokio::sync::mpsc;

use super::socket;
use super::{Adopted, Driver, Event, Exit, ExitReason, Shutdown, StartRequest};

/// Drivers by kind. All tell their events to the channel this was made with.
pub struct Drivers {
    by_kind: BTreeMap<Kind, Arc<dyn Driver>>,
    events: mpsc::Sender<Event>,
}

impl Drivers {
    #[must_use]
    pub fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            by_kind: BTreeMap::new(),
            events,
        }
    }

    /// The channel that a driver tells its events to.
    #[must_use]
    pub fn events(&self) -> mpsc::Sender<Event> {
        self.events.clone()
    }

    /// Adds a driver, in place of one of its kind.
    pub fn register(&mut self, driver: Arc<dyn Driver>) {
        self.by_kind.insert(driver.kind(), driver);
    }

    /// Starts an instance; returns at once. Where no driver is of its kind, its exit says so.
    pub fn start(&self, request: StartRequest) {
        let kind = request.revision.runtime.kind();
        if let Some(driver) = self.by_kind.get(&kind) {
            return driver.start(request);
        }
        let kinds: Vec<&str> = self.by_kind.keys().map(|kind| kind.as_str()).collect();
        let (known, kind) = (kinds.join(", "), kind.as_str());
        let exit = Exit {
            reason: ExitReason::SpawnFailed,
            code: None,
            signal: None,
            message: format!("this sidecar runs no functions of runtime {kind}, only {known}"),
            last_log_lines: Vec::new(),
            was_ready: false,
        };
        let events = self.events.clone();
        tokio::spawn(async move {
            let id = request.id;
            // Nobody listens any more: the sidecar ends.
            events.send(Event::Exited { id, exit }).await.ok();
        });
    }

    /// As [`Driver::kill`].
    pub fn kill(&self, id: &InstanceId, cause: &str) {
        for driver in self.by_kind.values() {
            driver.kill(id, cause);
        }
    }

    /// As [`Driver::is_stopped`].
    #[must_use]
    pub fn is_stopped(&self, id: &InstanceId) -> bool {
        self.by_kind.values().any(|driver| driver.is_stopped(id))
    }

    /// The function of this host that made a connection from one address to another. Blocks.
    ///
    /// # Errors
    /// When the kernel does not say whose it is.
    pub fn function_of(
        &self,
        from: SocketAddr,
        to: SocketAddr,
    ) -> io::Result<Option<FunctionName>> {
        let own = self.function_at(from.ip().to_canonical());
        if own.is_some() {
            return Ok(own);
        }
        let found = socket::find(from, to)?;
        let asked = |socket| self.by_kind.values().find_map(|d| d.function_of(&socket));
        Ok(found.and_then(asked))
    }

    /// As [`Driver::function_at`].
    #[must_use]
    pub fn function_at(&self, address: IpAddr) -> Option<FunctionName> {
        self.by_kind.values().find_map(|d| d.function_at(address))
    }

    /// As [`Driver::prepare`]. Of a kind without a driver there is nothing to get.
    #[must_use]
    pub fn prepare(&self, revision: &Arc<Revision>) -> bool {
        let driver = self.by_kind.get(&revision.runtime.kind());
        driver.is_none_or(|driver| driver.prepare(revision))
    }

    /// As [`Driver::stop`]; only the driver that has it knows the id.
    pub fn stop(&self, id: &InstanceId) {
        for driver in self.by_kind.values() {
            driver.stop(id);
        }
    }

    /// As [`Driver::adopt`], of all of them.
    pub async fn adopt(&self) -> Vec<Adopted> {
        let adopted = join_all(self.by_kind.values().map(|driver| driver.adopt())).await;
        adopted.into_iter().flatten().collect()
    }

    /// As [`Driver::shutdown`], of all of them at once.
    pub async fn shutdown(&self, how: Shutdown) {
        join_all(self.by_kind.values().map(|driver| driver.shutdown(how))).await;
    }
}

impl Costs for Drivers {
    /// A revision that no driver here can start takes a slot: its start is tried, and its exit says why it fails.
    fn cost(&self, revision: &Revision) -> Resources {
        let driver = self.by_kind.get(&revision.runtime.kind());
        let unknown = match revision.runtime.kind() {
            // A host that cannot run any has no room for one, and others may have.
            Kind::Container => Resources::CONTAINER,
            Kind::Process | Kind::Wasm => Resources::SLOT,
        };
        driver.map_or(unknown, |driver| driver.cost(revision))
    }
}

impl std::fmt::Debug for Drivers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_kind.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::contract;

    #[tokio::test]
    async fn start_of_a_kind_without_a_driver_fails_and_says_which_are_there() {
        let (events, mut receiver) = mpsc::channel(1);
        let drivers = Drivers::new(events);
        let revision = contract::revision("hello", contract::process(&["unused"]));
        drivers.start(contract::request(&InstanceId::new("one"), revision));
        let Some(Event::Exited { id, exit }) = receiver.recv().await else {
            unreachable!("an exit")
        };
        assert_eq!(id, InstanceId::new("one"));
        assert_eq!(exit.reason, ExitReason::SpawnFailed);
        assert!(
            exit.message.contains("no functions of runtime process"),
            "{}",
            exit.message
        );
    }
}
