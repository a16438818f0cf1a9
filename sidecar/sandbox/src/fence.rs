//! The fence round an instance: what holds everything that it started, however that was done, so that all of it can be ended.
//!
//! A process may leave its process group, its session, its parent and its environment; it cannot leave the control group it was born in
//! without rights that walls take away, nor a pid namespace, nor whoever is its next living ancestor. One of these three is round every
//! instance from before its first instruction, and [`Fence::end`] is the one way in which an instance is ended. Nothing of it is in the
//! sidecar's memory: the next sidecar has it from the disk.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::subreaper::END;
use crate::sys;

pub(crate) const PROCESSES_FILE: &str = "cgroup.procs";
/// Looks at who is left of a killed group, each after the end of one of them or a pause: ten seconds, when none ends at all.
const KILL_ROUNDS: u32 = 500;
const KILL_PAUSE: Duration = Duration::from_millis(20);
/// The kernel may count a process for a moment after its end; a group that it does not give up then is left to the next sweep.
const REMOVALS: u32 = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(2);
/// Looks at whether a group is frozen; one that is not yet is killed again.
const FREEZE_LOOKS: u32 = 50;
/// Groups that an instance may have made within its own, and how deep: what is beyond is not removed, but killed where the kernel can.
const MAX_INNER: usize = 1_000;
const MAX_DEPTH: usize = 8;

/// Which fence an instance is in, as its manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A control group of its own.
    Group,
    /// Its launcher, the subreaper of all that it started.
    Subreaper,
    /// A pid namespace, which ends with its launcher.
    Namespace,
}

/// The fence of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    kind: Kind,
    group: Group,
}

impl Fence {
    pub(crate) fn new(group: Group, namespaces: bool) -> Self {
        let kind = match (group.folders.is_empty(), namespaces) {
            (false, _) => Kind::Group,
            (true, true) => Kind::Namespace,
            (true, false) => Kind::Subreaper,
        };
        Self { kind, group }
    }

    /// One that was noted. `None`: there is none, as round what early versions started without any control group.
    #[must_use]
    pub fn again(kind: Option<Kind>, folders: Vec<PathBuf>) -> Option<Self> {
        let kind = kind.or_else(|| (!folders.is_empty()).then_some(Kind::Group))?;
        Some(Self {
            kind,
            group: Group::again(folders),
        })
    }

    /// Which it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its control groups; none where it is no such fence.
    #[must_use]
    pub const fn group(&self) -> &Group {
        &self.group
    }

    /// Ends all that is in it, at once or, by the launcher `leader`, within moments: once that is gone, all is. Blocks; whether nothing of
    /// it is left to the next sweep.
    pub fn end(&self, leader: BorrowedFd<'_>) -> bool {
        match self.kind {
            Kind::Group => return self.group.end(),
            Kind::Subreaper => Self::end_by_launcher(leader),
            // Who is gone was heard already.
            Kind::Namespace => drop(sys::signal(leader, Signal::SIGKILL)),
        }
        true
    }

    /// Has a launcher end what it started, and itself with it. One that is nobody's fence ends alone.
    pub fn end_by_launcher(launcher: BorrowedFd<'_>) {
        drop(sys::signal(launcher, END));
    }
}

/// The control groups of one instance, one in each hierarchy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    folders: Vec<PathBuf>,
}

