//! Instances that are components in this process: loaded is ready, and unloading is the end.
//!
//! What runs them is the engine (`gateless-wasm`); here is only their life as the reconciler
//! sees it, and the words for what went wrong. Nothing is adopted: they end with the sidecar.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateless_common::problem::Code;
use gateless_core::config::{self, Kind};
use gateless_core::name::{InstanceId, NodeId};
use gateless_core::resources::Resources;
use gateless_core::time::Time;
use gateless_wasm::{CallError, Engine, InstanceSpec, LoadError};
use http::{Request, Response};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::environment::environment;
use super::logs::{Logs, Spoken};
use super::{Adopted, Driver, Event, Exit, ExitReason, LogStream, Shutdown, StartRequest, Target};
use crate::clock;
use crate::endpoint::body::{Body, Inbound};
use crate::endpoint::component::{Component, Ended, Failure};

/// Compilations at once: each uses every core it can get.
const COMPILATIONS: usize = 1;

#[cfg(test)]
mod tests;

/// Starts and stops components.
pub struct WasmDriver {
    inner: Arc<Inner>,
}

struct Inner {
    node: NodeId,
    engine: Engine,
    logs: Logs,
    events: mpsc::Sender<Event>,
    /// A lock, as starts and ends are short and rare beside calls, which never take it.
    instances: Mutex<Instances>,
    compiling: Semaphore,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Instances {
    known: HashMap<InstanceId, State>,
    closing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Loading,
    /// Told to stop while it was loading.
    Unwanted,
    Ready,
}

impl WasmDriver {
    /// Runs components in `engine`, and writes what they say to `logs`.
    #[must_use]
    pub fn new(node: NodeId, engine: Engine, logs: Logs, events: mpsc::Sender<Event>) -> Self {
        Self {
            inner: Arc::new(Inner {
                node,
                engine,
                logs,
                events,
                instances: Mutex::default(),
                compiling: Semaphore::new(COMPILATIONS),
                tasks: TaskTracker::new(),
            }),
        }
    }
}

impl Driver for WasmDriver {
    fn kind(&self) -> Kind {
        Kind::Wasm
    }

    /// A place in the engine. Linear memory is there only while a request runs, and is bounded by the engine.
    fn cost(&self, _: &config::Revision) -> Resources {
        Resources::COMPONENT
    }

    /// Components end with the sidecar they ran in.
    fn adopt(&self) -> BoxFuture<'_, Vec<Adopted>> {
        std::future::ready(Vec::new()).boxed()
    }

    /// Must run inside the runtime.
    fn start(&self, request: StartRequest) {
        let inner = self.inner.clone();
        {
            let mut instances = inner.instances.lock();
            if instances.known.contains_key(&request.id) {
                return;
            }
            if !instances.closing {
                instances.known.insert(request.id.clone(), State::Loading);
            }
        }
        self.inner.tasks.spawn(async move {
            let (id, began) = (request.id.clone(), clock::now());
            let loaded = inner.load(request).await;
            let event = inner.settle(&id, began, loaded);
            inner.emit(event).await;
        });
    }

    fn stop(&self, id: &InstanceId) {
        let mut instances = self.inner.instances.lock();
        match instances.known.get_mut(id) {
            Some(state @ State::Loading) => *state = State::Unwanted,
            Some(State::Ready) => {
                instances.known.remove(id);
                let (inner, id) = (self.inner.clone(), id.clone());
                self.inner.tasks.spawn(async move { inner.end(id).await });
            }
            Some(State::Unwanted) | None => {}
        }
    }

    /// Each of its requests ends in its own time: there is nothing more to end than by a stop.
    fn kill(&self, id: &InstanceId, _: &str) {
        self.stop(id);
    }

    /// What is in this process ends with it, whatever becomes of the rest.
    fn shutdown(&self, _: Shutdown) -> BoxFuture<'_, ()> {
        let ready: Vec<InstanceId> = {
            let mut instances = self.inner.instances.lock();
            instances.closing = true;
            instances.known.keys().cloned().collect()
        };
        for id in ready {
            self.stop(&id);
        }
        self.inner.tasks.close();
        self.inner.tasks.wait().boxed()
    }
}

impl Inner {
    async fn load(&self, request: StartRequest) -> Result<Arc<dyn Component>, String> {
        let Some(wasm) = request.revision.runtime.wasm() else {
            return Err("this revision is not a component".to_owned());
        };
        let Some(file) = request.bundle.clone() else {
            return Err(format!("component {} is not here", wasm.component_sha256));
        };
        let spec = self.spec(&request, wasm, file);
        // Mapping what is compiled takes less time than going to another thread would.
        if self.engine.is_compiled(&spec.sha256) {
            return self.begin(spec);
        }
        let _turn = self.compiling.acquire().await;
        let (engine, path, sha256) = (
            self.engine.clone(),
            spec.component.clone(),
            spec.sha256.clone(),
        );
        let compiling = tokio::task::spawn_blocking(move || engine.compile_ahead(&path, &sha256));
        let compiled = compiling.await.unwrap_or(Err(LoadError::Interrupted));
        compiled.map_err(|error| error.to_string())?;
        self.begin(spec)
    }

    fn begin(&self, spec: InstanceSpec) -> Result<Arc<dyn Component>, String> {
        let instance = self.engine.start(spec).map_err(|error| error.to_string())?;
        Ok(Arc::new(Loaded(instance)))
    }

