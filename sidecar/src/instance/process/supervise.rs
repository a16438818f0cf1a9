//! The life of one instance: queue, spawn, readiness, run, end.
//!
//! One task each. Its end is always told once, and by then nothing of the instance is left but its logs.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gateless_core::name::InstanceId;
use gateless_core::time::Time;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::bundle::Unpacked;
use super::manifest::{Manifest, now_ms};
use super::ports::Claim;
use super::procfs;
use super::readiness::{Look, Verdict, Watcher};
use super::spawn::{self, Spawned};
use super::{Inner, Stop};
use crate::clock;
use crate::instance::exit::{self, How};
use crate::instance::{Event, Exit, StartRequest, Target};

/// A stranger may take a port once, hardly thrice.
const PORT_ATTEMPTS: u32 = 3;
/// What shares the starts' crowd before pauses stretch.
const CROWD: u32 = 16;

/// An instance that runs, or did until just now.
pub(super) struct Running {
    manifest: Manifest,
    folder: PathBuf,
    pid: Pid,
    claim: Claim,
    child: Option<Child>,
    exited: AsyncFd<OwnedFd>,
    /// Until it is ready: it holds a descriptor.
    watcher: Option<Watcher>,
}

enum End {
    Exit(Exit),
    /// Another program has its port: try another.
    Stolen,
}

