//! Where instances run: the driver trait, its events, and the drivers themselves.
//!
//! A driver starts, watches, stops and adopts instances; it deliberately decides nothing: how
//! many run, when one is replaced, and how long to wait after a crash is for the reconciler.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::config::{self, Kind};
use gateless_core::name::{FunctionName, InstanceId, RevisionName};
use gateless_core::resources::Resources;

pub use crate::endpoint::target::Target;
pub use registry::Drivers;
use socket::Socket;

#[cfg(feature = "containers")]
pub mod container;
pub mod engine;
mod environment;
mod exit;
pub mod fake;
pub mod folder;
pub mod logs;
pub mod process;
pub mod registry;
pub mod socket;
#[cfg(feature = "wasm")]
pub mod wasm;

#[cfg(test)]
pub(crate) mod contract;

/// How many of its last lines an [`Exit`] carries.
pub const LAST_LOG_LINES: usize = 20;

/// Starts, watches, stops and adopts instances. Its events go to the channel it was made with.
///
/// For every accepted [`Driver::start`] there is exactly one [`Event::Exited`] in the end, before
/// it at most one [`Event::Ready`]; a driver that is shut down with [`Shutdown::Leave`] says no
/// more.
pub trait Driver: Send + Sync + 'static {
    /// The runtime whose revisions it runs.
    fn kind(&self) -> Kind;

    /// What an instance of a revision of its kind takes from the host, by which it is placed. The same revision
    /// always costs the same.
    fn cost(&self, revision: &config::Revision) -> Resources;

    /// Starts an instance; returns at once. An id that is already known is ignored.
    fn start(&self, request: StartRequest);

    /// Stops an instance: asked first, killed after the grace its revision allows. Unknown ids are
    /// ignored, so it can be repeated. The caller drains the instance before this.
    fn stop(&self, id: &InstanceId);

    /// Ends an instance at once, because of what `cause` says, with [`ExitReason::Unresponsive`]. Unknown ids are ignored.
    fn kill(&self, id: &InstanceId, cause: &str);

    /// Whether the host keeps everything of an instance from running, as after SIGSTOP: it is certain to do nothing.
    /// `false` where that cannot be known. It may block: it reads about every thread of every process that is asked of.
    fn is_stopped(&self, _: &InstanceId) -> bool {
        false
    }

    /// Gets what a revision is started from ahead of its first start, in the background; `false`: it has to be asked again.
    fn prepare(&self, _: &Arc<config::Revision>) -> bool {
        true
    }

    /// The function whose instance has this address for itself; `None`: it is no instance's.
    fn function_at(&self, _: IpAddr) -> Option<FunctionName> {
        None
    }

    /// The function whose instance has this socket; `None`: it is no instance's, or nobody can tell. It may block.
    fn function_of(&self, _: &Socket) -> Option<FunctionName> {
        None
    }

    /// What an earlier driver on the same data left running, now watched by this one; call it once,
    /// before the first start. What cannot be adopted is killed. Instances that are not ready yet
    /// get a [`Event::Ready`] or [`Event::Exited`] later.
    fn adopt(&self) -> BoxFuture<'_, Vec<Adopted>>;

    /// Ends the driver. With [`Shutdown::Stop`] every instance's exit is reported first.
    fn shutdown(&self, how: Shutdown) -> BoxFuture<'_, ()>;
}

/// What becomes of the instances when their driver ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// They go on, for the next driver to adopt.
    Leave,
    /// They are stopped, each with its grace.
    Stop,
}

/// One instance to start.
#[derive(Clone)]
pub struct StartRequest {
    /// Never used before.
    pub id: InstanceId,
    /// What to start.
    pub revision: Arc<config::Revision>,
    /// Environment from secrets: variable name to value. Never logged, never written to disk.
    pub secrets: BTreeMap<String, String>,
    /// The version of these values, by which older ones are told from them.
    pub secrets_version: u64,
    /// The revision's bundle as a file; whoever fetched it has checked its digest.
    pub bundle: Option<PathBuf>,
    /// Where the instance reaches other functions.
    pub gateless_url: String,
}

/// What happened to an instance.
#[derive(Debug, Clone)]
pub enum Event {
    /// It takes calls.
    Ready {
        id: InstanceId,
        target: Target,
        /// Since [`Driver::start`].
        started_in: Duration,
    },
    /// It is gone, and so is everything it started.
    Exited {
        id: InstanceId,
        /// How and why.
        exit: Exit,
    },
}

/// How an instance ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The kind of end.
    pub reason: ExitReason,
    /// Exit code, if it exited.
    pub code: Option<i32>,
    /// Signal number, if one killed it.
    pub signal: Option<i32>,
    /// For people: `exited with code 3 before it was ready`.
    pub message: String,
    /// At most [`LAST_LOG_LINES`], both streams, oldest first.
    pub last_log_lines: Vec<String>,
    /// Whether it was ever ready.
    pub was_ready: bool,
}

/// The kind of end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// By itself, with a code.
    Exited,
    /// Killed by a signal nobody here sent.
    Signaled,
    /// Not ready within the start timeout.
    StartTimeout,
    /// It never ran: bad command, bad bundle, no port, no room.
    SpawnFailed,
    /// As [`Driver::stop`] or a shutdown asked.
    Stopped,
    /// It did nothing any more, and [`Driver::kill`] ended it.
    Unresponsive,
    /// An adopted instance ended; only its parent, now dead, could have learnt how.
    Unknown,
}

impl ExitReason {
    /// As conditions and metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "Exited",
            Self::Signaled => "Signaled",
            Self::StartTimeout => "StartTimeout",
            Self::SpawnFailed => "SpawnFailed",
            Self::Stopped => "Stopped",
            Self::Unresponsive => "Unresponsive",
            Self::Unknown => "Unknown",
        }
    }
}

/// An instance an earlier driver started.
#[derive(Debug, Clone)]
pub struct Adopted {
    pub id: InstanceId,
    /// What it runs.
    pub revision: RevisionName,
    /// The revision's uid when it was started.
    pub revision_uid: Arc<str>,
    /// Where it answers, or will.
    pub target: Target,
    /// Whether it answers now.
    pub ready: bool,
    pub started_at_ms: u64,
    /// As in its [`StartRequest`].
    pub secrets_version: u64,
}

/// Which log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Of this function.
    pub function: FunctionName,
    /// Only of this revision.
    pub revision: Option<RevisionName>,
    /// Only of this instance.
    pub instance: Option<InstanceId>,
    /// The last so many; `None` means as many as [`gateless_common::limits::LOG_LINES`].
    pub tail: Option<usize>,
    /// Not older than this, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Older than this, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// Go on with new lines as they come.
    pub follow: bool,
}

impl LogQuery {
    /// Whether lines of that time are asked for.
    #[must_use]
    pub fn is_in_time(&self, time_ms: u64) -> bool {
        self.since_ms.is_none_or(|since| time_ms >= since)
            && self.until_ms.is_none_or(|until| time_ms < until)
    }
}

/// One line an instance wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was read, Unix milliseconds.
    pub time_ms: u64,
    /// The writer's revision.
    pub revision: RevisionName,
    pub instance: InstanceId,
    /// Where it wrote.
    pub stream: LogStream,
    /// Without its line end; cut at [`logs::MAX_LINE_BYTES`].
    pub line: String,
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogStream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl LogStream {
    /// As the API names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}