impl Group {
    /// One that was made before.
    #[must_use]
    pub fn again(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// Where it is.
    #[must_use]
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Kills every process in it, whatever it made of itself, until there is none, and removes it; whether it is gone. Blocks.
    pub fn end(&self) -> bool {
        for _ in 0..KILL_ROUNDS {
            self.kill();
            match self.members().first() {
                None => return self.remove(),
                Some(pid) => sys::await_end(*pid, KILL_PAUSE),
            }
        }
        false
    }

    fn kill(&self) {
        let at_once = |folder: &PathBuf| write(&folder.join("cgroup.kill"), "1").is_ok();
        // One is enough: the others have no other processes in them.
        if self.folders.iter().filter(|folder| at_once(folder)).count() > 0 {
            return;
        }
        // Version 1 has no such file. What is frozen, or may have no process, starts none while it is killed.
        for folder in self.all() {
            write(&folder.join("pids.max"), "0").ok();
            freeze(&folder);
        }
        for pid in self.members() {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
        for folder in self.all() {
            write(&folder.join("freezer.state"), "THAWED").ok();
        }
    }

    /// The processes in it.
    #[must_use]
    pub fn members(&self) -> BTreeSet<i32> {
        let mut members = BTreeSet::new();
        for folder in self.all() {
            let text = fs::read_to_string(folder.join(PROCESSES_FILE)).unwrap_or_default();
            let pids = text.lines().filter_map(|line| line.parse::<i32>().ok());
            // 0: it is in no namespace that is seen from here.
            members.extend(pids.filter(|pid| *pid > 0));
        }
        members
    }

    /// Its folders with those made within them, the inner ones last.
    fn all(&self) -> Vec<PathBuf> {
        let mut found: Vec<(PathBuf, usize)> =
            self.folders.iter().cloned().map(|one| (one, 0)).collect();
        let mut next = 0;
        while let Some((folder, depth)) = found.get(next).cloned() {
            next += 1;
            if depth == MAX_DEPTH || found.len() >= MAX_INNER {
                continue;
            }
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            found.extend(inner.map(|entry| (entry.path(), depth + 1)));
        }
        found.into_iter().map(|(folder, _)| folder).collect()
    }

    fn remove(&self) -> bool {
        for _ in 0..REMOVALS {
            let left = |folder: &&PathBuf| match fs::remove_dir(folder) {
                Ok(()) => false,
                Err(error) => error.kind() != ErrorKind::NotFound,
            };
            if self.all().iter().rev().filter(left).count() == 0 {
                return true;
            }
            std::thread::sleep(REMOVAL_PAUSE);
        }
        false
    }
}

/// To a file of the kernel's; none is made where it has none of that name.
fn write(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(file)?
        .write_all(text.as_bytes())
}

fn freeze(folder: &Path) {
    let state = folder.join("freezer.state");
    for _ in 0..FREEZE_LOOKS {
        if write(&state, "FROZEN").is_err()
            || fs::read_to_string(&state).is_ok_and(|text| text.trim() == "FROZEN")
        {
            return;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_what_was_noted_and_an_early_versions_group_is_one() {
        let folders = vec![PathBuf::from("/sys/fs/cgroup/gateless-n-i")];
        let check = |kind, folders: &[PathBuf], expected| {
            let fence = Fence::again(kind, folders.to_vec());
            assert_eq!(fence.map(|fence| fence.kind()), expected);
        };
        check(Some(Kind::Subreaper), &[], Some(Kind::Subreaper));
        check(Some(Kind::Group), &folders, Some(Kind::Group));
        check(None, &folders, Some(Kind::Group));
        check(None, &[], None);
    }

    #[test]
    fn there_is_always_a_fence() {
        let group = Group::again(vec!["/x".into()]);
        let kind = |group, namespaces| Fence::new(group, namespaces).kind();
        assert_eq!(kind(group.clone(), true), Kind::Group);
        assert_eq!(kind(group, false), Kind::Group);
        assert_eq!(kind(Group::default(), true), Kind::Namespace);
        assert_eq!(kind(Group::default(), false), Kind::Subreaper);
    }

    #[test]
    fn groups_within_a_group_go_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        fs::create_dir_all(own.join("a/b")).unwrap();
        fs::create_dir_all(own.join("c")).unwrap();
        let group = Group::again(vec![own.clone()]);
        assert_eq!(group.all().len(), 4);
        assert!(group.end() && !own.exists());
        assert!(group.end(), "what is gone is gone");
    }
}
