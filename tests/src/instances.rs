//! The truth about instances: what /proc shows, whatever anybody reports.
//!
//! Deliberately asks neither server nor sidecar.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use crate::process::MARK;

/// A running instance of the test function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance {
    pub pid: u32,
    /// Its function's name.
    pub function: String,
    /// For example `hello-00001`.
    pub revision: String,
    /// The sidecar that started it.
    pub node: String,
}

/// Every process of a cluster that is an instance.
#[must_use]
pub fn of_cluster(mark: &str) -> Vec<Instance> {
    let mut found: Vec<Instance> = marked(mark)
        .into_iter()
        .filter_map(|(pid, environment)| {
            Some(Instance {
                pid,
                function: environment.get("K_SERVICE")?.clone(),
                revision: environment.get("K_REVISION")?.clone(),
                node: environment.get("GATELESS_NODE")?.clone(),
            })
        })
        .collect();
    found.sort();
    found
}

/// Ends what is left of a cluster, each by its own id.
pub fn end_all(mark: &str) {
    for (pid, _) in marked(mark) {
        kill(pid, Signal::KILL);
    }
}

/// Ends what runs a program out of this folder, or in a working directory within it: instances of whoever deployed them
/// without the mark in their environment.
pub fn end_below(folder: &Path) {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let runs_below = ["exe", "cwd"].iter().any(|link| {
            fs::read_link(entry.path().join(link)).is_ok_and(|path| path.starts_with(folder))
        });
        let pid = entry.file_name().to_str().and_then(|pid| pid.parse().ok());
        if let Some(pid) = pid.filter(|_| runs_below) {
            kill(pid, Signal::KILL);
        }
    }
}

/// Sends a signal to one process.
pub fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, signal).ok();
    }
}

/// Kills one process and waits until it is dead: one that was only sent the signal may still take what comes.
///
/// # Errors
/// When there is no such process.
pub fn kill_dead(pid: u32) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    pidfd_send_signal(&process, Signal::KILL)?;
    poll(&mut [PollFd::new(&process, PollFlags::IN)], None)?;
    Ok(())
}

/// Whether it runs (and is not only waited for).
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit(')').next().map(|rest| !rest.starts_with(" Z")))
        .unwrap_or(false)
}

/// Every process that carries this mark, and its environment.
#[must_use]
pub fn marked(mark: &str) -> Vec<(u32, BTreeMap<String, String>)> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid: u32| {
            let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let text = String::from_utf8_lossy(&bytes);
            let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
            let environment: BTreeMap<_, _> = pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            (environment.get(MARK)? == mark && is_alive(pid)).then_some((pid, environment))
        })
        .collect()
}