impl Running {
    /// Must run inside the runtime.
    pub(super) fn new(spawned: Spawned, watcher: Watcher) -> std::io::Result<Self> {
        #[expect(
            deprecated,
            reason = "its replacement is unsafe for types whose descriptor can change; an OwnedFd's cannot"
        )]
        let exited = AsyncFd::with_interest(spawned.handle, Interest::READABLE)?;
        Ok(Self {
            manifest: spawned.manifest,
            folder: spawned.folder,
            pid: spawned.pid,
            claim: spawned.claim,
            child: spawned.child,
            exited,
            watcher: Some(watcher),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.claim.address()
    }

    async fn exited(&self) {
        // An error means the runtime is ending, and this task with it.
        if self.exited.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// To the whole group, if the leader still holds the group's number.
    fn signal(&self, signal: Signal) {
        if self.child.is_some() || is_alive(self.exited.get_ref()) {
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// Ends what the leader left behind, then lets go of it; in this order, as its number cannot be given to another while it is unburied.
    /// An adopted one was buried by somebody else.
    async fn bury(&mut self, inner: &Arc<Inner>) -> Option<ExitStatus> {
        self.end(inner).await;
        self.child.take().and_then(|mut child| child.wait().ok())
    }

    /// Ends everything of it, whatever it made of itself.
    async fn end(&self, inner: &Arc<Inner>) {
        let Some(fence) = self.manifest.fence() else {
            self.end_unfenced(inner).await;
            return;
        };
        let leader = self.exited.get_ref();
        let gone = match leader.try_clone() {
            Ok(leader) => tokio::task::spawn_blocking(move || fence.end(leader.as_fd())).await,
            // Too many open files are no reason to leave it: rather this thread waits.
            Err(_) => Ok(fence.end(leader.as_fd())),
        };
        if !gone.unwrap_or(false) {
            tracing::warn!(
                instance = self.manifest.id,
                "its control groups are left to the next sweep"
            );
        }
    }

    /// Of what an early version started without control groups there is no more than its process group and its environment.
    async fn end_unfenced(&self, inner: &Arc<Inner>) {
        self.signal(Signal::KILL);
        let (node, own) = (inner.config.node.to_string(), self.manifest.id.clone());
        let kill = move || procfs::kill_marked(&node, |id| id != own);
        let _ = tokio::task::spawn_blocking(kill).await;
    }

    async fn kill(&mut self, inner: &Arc<Inner>) -> Option<ExitStatus> {
        self.end(inner).await;
        self.exited().await;
        self.bury(inner).await
    }

    /// Asks, waits, kills.
    async fn terminate(&mut self, inner: &Arc<Inner>) -> Exit {
        let was_ready = self.manifest.was_ready;
        let grace = Duration::from_millis(self.manifest.stop_grace_ms);
        self.signal(Signal::TERM);
        if tokio::time::timeout(grace, self.exited()).await.is_ok() {
            return exit::stopped(self.bury(inner).await, was_ready);
        }
        exit::stopped_by_force(self.kill(inner).await, was_ready, grace)
    }

    /// Ends what does nothing any more: it would not hear if it were asked.
    async fn replace(&mut self, inner: &Arc<Inner>, cause: &str) -> Exit {
        let was_ready = self.manifest.was_ready;
        exit::unresponsive(self.kill(inner).await, was_ready, cause)
    }
}

fn is_alive(handle: &OwnedFd) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut exited = [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)];
    rustix::event::poll(&mut exited, Some(&now)).is_ok_and(|count| count == 0)
}

/// Runs an instance from request to end.
pub(super) async fn start(inner: Arc<Inner>, request: StartRequest, stop: Stop) {
    let id = request.id.clone();
    let exit = run(&inner, Arc::new(request), &stop).await;
    finish(&inner, id, exit).await;
}

/// Runs an adopted instance to its end.
pub(super) async fn go_on(inner: Arc<Inner>, running: Running, ready: bool, stop: Stop) {
    let id = InstanceId::new(&running.manifest.id);
    let exit = match watch(&inner, running, ready, &stop, clock::now()).await {
        End::Exit(exit) => exit,
        End::Stolen => exit::spawn_failed("another program took its port".to_owned()),
    };
    finish(&inner, id, exit).await;
}

async fn run(inner: &Arc<Inner>, request: Arc<StartRequest>, stop: &Stop) -> Exit {
    let asked = clock::now();
    let bundle = match unpack(inner, &request).await {
        Ok(bundle) => bundle,
        Err(message) => return exit::spawn_failed(message),
    };
    for _ in 0..PORT_ATTEMPTS {
        let permit = tokio::select! {
            biased;
            () = stop.asked.cancelled() => return exit::stopped(How::UNKNOWN, false),
            permit = inner.starts.clone().acquire_owned() => permit,
        };
        let (shared, start, folder) = (inner.clone(), request.clone(), bundle.clone());
        let launched = tokio::task::spawn_blocking(move || {
            // Held while it is watched closely, no longer: a slow starter must not hold up the rest.
            let _permit = permit;
            launch(
                &shared,
                &start,
                folder.as_ref().map(|bundle| bundle.folder()),
            )
        });
        let running = match launched.await {
            Ok(Ok((spawned, watcher))) => Running::new(spawned, watcher),
            Ok(Err(error)) => return exit::spawn_failed(error.to_string()),
            Err(error) => return exit::spawn_failed(error.to_string()),
        };
        let running = match running {
            Ok(running) => running,
            Err(error) => return exit::spawn_failed(format!("cannot watch the process: {error}")),
        };
        match watch(inner, running, false, stop, asked).await {
            End::Exit(exit) => return exit,
            End::Stolen => tracing::warn!(instance = %request.id, "another program took its port"),
        }
    }
    exit::spawn_failed("other programs keep taking the ports it is given".to_owned())
}

/// Spawns and looks closely for the first milliseconds, all on one thread.
fn launch(
    inner: &Inner,
    request: &StartRequest,
    bundle: Option<&Path>,
) -> Result<(Spawned, Watcher), spawn::Error> {
    let spawned = spawn::spawn(inner, request, bundle)?;
    let socket_activation = request.revision.runtime.process();
    let socket_activation = socket_activation.is_some_and(|process| process.socket_activation);
    let watcher = Watcher::new(
        &spawned.manifest,
        spawned.pid.as_raw_nonzero().get(),
        inner.config.node.as_str(),
        socket_activation,
    );
    watcher.quick_look(&spawned.handle);
    Ok((spawned, watcher))
}

async fn unpack(
    inner: &Arc<Inner>,
    request: &Arc<StartRequest>,
) -> Result<Option<Arc<Unpacked>>, String> {
    let process = request.revision.runtime.process();
    let Some(bundle) = process.and_then(|process| process.bundle.clone()) else {
        return Ok(None);
    };
    let Some(file) = request.bundle.clone() else {
        return Err(format!("bundle {} is not here", bundle.sha256));
    };
    let (shared, function) = (inner.clone(), request.revision.name.function().clone());
    let unpacked =
        tokio::task::spawn_blocking(move || shared.bundles.unpacked(&bundle, &function, &file));
    match unpacked.await {
        Ok(Ok(unpacked)) => {
            inner.hold(&request.id, unpacked.clone());
            Ok(Some(unpacked))
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

async fn watch(
    inner: &Arc<Inner>,
    mut running: Running,
    ready: bool,
    stop: &Stop,
    asked: Time,
) -> End {
    let leader = running.pid.as_raw_nonzero().get();
    if let Some(user) = inner.config.sandbox.user(running.manifest.port) {
        stop.user.store(user, Ordering::Relaxed);
    }
    // Whoever finds the one finds the other.
    stop.leader.store(leader, Ordering::Release);
    if let Some(watcher) = running.watcher.take().filter(|_| !ready)
        && let Some(end) = until_ready(inner, &mut running, watcher, stop, asked).await
    {
        return end;
    }
    tokio::select! {
        biased;
        () = running.exited() => {
            let status = running.bury(inner).await;
            End::Exit(exit::by_itself(status, running.manifest.was_ready))
        }
        () = stop.killed.cancelled() => End::Exit(running.replace(inner, stop.cause()).await),
        () = stop.asked.cancelled() => End::Exit(running.terminate(inner).await),
    }
}

enum Outcome {
    Found(Verdict),
    Exited,
    Stopped,
    TimedOut,
}

/// `None`: it is ready, and that is told.
async fn until_ready(
    inner: &Arc<Inner>,
    running: &mut Running,
    watcher: Watcher,
    stop: &Stop,
    asked: Time,
) -> Option<End> {
    let manifest = &running.manifest;
    let timeout = Duration::from_millis(manifest.start_timeout_ms);
    let waited = Duration::from_millis(now_ms().saturating_sub(manifest.started_at_ms));
    inner.starting.fetch_add(1, Ordering::Relaxed);
    let crowd = || 1 + inner.starting.load(Ordering::Relaxed) / CROWD;
    let outcome = tokio::select! {
        biased;
        () = running.exited() => Outcome::Exited,
        () = stop.asked.cancelled() => Outcome::Stopped,
        verdict = watcher.wait(crowd) => Outcome::Found(verdict),
        () = tokio::time::sleep(timeout.saturating_sub(waited)) => Outcome::TimedOut,
    };
    inner.starting.fetch_sub(1, Ordering::Relaxed);
    match outcome {
        Outcome::Found(Verdict::Ready) => {
            inner.emit(Event::Ready {
                id: InstanceId::new(&running.manifest.id),
                target: Target::Http {
                    address: running.address(),
                },
                started_in: clock::now().since(asked),
            });
            running.manifest.was_ready = true;
            let (manifest, folder) = (running.manifest.clone(), running.folder.clone());
            // Only saves the next sidecar a look; the event above does not wait for it.
            let _ = tokio::task::spawn_blocking(move || manifest.write(&folder)).await;
            None
        }
        Outcome::Found(Verdict::Stolen) => {
            running.kill(inner).await;
            Some(End::Stolen)
        }
        Outcome::Exited => {
            // A program that finds its port taken usually just ends.
            let stolen = watcher.look() == Look::Foreign;
            let status = running.bury(inner).await;
            Some(if stolen {
                End::Stolen
            } else {
                End::Exit(exit::by_itself(status, false))
            })
        }
        Outcome::Stopped => Some(End::Exit(running.terminate(inner).await)),
        Outcome::TimedOut => {
            let cause = watcher.cause();
            running.kill(inner).await;
            Some(End::Exit(exit::start_timeout(&cause, timeout)))
        }
    }
}

async fn finish(inner: &Arc<Inner>, id: InstanceId, mut exit: Exit) {
    exit.last_log_lines = inner.logs.finish(&id).await;
    inner.forget(&id).await;
    inner.emit(Event::Exited { id, exit });
}
