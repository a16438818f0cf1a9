//! What runs containers: the driver of the host's engine; without the feature `containers`, none.
//!
//! The one place of the start that knows whether the feature is on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use gateless_core::name::NodeId;
use tokio::sync::{mpsc, oneshot, watch};

use super::Config;
use crate::instance::engine::State;
use crate::instance::folder::Folder;
use crate::instance::logs::Logs;
use crate::instance::{Drivers, Event};

/// Asks for a local door at an address of this host, and waits for where it was opened.
pub(super) type DoorRequest = (IpAddr, oneshot::Sender<io::Result<SocketAddr>>);

/// What the rest of the sidecar has to do with containers.
pub(super) struct Containers {
    /// How their engine is.
    pub(super) engine: watch::Receiver<State>,
    /// Doors for them.
    pub(super) doors: mpsc::Receiver<DoorRequest>,
}

#[cfg(feature = "containers")]
pub(super) fn register(
    drivers: &mut Drivers,
    config: &Config,
    this: &NodeId,
    (folder, logs): (Arc<Folder>, Logs),
    events: mpsc::Sender<Event>,
) -> io::Result<Containers> {
    use crate::instance::container::{self, ContainerDriver};
    let setup = container::Config {
        node: this.clone(),
        engine: config.container_engine.clone(),
        max_instances: config.capacity as usize,
    };
    let (driver, doors) = ContainerDriver::open(setup, folder, logs, events)?;
    let engine = driver.engine();
    drivers.register(Arc::new(driver));
    Ok(Containers { engine, doors })
}

#[cfg(not(feature = "containers"))]
pub(super) fn register(
    _: &mut Drivers,
    config: &Config,
    _: &NodeId,
    _: (Arc<Folder>, Logs),
    _: mpsc::Sender<Event>,
) -> io::Result<Containers> {
    use crate::instance::engine::Choice;
    let state = match config.container_engine {
        Choice::Off => State::Off,
        _ => State::Missing("this build runs no containers".to_owned()),
    };
    Ok(Containers {
        engine: watch::channel(state).1,
        doors: mpsc::channel(1).1,
    })
}
