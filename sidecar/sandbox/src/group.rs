//! Control groups: where they can be made, and the limits of an instance's whole tree of processes.
//!
//! Of version 2 where it has the controllers, else of version 1, or of both as systemd's hybrid setup has them. A group is named
//! `gateless-NODE-INSTANCE` and lies beside the sidecar, within what the sidecar itself was given. Deliberately no service of its own
//! that would have to run: the folders are all there is. How all that is in one is ended: `fence`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::fence::{Group, PROCESSES_FILE};

mod detect;

/// Where a sidecar goes that must not stand in the way of its own groups' controllers.
const SIDECAR: &str = "gateless-sidecar";
const PREFIX: &str = "gateless-";
/// Microseconds in which a tree may use its CPUs' time: the kernel's own default.
const CPU_PERIOD_US: u64 = 100_000;
/// The least quota the kernel takes.
const MIN_CPU_QUOTA_US: u64 = 1_000;
/// Controllers of version 1 that make a fence, the best first: what is frozen starts nothing while it is killed, nor what may have no
/// process.
const FENCES: [&str; 4] = ["freezer", "pids", "memory", "cpu"];

/// What an instance's tree may use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Bytes of memory, its files in memory included; `None`: as much as there is.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Thousandths of a CPU; `None`: as much as is free.
    pub cpu: Option<u32>,
    /// Whether what is free is shared equally between instances, however many processes each has.
    pub share: bool,
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
    /// In which every instance has a group, whatever it is limited to.
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
        Self::of(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
    }

    /// Those that the kernel tells this process of in `/proc/self/mountinfo` and `/proc/self/cgroup`, or in a part of these.
    #[must_use]
    pub fn of(mounts: &str, own: &str) -> Self {
        let found = detect::parse(mounts, own);
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
        let fence = fence.map(|base| Hierarchy {
            base,
            unified: true,
        });
        Self {
            memory: of("memory"),
            processes: of("pids"),
            cpu: of("cpu"),
            fence: fence.or_else(|| FENCES.into_iter().find_map(of)),
        }
    }

    /// Whether all that an instance starts can be ended together.
    #[must_use]
    pub fn has_fence(&self) -> bool {
        self.fence.is_some()
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

    /// Where an instance that is limited so has a group.
    fn needed(&self, limits: &Limits) -> BTreeSet<&Path> {
        let pairs = [
            (&self.fence, true),
            (&self.memory, limits.memory.is_some()),
            (&self.processes, limits.processes.is_some()),
            (&self.cpu, limits.share || limits.cpu.is_some()),
        ];
        let needed = pairs.into_iter().filter(|(_, needed)| *needed);
        needed
            .filter_map(|(hierarchy, _)| hierarchy.as_ref())
            .map(|hierarchy| hierarchy.base.as_path())
            .collect()
    }

    /// Makes an instance's groups; none where there is no hierarchy.
    ///
    /// # Errors
    /// When the kernel refuses one; none is left then.
    pub fn create(&self, node: &str, instance: &str, limits: Limits) -> io::Result<Group> {
        let name = format!("{PREFIX}{node}-{instance}");
        let folders = self
            .needed(&limits)
            .into_iter()
            .map(|base| base.join(&name));
        let group = Group::again(folders.collect());
        let made = || -> io::Result<()> {
            for folder in group.folders() {
                match fs::create_dir(folder) {
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
            }
            self.limit(&name, limits)
        };
        made()
            .inspect_err(|_| {
                group.end();
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
            Group::again(folders.collect()).end();
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
    static PROBES: AtomicU32 = AtomicU32::new(0);
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let probe = base.join(format!("{PREFIX}probe-{}-{number}", std::process::id()));
    let usable = fs::create_dir(&probe).is_ok() && probe.join(file).exists();
    fs::remove_dir(&probe).ok();
    usable
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
            fence: hierarchy("pids"),
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
            share: true,
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
    fn one_without_limits_has_the_fence_alone_and_none_where_there_is_no_hierarchy() {
        let folder = tempfile::tempdir().unwrap();
        let all = hierarchies(folder.path());
        let group = all.create("node", "one", Limits::default()).unwrap();
        assert_eq!(
            group.folders(),
            [folder.path().join("pids/gateless-node-one")]
        );
        let none = Hierarchies::of("", "");
        assert!(!none.has_fence());
        let group = none.create("node", "one", Limits::default()).unwrap();
        assert!(group.folders().is_empty());
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
            // Without a limit, which would be a file of a plain folder.
            let limits = Limits {
                share: true,
                ..Limits::default()
            };
            let made = all.create(node, instance, limits).unwrap();
            assert_eq!(made.folders().len(), 2);
            assert!(made.folders().iter().all(|folder| folder.is_dir()));
        }
        assert_eq!(all.sweep("a", |instance| instance == "new"), 1);
        let mut left: Vec<_> = fs::read_dir(folder.path().join("pids"))
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["gateless-a-new", "gateless-b-old"]);
    }
}
