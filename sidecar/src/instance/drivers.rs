//! One driver for the sidecar out of those for each runtime.
//!
//! Only passes on: what an instance is decides who runs it.

use std::io;

use futures_util::future::BoxFuture;
use gateless_core::name::InstanceId;
use gateless_wasm::Engine;
use tokio::sync::mpsc;

use super::process::{self, ProcessDriver};
use super::wasm::WasmDriver;
use super::{Adopted, Driver, Event, LogLine, LogQuery, Shutdown, StartRequest};

/// Runs processes and components.
pub struct Drivers {
    process: ProcessDriver,
    wasm: WasmDriver,
}

impl Drivers {
    /// As [`ProcessDriver::open`], with an engine beside it. Logs are kept in one place.
    ///
    /// # Errors
    /// When the data folder cannot be used.
    pub fn open(
        config: process::Config,
        engine: Engine,
        events: mpsc::Sender<Event>,
    ) -> io::Result<Self> {
        let node = config.node.clone();
        let process = ProcessDriver::open(config, events.clone())?;
        let wasm = WasmDriver::new(node, engine, process.log_store(), events);
        Ok(Self { process, wasm })
    }
}

impl Driver for Drivers {
    fn start(&self, request: StartRequest) {
        if request.revision.runtime.wasm().is_some() {
            self.wasm.start(request);
        } else {
            self.process.start(request);
        }
    }

    fn stop(&self, id: &InstanceId) {
        self.wasm.stop(id);
        self.process.stop(id);
    }

    fn adopt(&self) -> BoxFuture<'_, Vec<Adopted>> {
        self.process.adopt()
    }

    fn logs(&self, query: LogQuery) -> mpsc::Receiver<LogLine> {
        self.process.logs(query)
    }

    fn shutdown(&self, how: Shutdown) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // What is in this process ends with it, whatever becomes of the rest.
            let wasm = self.wasm.shutdown();
            futures_util::future::join(wasm, self.process.shutdown(how)).await;
        })
    }
}
