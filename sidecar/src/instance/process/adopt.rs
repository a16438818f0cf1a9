//! After a restart: which instances of the last sidecar live on, and the end of those that can't.
//!
//! The manifests say what there was, and are not trusted alone: a process is adopted only if its pid, start time and boot are those
//! noted, its port can be claimed, and no stranger listens there. What is in no adopted one's fence is ended: in control groups of this
//! node, below its launchers, and, as early versions had neither, with its mark in the environment. What an earlier node of the same
//! data folder left, whose id went with the folder's files, is ended too.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateless_core::name::{InstanceId, RevisionName};
use rustix::process::Pid;

use super::manifest::{Manifest, ProcessId};
use super::ports::Claim;
use super::readiness::{Look, Watcher};
use super::spawn::Spawned;
use super::{Inner, leftovers, procfs};
use crate::instance::logs::Source;

/// A process to go on with.
pub(super) struct Survivor {
    pub spawned: Spawned,
    pub watcher: Watcher,
    pub revision: RevisionName,
    pub ready: bool,
}

/// What is left of an instance that does not live on.
pub(super) struct Remains {
    pub folder: PathBuf,
    pub id: InstanceId,
}

/// Sorts what the folders tell, and ends everything of the node that is not going on. Blocks.
pub(super) fn take_stock(inner: &Arc<Inner>) -> (Vec<Survivor>, Vec<Remains>) {
    let (mut survivors, mut remains) = (Vec::new(), Vec::new());
    let entries = fs::read_dir(inner.folder.instances());
    for entry in entries.into_iter().flatten().flatten() {
        let folder = entry.path();
        let id = InstanceId::new(&entry.file_name().to_string_lossy());
        if inner.knows(&id) {
            continue;
        }
        let manifest = Manifest::read(&folder).ok();
        let revision = manifest
            .as_ref()
            .and_then(|manifest| manifest.revision.parse().ok());
        if let Some(revision) = &revision {
            inner.logs.watch(Source {
                id: id.clone(),
                revision: RevisionName::clone(revision),
                folder: folder.clone(),
                adopted: true,
            });
        }
        match manifest
            .zip(revision)
            .map(|(manifest, revision)| survivor(inner, &folder, manifest, revision))
        {
            Some(Ok(survivor)) => survivors.push(survivor),
            Some(Err(reason)) => {
                tracing::info!(instance = %id, reason, "instance is not adopted");
                remains.push(Remains { folder, id });
            }
            None => remains.push(Remains { folder, id }),
        }
    }
    let keep = |id: &str| {
        let survives = |kept: &Survivor| kept.spawned.manifest.id == id;
        survivors.iter().any(survives) || inner.knows(&InstanceId::new(id))
    };
    let end = |node: &str| {
        inner.sweep_groups(node, keep);
        procfs::end_launchers(node, keep) + procfs::kill_marked(node, keep)
    };
    let node = inner.config.node.as_str();
    let mut killed = end(node);
    for earlier in leftovers::of_folder(inner.folder.mark(), node) {
        tracing::warn!(
            node = earlier,
            "this data folder was another node's, whose instances are ended: its sidecar is not there any more"
        );
        killed += end(&earlier);
    }
    if killed > 0 {
        tracing::info!(
            processes = killed,
            "killed what an earlier sidecar left behind"
        );
    }
    (survivors, remains)
}

fn survivor(
    inner: &Inner,
    folder: &Path,
    manifest: Manifest,
    revision: RevisionName,
) -> Result<Survivor, &'static str> {
    let process = manifest
        .process
        .clone()
        .ok_or("its start was interrupted")?;
    let pid = Pid::from_raw(process.pid).ok_or("its manifest names no process")?;
    // The handle first: from then on the number cannot come to mean another process.
    let handle = procfs::open(process.pid).map_err(|_| "it is gone")?;
    if !is_same(inner, &process) {
        return Err("it is gone, and its pid is another's");
    }
    let claim =
        Claim::again(manifest.port).map_err(|_| "its port is claimed by another sidecar")?;
    let node = inner.config.node.as_str();
    let watcher = Watcher::new(&manifest, process.pid, node, false);
    let look = watcher.look();
    if look == Look::Foreign {
        return Err("another program has its port");
    }
    // Its death may have come between telling that it is ready and noting it.
    let noted = manifest.was_ready || manifest.question().is_none();
    let ready = noted && look == Look::Listening;
    let mut spawned = Spawned {
        folder: folder.to_owned(),
        pid,
        handle,
        claim,
        child: None,
        manifest,
    };
    spawned.manifest.was_ready |= ready;
    Ok(Survivor {
        ready,
        spawned,
        watcher,
        revision,
    })
}

fn is_same(inner: &Inner, process: &ProcessId) -> bool {
    process.boot == inner.boot
        && procfs::stat(process.pid)
            .is_ok_and(|stat| !stat.zombie && stat.start_time == process.start_time)
}
