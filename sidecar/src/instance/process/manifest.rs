//! What is on disk about each process.
//!
//! `instances/ID/manifest.json` is written before the spawn and again after it, so a sidecar killed
//! at any moment leaves behind enough to adopt the instance or to kill it. Not synced to the
//! platter: it must outlive a process, not a power cut, which no instance outlives either.
//! Holds no secret and no environment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gateless_common::io::{PRIVATE, replace_until_reboot, unix_now};
use gateless_sandbox::{Fence, Kind};
use serde::{Deserialize, Serialize};

use crate::endpoint::probe::Question;

const FILE: &str = "manifest.json";

/// One instance, as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub id: String,
    pub revision: String,
    pub revision_uid: String,
    pub port: u16,
    pub started_at_ms: u64,
    /// A path that must answer well. `None`: any answer will do, or a TCP listener.
    pub ready_path: Option<String>,
    /// Any answer will do.
    #[serde(default)]
    pub ready_answer: bool,
    pub h2c: bool,
    pub start_timeout_ms: u64,
    pub stop_grace_ms: u64,
    pub was_ready: bool,
    /// The version of the values of its secrets.
    #[serde(default)]
    pub secrets_version: u64,
    /// The folder of the unpacked bundle it runs from.
    pub bundle: Option<String>,
    /// Known once it is spawned.
    pub process: Option<ProcessId>,
    /// Its control groups, if it has any.
    #[serde(default)]
    pub groups: Vec<PathBuf>,
    /// What it is ended by. Left out: its control groups, or what early versions had without these, which was nothing.
    #[serde(default)]
    pub fence: Option<Kind>,
}

/// A process that cannot be taken for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessId {
    pub boot: String,
    pub pid: i32,
    pub start_time: u64,
}

impl Manifest {
    /// Writes it whole or not at all. No process outlives a reboot, so an fsync would only stand in the way of a start.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        replace_until_reboot(&folder.join(FILE), &serde_json::to_vec(self)?, PRIVATE)
    }

    /// What must be answered before it is ready; `None`: nothing.
    pub(super) fn question(&self) -> Option<Question> {
        let asked = self.ready_answer || self.ready_path.is_some();
        asked.then(|| Question {
            h2c: self.h2c,
            path: self.ready_path.clone(),
        })
    }

    /// What it is ended by.
    pub(super) fn fence(&self) -> Option<Fence> {
        Fence::again(self.fence, self.groups.clone())
    }

    /// Reads it back.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(folder.join(FILE))?)?)
    }
}

/// Now, Unix milliseconds.
pub(in crate::instance) fn now_ms() -> u64 {
    unix_now().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_and_so_does_a_released_versions() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest {
            id: "i".into(),
            revision: "default/hello/hello-00001".into(),
            revision_uid: "u".into(),
            port: 20000,
            started_at_ms: 1,
            ready_path: Some("/ready".into()),
            ready_answer: false,
            h2c: false,
            start_timeout_ms: 2,
            stop_grace_ms: 3,
            was_ready: true,
            secrets_version: 6,
            bundle: None,
            process: Some(ProcessId {
                boot: "b".into(),
                pid: 4,
                start_time: 5,
            }),
            groups: vec!["/sys/fs/cgroup/gateless-n-i".into()],
            fence: Some(Kind::Group),
        };
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), manifest);

        let (kept, is_to_be_made) = crate::tests::released("instance/manifest.json");
        let kept = kept.parent().unwrap();
        if is_to_be_made {
            fs::create_dir_all(kept).unwrap();
            manifest.write(kept).unwrap();
        }
        // It knew nothing of when a secret was changed, nor of any fence but control groups.
        let released = Manifest {
            secrets_version: 0,
            fence: None,
            ..manifest
        };
        assert_eq!(Manifest::read(kept).unwrap(), released);
        assert_eq!(released.fence().unwrap().kind(), Kind::Group);
    }
}
