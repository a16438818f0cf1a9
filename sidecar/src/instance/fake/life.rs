//! One fake instance: its script, its server, its end.
//!
//! The server is a task of its own, as a process would be: it outlives the driver that started it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gateless_core::name::InstanceId;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Failure, Script, World};
use crate::clock;
use crate::instance::{Event, Exit, ExitReason, Target};

/// An instance as its driver sees it.
pub(super) struct Life {
    pub(super) id: InstanceId,
    pub(super) script: Script,
    pub(super) start_timeout: Duration,
    pub(super) stop: CancellationToken,
    pub(super) dead: CancellationToken,
    /// Its server and connections.
    pub(super) server: TaskTracker,
    pub(super) crashes: mpsc::Receiver<i32>,
    pub(super) kills: mpsc::Receiver<String>,
    pub(super) freezes: watch::Receiver<bool>,
    pub(super) requests: Arc<AtomicU64>,
    /// Adopted and ready.
    pub(super) ready: bool,
}

impl Life {
    /// From start, or adoption, to its end.
    pub(super) async fn live(mut self, world: &Arc<World>, events: &mpsc::Sender<Event>) -> Exit {
        if !self.ready
            && let Err(exit) = self.begin(world, events).await
        {
            return exit;
        }
        tokio::select! {
            biased;
            Some(code) = self.crashes.recv() => exited(code, true),
            Some(cause) = self.kills.recv() => {
                exit(ExitReason::Unresponsive, format!("killed, as {cause}"), true)
            }
            () = self.stop.cancelled() => exit(ExitReason::Stopped, "stopped".into(), true),
        }
    }

    async fn begin(
        &mut self,
        world: &Arc<World>,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), Exit> {
        let began = clock::now();
        let failure = self.script.failure;
        if failure == Some(Failure::Spawn) {
            let message = "command \"fake\" was not found on PATH";
            return Err(exit(ExitReason::SpawnFailed, message.into(), false));
        }
        let delay = if failure == Some(Failure::Never) {
            Duration::MAX
        } else {
            self.script.start_delay
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(exit(ExitReason::Stopped, "stopped".into(), false)),
            Some(code) = self.crashes.recv() => return Err(exited(code, false)),
            () = tokio::time::sleep(delay) => {}
            () = tokio::time::sleep(self.start_timeout) => {
                let message = format!("no listener within {} s", self.start_timeout.as_secs_f64());
                return Err(exit(ExitReason::StartTimeout, message, false));
            }
        }
        if let Some(Failure::Exit(code)) = failure {
            return Err(exited(code, false));
        }
        let address = self
            .listen(world)
            .await
            .map_err(|error| exit(ExitReason::SpawnFailed, error.to_string(), false))?;
        if let Some(instance) = world.instances.lock().get_mut(&self.id) {
            instance.address = Some(address);
        }
        let ready = Event::Ready {
            id: self.id.clone(),
            target: Target::Http { address },
            started_in: clock::now().since(began),
        };
        let _ = events.send(ready).await;
        Ok(())
    }

    /// The server outlives the driver: only [`Life::dead`] ends it.
    async fn listen(&self, world: &Arc<World>) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (id, requests, all) = (
            self.id.clone(),
            self.requests.clone(),
            world.requests.clone(),
        );
        let delay = self.script.answer_delay;
        let freezes = self.freezes.clone();
        let (dead, server) = (self.dead.clone(), self.server.clone());
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (id, requests, all) = (id.clone(), requests.clone(), all.clone());
                let freezes = freezes.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    // As no call is seen of a probe, none is counted.
                    let call = u64::from(request.uri().path() != "*");
                    requests.fetch_add(call, Ordering::SeqCst);
                    all.fetch_add(call, Ordering::SeqCst);
                    let (id, mut freezes) = (id.clone(), freezes.clone());
                    async move {
                        // An error means that the instance is gone, and then its server ends.
                        freezes.wait_for(|frozen| !frozen).await.ok();
                        answer(id, delay, request).await
                    }
                });
                let http = auto::Builder::new(TokioExecutor::new());
                let connection = async move {
                    let _ = http
                        .serve_connection_with_upgrades(TokioIo::new(stream), service)
                        .await;
                };
                server.spawn(dead.clone().run_until_cancelled_owned(connection));
            }
        };
        self.server
            .spawn(self.dead.clone().run_until_cancelled_owned(serving));
        Ok(address)
    }
}

/// Echoes the body; the headers tell who answered.
async fn answer(
    id: InstanceId,
    delay: Duration,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    tokio::time::sleep(delay).await;
    let mut response = Response::new(Full::new(body));
    for (name, value) in [("x-instance", id.as_str()), ("x-path", &path)] {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// An end without code or signal.
pub(super) fn exit(reason: ExitReason, message: String, was_ready: bool) -> Exit {
    Exit {
        reason,
        code: None,
        signal: None,
        message,
        last_log_lines: Vec::new(),
        was_ready,
    }
}

fn exited(code: i32, was_ready: bool) -> Exit {
    let when = if was_ready {
        ""
    } else {
        " before it was ready"
    };
    let message = format!("exited with code {code}{when}");
    Exit {
        code: Some(code),
        ..exit(ExitReason::Exited, message, was_ready)
    }
}
