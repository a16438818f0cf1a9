//! Control groups: the limits of an instance's whole tree of processes, and the fence by which all of it is killed.
//!
//! Of version 2 where it has the controllers, else of version 1, or of both as systemd's hybrid setup has them. A group is named
//! `gateless-NODE-INSTANCE` and lies beside the sidecar, within what the sidecar itself was given. Deliberately no service of its own
//! that would have to run: the folders are all there is.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

mod detect;

/// Where a sidecar goes that must not stand in the way of its own groups' controllers.
const SIDECAR: &str = "gateless-sidecar";
const PREFIX: &str = "gateless-";
const PROCESSES_FILE: &str = "cgroup.procs";
/// A process that was killed is gone within moments; who still is not is left to the next sweep.
const REMOVALS: u32 = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(2);
/// Microseconds in which a tree may use its CPUs' time: the kernel's own default.
const CPU_PERIOD_US: u64 = 100_000;
/// The least quota the kernel takes.
const MIN_CPU_QUOTA_US: u64 = 1_000;
/// Rounds of killing, where the kernel has no way to kill a group at once. No new process can be made meanwhile.
const KILL_ROUNDS: u32 = 50;

/// What an instance's tree may use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Bytes of memory, its files in memory included; `None`: as much as there is.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Thousandths of a CPU; `None`: an equal share with other instances of what is free.
    pub cpu: Option<u32>,
}

/// A hierarchy and what is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    /// Where groups are made.
    base: PathBuf,
    /// Version 2: files have other names.
    unified: bool,
}

/// The hierarchies of this host in which the sidecar can make groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hierarchies {
    fence: Option<Hierarchy>,
    memory: Option<Hierarchy>,
    processes: Option<Hierarchy>,
    cpu: Option<Hierarchy>,
}

impl Hierarchies {
    /// Looks for them, and tries each.
    #[must_use]
    pub fn detect() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let found = detect::parse(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        let unified = found.unified.map(|base| prepare(&base));
        let of = |controller: &str| {
            if let Some((base, enabled)) = &unified
                && enabled.contains(controller)
            {
                return Some(Hierarchy {
                    base: base.clone(),
                    unified: true,
                });
            }
            let base = found.controllers.get(controller)?.clone();
            // A kernel may know shares of the CPU and no quotas.
            let file = match controller {
                "cpu" => "cpu.cfs_quota_us",
                _ => PROCESSES_FILE,
            };
            is_usable(&base, file).then_some(Hierarchy {
                base,
                unified: false,
            })
        };
        let fence = unified
            .as_ref()
            .map(|(base, _)| base.clone())
            .filter(|base| is_usable(base, PROCESSES_FILE));
        Self {
            memory: of("memory"),
            processes: of("pids"),
            cpu: of("cpu"),
            fence: fence.map(|base| Hierarchy {
                base,
                unified: true,
            }),
        }
    }

    /// Whether the memory of a tree can be bounded.
    #[must_use]
    pub fn has_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Whether the number of its processes can.
    #[must_use]
    pub fn has_processes(&self) -> bool {
        self.processes.is_some()
    }

    /// Whether it can be given a share of the CPU.
    #[must_use]
    pub fn has_cpu(&self) -> bool {
        self.cpu.is_some()
    }

    fn bases(&self) -> BTreeSet<&Path> {
        let all = [&self.fence, &self.memory, &self.processes, &self.cpu];
        all.into_iter()
            .flatten()
            .map(|hierarchy| hierarchy.base.as_path())
            .collect()
    }

