//! What an earlier node of the same data folder left on this host: its id was lost with the folder's files, so nobody adopts it.
//!
//! Who may end it is proven twice. Its processes carry the mark of this data folder, which this sidecar holds; and no living
//! sidecar says that it is that node. A sidecar says so by an open file with its node's id as its name, which whoever sees an
//! instance's environment in `/proc` sees there as well, whatever network or file systems it has, and which no death leaves
//! behind.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, memfd_create};

use super::procfs::{pids, variable};
use crate::instance::environment::{FOLDER_MARK, NODE_MARK};

/// What the announcement of a node begins with.
const NAME: &str = "gateless-node-";

/// Says that the node's sidecar lives, until what is returned is closed.
pub(super) fn announce(node: &str) -> io::Result<OwnedFd> {
    Ok(memfd_create(format!("{NAME}{node}"), MemfdFlags::CLOEXEC)?)
}

/// Nodes other than `node` whose processes were started from the data folder with this mark, and whose sidecar is gone.
pub(super) fn of_folder(mark: &str, node: &str) -> BTreeSet<String> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let others = pids().into_iter().flatten().filter(|pid| *pid != own);
    let started = others.filter_map(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let is_here = variable(&environment, FOLDER_MARK)? == mark;
        variable(&environment, NODE_MARK).filter(|_| is_here)
    });
    let mut nodes: BTreeSet<String> = started.collect();
    nodes.remove(node);
    // A sidecar may be a function's program itself: then it ends nothing of the node that runs it.
    if let Ok(above) = std::env::var(NODE_MARK) {
        nodes.remove(&above);
    }
    if !nodes.is_empty() {
        for alive in pids().into_iter().flatten().flat_map(announced) {
            nodes.remove(&alive);
        }
    }
    nodes
}

/// Every node whose sidecar lives on this host.
#[cfg(feature = "containers")]
pub(in crate::instance) fn living() -> BTreeSet<String> {
    pids().into_iter().flatten().flat_map(announced).collect()
}

/// The nodes that a process says it is the sidecar of; not the one that started it.
fn announced(pid: i32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"));
    let links = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let names = links.filter_map(|link| {
        let name = link.to_str()?.strip_prefix("/memfd:")?;
        let node = name.strip_prefix(NAME)?.split(' ').next()?;
        Some(node.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    if !names.is_empty() {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let started_by = variable(&environment, NODE_MARK);
        names.retain(|node| Some(node) != started_by.as_ref());
    }
    names
}