    fn spec(
        &self,
        request: &StartRequest,
        wasm: &config::Wasm,
        component: PathBuf,
    ) -> InstanceSpec {
        let name = &request.revision.name;
        let (logs, id, revision) = (self.logs.clone(), request.id.clone(), name.clone());
        let environment = environment(request, &self.node, Vec::new(), Vec::new());
        InstanceSpec {
            component,
            sha256: wasm.component_sha256.clone(),
            env: environment.into_iter().collect(),
            limits: gateless_wasm::Limits {
                memory_bytes: wasm.memory,
                cpu_time: wasm.cpu_time,
                table_elements: wasm.max_table_elements.into(),
                response_body_bytes: wasm.max_response_body,
                outgoing_concurrent: wasm.max_outgoing_requests,
                outgoing_total: wasm.max_outgoing_requests.saturating_mul(OUTGOING_ROUNDS),
                ..gateless_wasm::Limits::default()
            },
            allowed_hosts: wasm.allowed_hosts.clone(),
            reuse: wasm.reuse.then(gateless_wasm::Reuse::default),
            log: Arc::new(move |stream, line: &str| {
                logs.say(Spoken {
                    id: id.clone(),
                    revision: revision.clone(),
                    stream: match stream {
                        gateless_wasm::Stream::Stdout => LogStream::Stdout,
                        gateless_wasm::Stream::Stderr => LogStream::Stderr,
                    },
                    line: line.to_owned(),
                });
            }),
            identity: gateless_wasm::Identity {
                namespace: name.function().namespace().to_owned(),
                function: name.function().name().to_owned(),
                revision: name.revision().to_owned(),
                instance: request.id.to_string(),
            },
        }
    }

    /// What became of a start, and the state that goes with it, in one step.
    fn settle(
        &self,
        id: &InstanceId,
        began: Time,
        loaded: Result<Arc<dyn Component>, String>,
    ) -> Event {
        let mut instances = self.instances.lock();
        let wanted = instances.known.get(id) == Some(&State::Loading);
        let exit = match loaded {
            Ok(component) if wanted => {
                instances.known.insert(id.clone(), State::Ready);
                return Event::Ready {
                    id: id.clone(),
                    target: Target::InProcess(component),
                    started_in: clock::now().since(began),
                };
            }
            Err(message) if wanted => exit(ExitReason::SpawnFailed, message, false),
            Ok(_) | Err(_) => exit(ExitReason::Stopped, "stopped".to_owned(), false),
        };
        instances.known.remove(id);
        Event::Exited {
            id: id.clone(),
            exit,
        }
    }

    async fn end(&self, id: InstanceId) {
        let mut exit = exit(ExitReason::Stopped, "stopped".to_owned(), true);
        exit.last_log_lines = self.logs.finish(&id).await;
        self.emit(Event::Exited { id, exit }).await;
    }

    async fn emit(&self, event: Event) {
        // Nobody listens any more: the sidecar ends.
        self.events.send(event).await.ok();
    }
}

/// Outgoing requests of one call, as a multiple of those at a time.
const OUTGOING_ROUNDS: u32 = 32;

fn exit(reason: ExitReason, message: String, was_ready: bool) -> Exit {
    Exit {
        reason,
        code: None,
        signal: None,
        message,
        last_log_lines: Vec::new(),
        was_ready,
    }
}

struct Loaded(Arc<gateless_wasm::Instance>);

impl Component for Loaded {
    fn call<'a>(
        &'a self,
        request: &'a mut Request<Body>,
        until: Option<Instant>,
    ) -> BoxFuture<'a, Result<Response<Inbound>, Failure>> {
        Box::pin(async move {
            let entry = self.0.enter(until).await.map_err(failure)?;
            let response = entry.call(std::mem::take(request)).await.map_err(failure)?;
            Ok(response.map(|mut body| match body.take_whole() {
                Some(bytes) => Inbound::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())),
                None => Inbound::Boxed(Box::pin(body)),
            }))
        })
    }
}

fn failure(error: CallError) -> Failure {
    match error {
        CallError::Busy { .. } => Failure::Busy,
        error => Failure::Ended(Box::new(ended(&error))),
    }
}

/// What the caller is told; `hint` says which setting it is.
fn ended(error: &CallError) -> Ended {
    let look = "`gateless logs` shows what the function said";
    let (code, hint) = match error {
        CallError::Memory { .. } => (Code::WasmMemory, "raise wasm.memory_bytes"),
        CallError::Tables { .. } => (Code::WasmTables, "raise wasm.max_table_elements"),
        CallError::Instances { .. } => (
            Code::WasmInstances,
            "compose the component of fewer modules",
        ),
        CallError::CpuTime { .. } => (
            Code::WasmCpuTime,
            "raise wasm.cpu_time_ms, or compute less in one request",
        ),
        CallError::Deadline => (Code::DeadlineExceeded, "raise limits.timeout_ms"),
        CallError::ResponseTooLarge { .. } => {
            (Code::WasmResponseSize, "raise wasm.max_response_body_bytes")
        }
        CallError::ResponseHeaders { .. } => (
            Code::WasmResponseHeaders,
            "answer with fewer or shorter headers",
        ),
        CallError::Outgoing { .. } => (Code::WasmOutgoing, "raise wasm.max_outgoing_requests"),
        CallError::Trap(_) => (Code::WasmTrap, look),
        CallError::Exit(_) => (Code::WasmExit, look),
        CallError::NoResponse | CallError::Unfinished => (Code::WasmNoResponse, look),
        CallError::Answered(_) => (Code::WasmError, look),
        CallError::Busy { .. } => (Code::WasmBusy, "retry later"),
        CallError::Load(_) => (
            Code::WasmLoad,
            "`gateless status` shows why; upload the component again",
        ),
    };
    Ended {
        code,
        detail: error.to_string(),
        hint,
    }
}