    /// Makes an instance's groups.
    ///
    /// # Errors
    /// When the kernel refuses one; none is left then.
    pub fn create(&self, node: &str, instance: &str, limits: Limits) -> io::Result<Group> {
        let name = format!("{PREFIX}{node}-{instance}");
        let group = Group {
            folders: self
                .bases()
                .into_iter()
                .map(|base| base.join(&name))
                .collect(),
        };
        let made = || -> io::Result<()> {
            for folder in &group.folders {
                match fs::create_dir(folder) {
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
            }
            self.limit(&name, limits)
        };
        made()
            .inspect_err(|_| {
                group.remove();
            })
            .map(|()| group)
    }

    fn limit(&self, name: &str, limits: Limits) -> io::Result<()> {
        if let (Some(bytes), Some(memory)) = (limits.memory, &self.memory) {
            let folder = memory.base.join(name);
            if memory.unified {
                fs::write(folder.join("memory.max"), bytes.to_string())?;
                // Where the host swaps at all; and the tree dies as one.
                fs::write(folder.join("memory.swap.max"), "0").ok();
                fs::write(folder.join("memory.oom.group"), "1").ok();
            } else {
                fs::write(folder.join("memory.limit_in_bytes"), bytes.to_string())?;
                fs::write(
                    folder.join("memory.memsw.limit_in_bytes"),
                    bytes.to_string(),
                )
                .ok();
            }
        }
        if let (Some(count), Some(processes)) = (limits.processes, &self.processes) {
            fs::write(
                processes.base.join(name).join("pids.max"),
                count.to_string(),
            )?;
        }
        if let (Some(millicores), Some(cpu)) = (limits.cpu, &self.cpu) {
            let folder = cpu.base.join(name);
            let quota = cpu_quota(millicores);
            if cpu.unified {
                fs::write(folder.join("cpu.max"), format!("{quota} {CPU_PERIOD_US}"))?;
            } else {
                fs::write(folder.join("cpu.cfs_period_us"), CPU_PERIOD_US.to_string())?;
                fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string())?;
            }
        }
        Ok(())
    }

    /// Kills and removes the groups of a node's instances that `keep` does not want; says how many.
    pub fn sweep(&self, node: &str, keep: impl Fn(&str) -> bool) -> usize {
        let prefix = format!("{PREFIX}{node}-");
        let mut gone = BTreeSet::new();
        for base in self.bases() {
            for entry in fs::read_dir(base).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name
                    .strip_prefix(&prefix)
                    .is_some_and(|instance| !keep(instance))
                {
                    gone.insert(name);
                }
            }
        }
        for name in &gone {
            let folders = self
                .bases()
                .into_iter()
                .map(|base| base.join(name))
                .filter(|folder| folder.is_dir());
            let group = Group {
                folders: folders.collect(),
            };
            group.kill();
            group.remove();
        }
        gone.len()
    }
}

/// Of each period.
fn cpu_quota(millicores: u32) -> u64 {
    (u64::from(millicores) * CPU_PERIOD_US / 1_000).max(MIN_CPU_QUOTA_US)
}

/// The unified hierarchy gives its controllers only to groups whose parent has no process itself, so the sidecar steps aside.
fn prepare(own: &Path) -> (PathBuf, BTreeSet<String>) {
    let base = match own.file_name() {
        Some(name) if name == SIDECAR => own.parent().unwrap_or(own).to_owned(),
        _ => own.to_owned(),
    };
    let words = |file: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(base.join(file)).unwrap_or_default();
        text.split_ascii_whitespace().map(str::to_owned).collect()
    };
    let offered = words("cgroup.controllers");
    let wanted: Vec<&str> = ["memory", "pids", "cpu"]
        .into_iter()
        .filter(|name| offered.contains(*name))
        .collect();
    let enable = || {
        wanted.iter().for_each(|name| {
            drop(fs::write(
                base.join("cgroup.subtree_control"),
                format!("+{name}"),
            ))
        })
    };
    enable();
    if wanted
        .iter()
        .any(|name| !words("cgroup.subtree_control").contains(*name))
    {
        let aside = base.join(SIDECAR);
        fs::create_dir(&aside).ok();
        fs::write(aside.join(PROCESSES_FILE), "0").ok();
        enable();
    }
    let enabled = words("cgroup.subtree_control");
    (base, enabled)
}

/// Whether groups can be made here, with this file in them.
fn is_usable(base: &Path, file: &str) -> bool {
    let probe = base.join(format!("{PREFIX}probe-{}", std::process::id()));
    let usable = fs::create_dir(&probe).is_ok() && probe.join(file).exists();
    fs::remove_dir(&probe).ok();
    usable
}

