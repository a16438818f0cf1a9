//! What runs components: the engine, and the way of the requests they make; without the feature `wasm`, neither.
//!
//! The one place of the start that knows whether the feature is on.

use std::sync::Arc;

use gateless_core::egress::Egress;
use gateless_core::name::NodeId;
use tokio::sync::mpsc;

use super::{Config, Error};
use crate::edge::Edge;
#[cfg(feature = "wasm")]
use crate::edge::component::Router;
use crate::endpoint::engine::Engine;
use crate::instance::logs::Logs;
#[cfg(feature = "wasm")]
use crate::instance::wasm::WasmDriver;
use crate::instance::{Drivers, Event};
use crate::telemetry::metrics::Metrics;

/// See the module.
pub(super) struct Components {
    pub(super) engine: Engine,
    #[cfg(feature = "wasm")]
    router: Arc<Router>,
}

#[cfg(feature = "wasm")]
impl Components {
    /// Compiled components are kept beside the artifacts; the least recently loaded go when they are too many.
    pub(super) fn open(config: &Config, egress: &Arc<Egress>) -> Result<Self, Error> {
        let router = Arc::new(Router::new(egress.clone()));
        let mut settings = gateless_wasm::Settings::new(config.data.join("compiled"));
        settings.wasi_0_3 = config.wasi_0_3;
        let engine = Engine::open(settings, router.clone()).map_err(Error::Engine)?;
        Ok(Self { engine, router })
    }

    pub(super) fn register(
        &self,
        drivers: &mut Drivers,
        this: &NodeId,
        logs: &Logs,
        events: mpsc::Sender<Event>,
    ) {
        let (this, engine, logs) = (this.clone(), self.engine.clone(), logs.clone());
        drivers.register(Arc::new(WasmDriver::new(this, engine, logs, events)));
    }

    pub(super) fn watch(&self, metrics: &Metrics) {
        metrics.watch_engine(self.engine.clone());
    }

    /// From now on their requests are routed; `local` is `host:port` of the local listener.
    pub(super) fn route(&self, edge: &Arc<Edge>, local: String) {
        self.router.open(edge, local);
    }
}

#[cfg(not(feature = "wasm"))]
impl Components {
    /// Nothing may be asked of an engine that is not there.
    pub(super) fn open(config: &Config, _: &Arc<Egress>) -> Result<Self, Error> {
        if config.wasi_0_3 {
            return Err(Error::Engine(crate::endpoint::engine::Error));
        }
        Ok(Self { engine: Engine })
    }

    /// A start of a component fails: there is no driver of its kind.
    pub(super) fn register(&self, _: &mut Drivers, _: &NodeId, _: &Logs, _: mpsc::Sender<Event>) {}

    pub(super) fn watch(&self, _: &Metrics) {}

    pub(super) fn route(&self, _: &Arc<Edge>, _: String) {}
}
