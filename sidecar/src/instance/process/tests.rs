//! The process driver against real processes: the contract, and what only processes can do.

mod adoption;
mod cpu;
mod fence;
mod launcher;
mod lifecycle;
mod output;
mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateless_core::config;
use gateless_core::name::{InstanceId, NodeId};
use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::sync::mpsc;

use super::{Config, ProcessDriver, procfs};
use crate::instance::contract::{self, Host, Opened, PATIENCE, Program, contract};
use crate::instance::folder::Folder;
use crate::instance::logs::{Bounds, Logs};
use crate::instance::{Event, Target};

/// A data folder and node of a test's own; whatever happens, no process of it stays.
pub(super) struct Node {
    folder: tempfile::TempDir,
    id: NodeId,
    ports: std::ops::RangeInclusive<u16>,
}

impl Node {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            id: NodeId::new(&format!("{:08x}", rand::random::<u32>())),
            ports: super::DEFAULT_RANGE,
        }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn config(&self) -> Config {
        let mut config = Config::new(self.id.clone(), fence::usual());
        config.ports = self.ports.clone();
        config
    }

    fn opened(&self, config: Config) -> Opened {
        let (sender, events) = mpsc::channel(64);
        let (driver, logs) = open(&self.data(), config, sender);
        Opened {
            driver: Arc::new(driver),
            events,
            logs: Box::new(move |query| logs.query(query)),
        }
    }

    fn instance_folder(&self, id: &InstanceId) -> PathBuf {
        self.data().join("instances").join(id.as_str())
    }
}

/// A driver on a data folder, and what its instances say.
pub(super) fn open(
    data: &Path,
    config: Config,
    events: mpsc::Sender<Event>,
) -> (ProcessDriver, Logs) {
    let folder = Arc::new(Folder::open(data).unwrap());
    let logs = Logs::open(folder.logs(), Bounds::default()).unwrap();
    let driver = ProcessDriver::open(config, folder, logs.clone(), events).unwrap();
    (driver, logs)
}

impl Drop for Node {
    fn drop(&mut self) {
        for sandbox in fence::all() {
            sandbox.sweep(self.id.as_str(), |_| false);
        }
        procfs::end_launchers(self.id.as_str(), |_| false);
        procfs::kill_marked(self.id.as_str(), |_| false);
    }
}

/// A revision that runs the test server of [`program`].
pub(super) fn serving(name: &str, options: &[(&str, &str)]) -> config::Revision {
    let command = program::command();
    let mut revision = contract::revision(
        name,
        contract::process(&command.iter().map(String::as_str).collect::<Vec<_>>()),
    );
    revision.env = BTreeMap::from([(program::MODE.into(), "serve".into())]);
    let options = options.iter();
    revision
        .env
        .extend(options.map(|(name, value)| ((*name).into(), (*value).into())));
    revision
}

pub(super) fn shell(name: &str, script: &str) -> config::Revision {
    contract::revision(name, contract::process(&["sh", "-c", script]))
}

pub(super) fn of(revision: &mut config::Revision) -> &mut config::Process {
    let config::Runtime::Process(process) = &mut revision.runtime else {
        unreachable!("made above")
    };
    process
}

impl Host for Node {
    fn open(&self) -> Opened {
        self.opened(self.config())
    }

    fn revision(&self, name: &str, program: Program) -> config::Revision {
        match program {
            Program::Serve => serving(name, &[]),
            Program::Exit(code) => shell(name, &format!("exit {code}")),
            Program::NeverListen => shell(name, "exec sleep 1000"),
            Program::Missing => contract::revision(name, contract::process(&["no-such-command"])),
        }
    }

    fn crash<'a>(&'a self, _: &'a InstanceId, at: &'a Target, code: i32) -> BoxFuture<'a, ()> {
        async move { drop(contract::ask(at, &format!("/exit/{code}")).await) }.boxed()
    }

    fn say<'a>(&'a self, _: &'a InstanceId, at: &'a Target, line: &'a str) -> BoxFuture<'a, ()> {
        async move { drop(contract::ask(at, &format!("/print/{line}")).await) }.boxed()
    }
}

contract!(super::tests::Node::new());

/// Waits until a process is gone, by its handle and not by time.
pub(super) fn wait_gone(pid: i32) {
    let Ok(handle) = procfs::open(pid) else {
        return;
    };
    let patience = Timespec {
        tv_sec: PATIENCE.as_secs().cast_signed(),
        tv_nsec: 0,
    };
    let mut exited = [PollFd::new(&handle, PollFlags::IN)];
    let ended = rustix::event::poll(&mut exited, Some(&patience)).unwrap();
    assert_eq!(ended, 1, "process {pid} is still there");
}

pub(super) fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

pub(super) const SHORT: Duration = Duration::from_millis(100);