/// The groups of one instance, one in each hierarchy.
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

    /// Kills every process in it, whatever it made of itself.
    pub fn kill(&self) {
        let at_once = |folder: &PathBuf| fs::write(folder.join("cgroup.kill"), "1").is_ok();
        if self.folders.iter().any(at_once) {
            return;
        }
        for folder in &self.folders {
            fs::write(folder.join("pids.max"), "0").ok();
        }
        for _ in 0..KILL_ROUNDS {
            let members = self.members();
            if members.is_empty() {
                return;
            }
            for pid in members {
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
            std::thread::sleep(REMOVAL_PAUSE);
        }
    }

    /// The processes in it.
    #[must_use]
    pub fn members(&self) -> BTreeSet<i32> {
        let of =
            |folder: &PathBuf| fs::read_to_string(folder.join(PROCESSES_FILE)).unwrap_or_default();
        let all: Vec<String> = self.folders.iter().map(of).collect();
        all.iter()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.parse().ok())
            .filter(|pid| *pid > 0)
            .collect()
    }

    /// Removes it; whether it is gone. What was killed may take a moment to leave.
    pub fn remove(&self) -> bool {
        for _ in 0..REMOVALS {
            let left = |folder: &&PathBuf| match fs::remove_dir(folder) {
                Ok(()) => false,
                Err(error) => error.kind() != ErrorKind::NotFound,
            };
            if self.folders.iter().filter(left).count() == 0 {
                return true;
            }
            std::thread::sleep(REMOVAL_PAUSE);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchies(base: &Path) -> Hierarchies {
        let hierarchy = |name: &str| {
            let base = base.join(name);
            fs::create_dir_all(&base).unwrap();
            Some(Hierarchy {
                base,
                unified: false,
            })
        };
        Hierarchies {
            memory: hierarchy("memory"),
            processes: hierarchy("pids"),
            cpu: hierarchy("cpu"),
            fence: None,
        }
    }

    /// Files of a plain folder stand for the kernel's: removal is the kernel's own, so only names and values are looked at.
    #[test]
    fn a_group_has_a_folder_in_each_hierarchy_and_its_limits() {
        let folder = tempfile::tempdir().unwrap();
        let all = hierarchies(folder.path());
        let limits = Limits {
            memory: Some(1 << 20),
            processes: Some(7),
            cpu: Some(1_500),
        };
        let group = all.create("node", "one", limits).unwrap();
        let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
        assert_eq!(
            read("memory/gateless-node-one/memory.limit_in_bytes"),
            "1048576"
        );
        assert_eq!(read("pids/gateless-node-one/pids.max"), "7");
        assert_eq!(read("cpu/gateless-node-one/cpu.cfs_period_us"), "100000");
        assert_eq!(read("cpu/gateless-node-one/cpu.cfs_quota_us"), "150000");
        assert_eq!(group.folders().len(), 3);
    }

    #[test]
    fn a_quota_is_never_less_than_the_kernel_takes() {
        assert_eq!(cpu_quota(500), 50_000);
        assert_eq!(cpu_quota(1), MIN_CPU_QUOTA_US);
        assert_eq!(cpu_quota(u32::MAX), 429_496_729_500);
    }

    #[test]
    fn a_sweep_takes_what_is_of_this_node_and_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let all = hierarchies(folder.path());
        for (node, instance) in [("a", "old"), ("a", "new"), ("b", "old")] {
            let made = all.create(node, instance, Limits::default()).unwrap();
            assert!(made.folders().iter().all(|folder| folder.is_dir()));
        }
        assert_eq!(all.sweep("a", |instance| instance == "new"), 1);
        let mut left: Vec<_> = fs::read_dir(folder.path().join("pids"))
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        left.sort();
        // The kernel's folders take their files with them; this one has a limit's file in it.
        assert!(
            left.contains(&"gateless-a-new".into()) && left.contains(&"gateless-b-old".into()),
            "{left:?}"
        );
        assert!(
            !left.contains(&"gateless-a-old".into())
                || folder.path().join("pids/gateless-a-old/pids.max").exists()
        );
    }
}
