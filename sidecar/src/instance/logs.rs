//! The logs of instances: from the raw files they write to, to stamped lines people can ask for.
//!
//! An instance writes straight to files of its own, so it needs no sidecar to be alive. One thread
//! per driver copies what they grow by, line by line, to a bounded log per revision, which outlives
//! the instance. Each copied line notes how far the raw file is copied, so after a sidecar's death
//! nothing is lost or copied twice. A thread and not a task: the disk must never delay a call.
//! Components in this process have no raw files; their lines come as commands.
//! Deliberately no search, no parsing of what the lines say.

mod collector;
mod cutter;
mod follower;
mod raw;
mod store;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, mpsc as blocking};

use gateless_core::name::{InstanceId, RevisionName};
use rustix::event::EventfdFlags;
use tokio::sync::{mpsc, oneshot};

use super::{LogLine, LogQuery, LogStream};
use collector::Collector;

/// Longer lines are cut, and the rest of the line dropped.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

const COMMANDS: usize = 1024;
const READER_LINES: usize = 256;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of a raw file, on disk; what a flood writes beyond it before it is copied is skipped.
    pub raw_bytes: u64,
    /// Of a revision's log; the oldest go first.
    pub revision_bytes: u64,
    /// Revisions with a log; the longest silent go first.
    pub revisions: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            raw_bytes: 8 << 20,
            revision_bytes: 4 << 20,
            revisions: 512,
        }
    }
}

/// An instance's raw files.
#[derive(Debug)]
pub(super) struct Source {
    pub id: InstanceId,
    pub revision: RevisionName,
    /// Holds `stdout.log` and `stderr.log`.
    pub folder: PathBuf,
    /// Part of it may have been copied already.
    pub adopted: bool,
}

/// A line an instance in this process wrote.
#[derive(Debug)]
pub(super) struct Spoken {
    pub id: InstanceId,
    pub revision: RevisionName,
    pub stream: LogStream,
    pub line: String,
}

enum Command {
    Watch(Source),
    #[cfg_attr(
        not(any(feature = "wasm", feature = "containers")),
        allow(
            dead_code,
            reason = "only components speak in this process, and containers through their engine"
        )
    )]
    Spoken(Spoken),
    Finish(InstanceId, oneshot::Sender<Vec<String>>),
    Query(LogQuery, oneshot::Sender<Found>),
}

/// What is there for a query: history to read, and what comes after it.
struct Found {
    history: Vec<store::Snapshot>,
    live: Option<mpsc::Receiver<LogLine>>,
}

/// Talks to the thread; it ends with the last of these.
#[derive(Debug, Clone)]
pub struct Logs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    commands: Option<blocking::SyncSender<Command>>,
    wake: Arc<OwnedFd>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.commands = None;
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

impl Logs {
    /// Starts the thread that keeps lines in `root`.
    ///
    /// # Errors
    /// When the folder cannot be used, or no thread started.
    pub fn open(root: PathBuf, bounds: Bounds) -> io::Result<Self> {
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let wake = Arc::new(wake);
        let (commands, receiver) = blocking::sync_channel(COMMANDS);
        let collector = Collector::new(root, bounds, receiver, wake.clone())?;
        std::thread::Builder::new()
            .name("gateless-logs".into())
            .spawn(move || collector.run())?;
        let commands = Some(commands);
        Ok(Self {
            shared: Arc::new(Shared { commands, wake }),
        })
    }

    /// Copies the source from now on. Blocks while a thousand commands wait.
    pub(super) fn watch(&self, source: Source) {
        if let Some(commands) = &self.shared.commands {
            let _ = commands.send(Command::Watch(source));
            self.wake();
        }
    }

    /// Takes a line that never was in a raw file. While a thousand commands wait it is dropped:
    /// a component that floods its log must not delay anybody's call.
    #[cfg_attr(
        not(any(feature = "wasm", feature = "containers")),
        allow(
            dead_code,
            reason = "only components speak in this process, and containers through their engine"
        )
    )]
    pub(super) fn say(&self, spoken: Spoken) {
        self.try_send(Command::Spoken(spoken));
    }

    /// As [`Logs::say`], but waits for its turn: for lines that are still there when they are asked for later.
    #[cfg(feature = "containers")]
    pub(super) async fn say_in_turn(&self, spoken: Spoken) {
        let Some(commands) = self.shared.commands.clone() else {
            return;
        };
        if let Err(blocking::TrySendError::Full(command)) =
            commands.try_send(Command::Spoken(spoken))
        {
            let sending = tokio::task::spawn_blocking(move || drop(commands.send(command)));
            // The thread ends with the last of these: this is one.
            sending.await.ok();
        }
        self.wake();
    }

    /// Copies the rest of an ended instance's output and forgets it; gives back its last lines.
    pub(super) async fn finish(&self, id: &InstanceId) -> Vec<String> {
        let (reply, answer) = oneshot::channel();
        self.try_send(Command::Finish(id.clone(), reply));
        answer.await.unwrap_or_default()
    }

    /// Lines, oldest first; with `follow` it ends when the receiver is dropped. Must run inside the runtime.
    #[must_use]
    pub fn query(&self, query: LogQuery) -> mpsc::Receiver<LogLine> {
        let (lines, receiver) = mpsc::channel(READER_LINES);
        let (reply, answer) = oneshot::channel();
        self.try_send(Command::Query(query.clone(), reply));
        tokio::spawn(async move {
            if let Ok(found) = answer.await {
                answer_query(query, found, lines).await;
            }
        });
        receiver
    }

    /// A full queue answers with nothing rather than make a call wait for the disk.
    fn try_send(&self, command: Command) {
        if let Some(commands) = &self.shared.commands {
            let _ = commands.try_send(command);
            self.wake();
        }
    }

    fn wake(&self) {
        let _ = rustix::io::write(&*self.shared.wake, &1_u64.to_ne_bytes());
    }
}

async fn answer_query(query: LogQuery, found: Found, lines: mpsc::Sender<LogLine>) {
    let history = found.history;
    let read = tokio::task::spawn_blocking(move || store::read(history, &query));
    for line in read.await.unwrap_or_default() {
        if lines.send(line).await.is_err() {
            return;
        }
    }
    let Some(mut live) = found.live else { return };
    loop {
        let line = tokio::select! {
            line = live.recv() => line,
            () = lines.closed() => None,
        };
        let Some(line) = line else { return };
        if lines.send(line).await.is_err() {
            return;
        }
    }
}
