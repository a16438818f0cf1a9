//! How much isolation is asked for, what a host can offer, and what follows.
//!
//! Decides only: what the host can do comes in as a set.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// How much isolation an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// All of it, or nothing is started.
    #[default]
    Sandbox,
    /// What the host can do.
    BestEffort,
    /// None: functions are trusted as their host's users are.
    None,
}

impl Level {
    /// As flags name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::BestEffort => "best-effort",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Sandbox, Self::BestEffort, Self::None];
        let found = all.into_iter().find(|level| level.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is none of sandbox, best-effort, none"))
    }
}

/// A wall round an instance that a host may or may not be able to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A user id of its own; needs root.
    User,
    /// Namespaces of users, processes, mounts, ipc and names.
    Namespaces,
    /// The list of refused system calls.
    Seccomp,
    /// Rules on ports, abstract sockets and signals, and where namespaces are missing on files.
    Landlock,
    /// A control group that bounds the memory of the whole tree.
    Memory,
    /// A control group that bounds the number of processes.
    Processes,
    /// A control group that gives each instance its share of the CPU.
    Cpu,
    /// A control group, or a pid namespace, by which all that an instance started is ended. Without either its launcher does that, and only
    /// as long as that lives.
    Fence,
}

impl Part {
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Namespaces,
        Self::Seccomp,
        Self::Landlock,
        Self::Memory,
        Self::Processes,
        Self::Cpu,
        Self::Fence,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "own user ids (the sidecar is not root)",
            Self::Namespaces => "namespaces",
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
            Self::Memory => "cgroup controller memory",
            Self::Processes => "cgroup controller pids",
            Self::Cpu => "cgroup controller cpu",
            Self::Fence => "a cgroup to end all that an instance started",
        }
    }

    /// What an operator does so that the host has it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::User => "run the sidecar as root",
            Self::Namespaces => {
                "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, \
                 kernel.apparmor_restrict_unprivileged_userns), in a container CAP_SYS_ADMIN or a seccomp profile that allows unshare and mount"
            }
            Self::Seccomp => "use a kernel with CONFIG_SECCOMP_FILTER",
            Self::Landlock => {
                "use Linux 5.13 or newer with landlock among its security modules (lsm=)"
            }
            Self::Memory | Self::Processes | Self::Cpu | Self::Fence => {
                "delegate control groups to the sidecar: Delegate=memory pids cpu in its systemd unit, in a container a writable /sys/fs/cgroup"
            }
        }
    }

    /// Whether `sandbox` is no sandbox without it. Own user ids are asked of root alone: an ordinary user has none to give, and
    /// namespaces hold what they would.
    const fn is_needed(self, root: bool) -> bool {
        match self {
            Self::Namespaces
            | Self::Seccomp
            | Self::Memory
            | Self::Processes
            | Self::Cpu
            | Self::Fence => true,
            Self::User => root,
            Self::Landlock => false,
        }
    }
}

/// Parts that a host lacks, of those asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this host cannot isolate functions, it lacks: {}", list(.0))]
pub struct Missing(pub Vec<Part>);

impl Missing {
    /// What to do about it, each remedy once.
    #[must_use]
    pub fn remedies(&self) -> String {
        let mut remedies: Vec<&str> = Vec::new();
        for part in &self.0 {
            if !remedies.contains(&part.remedy()) {
                remedies.push(part.remedy());
            }
        }
        remedies.join("; ")
    }
}

/// Parts in words.
#[must_use]
pub fn list(parts: &[Part]) -> String {
    let names: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
    names.join(", ")
}

/// How far functions are isolated on a host: what was asked for, and what it lacks of that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Isolation {
    pub level: Level,
    /// Parts asked for that are not there.
    pub missing: Vec<Part>,
    /// No part is missing without which `sandbox` would refuse.
    pub whole: bool,
}

impl Isolation {
    pub(crate) fn of(level: Level, missing: &[Part], root: bool) -> Self {
        Self {
            level,
            missing: missing.to_vec(),
            whole: level != Level::None && !missing.iter().any(|part| part.is_needed(root)),
        }
    }
}

/// What is built of what a host can do, and what is missing.
pub(crate) fn choose(
    level: Level,
    root: bool,
    can: &BTreeSet<Part>,
) -> Result<(BTreeSet<Part>, Vec<Part>), Missing> {
    if level == Level::None {
        // No wall; that an instance ends whole, and uses no more CPU than its function says, is none.
        let used = BTreeSet::from([Part::Cpu, Part::Fence]);
        let missing = used.difference(can).copied().collect();
        return Ok((&used & can, missing));
    }
    let mut parts = can.clone();
    // Without mounts of its own a process of another user could not reach its bundle in the sidecar's folder.
    if !parts.contains(&Part::Namespaces) {
        parts.remove(&Part::User);
    }
    let missing: Vec<Part> = Part::ALL
        .into_iter()
        .filter(|part| !parts.contains(part))
        .collect();
    let needed: Vec<Part> = missing
        .iter()
        .copied()
        .filter(|part| part.is_needed(root))
        .collect();
    if level == Level::Sandbox && !needed.is_empty() {
        return Err(Missing(needed));
    }
    Ok((parts, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_but(gone: &[Part]) -> BTreeSet<Part> {
        Part::ALL
            .into_iter()
            .filter(|part| !gone.contains(part))
            .collect()
    }

    #[test]
    fn sandbox_refuses_by_the_name_of_what_is_missing() {
        for part in Part::ALL {
            let chosen = choose(Level::Sandbox, true, &all_but(&[part]));
            match part {
                Part::Landlock => assert!(chosen.is_ok()),
                Part::Namespaces => {
                    assert_eq!(chosen, Err(Missing(vec![Part::User, Part::Namespaces])))
                }
                part => {
                    let missing = chosen.unwrap_err();
                    assert!(missing.to_string().contains(part.as_str()), "{missing}");
                    assert!(missing.remedies().starts_with(part.remedy()), "{missing}");
                }
            }
        }
    }

    #[test]
    fn an_ordinary_user_needs_no_user_ids_to_give() {
        let (parts, missing) = choose(Level::Sandbox, false, &all_but(&[Part::User])).unwrap();
        assert!(!parts.contains(&Part::User));
        assert_eq!(missing, [Part::User]);
    }

    #[test]
    fn best_effort_builds_what_it_can_and_says_what_is_missing() {
        let (parts, missing) =
            choose(Level::BestEffort, true, &all_but(&[Part::Namespaces])).unwrap();
        assert!(parts.contains(&Part::Seccomp) && !parts.contains(&Part::User));
        assert_eq!(missing, [Part::User, Part::Namespaces]);
        let (parts, missing) = choose(Level::BestEffort, true, &BTreeSet::new()).unwrap();
        assert!(parts.is_empty());
        assert_eq!(missing.len(), Part::ALL.len());
    }

    #[test]
    fn a_remedy_is_named_once_for_all_that_it_mends() {
        let missing = Missing(vec![Part::Memory, Part::Processes, Part::Cpu]);
        assert_eq!(missing.remedies().matches("Delegate=").count(), 1);
    }

    #[test]
    fn isolation_is_whole_without_what_sandbox_does_not_need() {
        let whole = |missing: &[Part], root| Isolation::of(Level::BestEffort, missing, root).whole;
        assert!(whole(&[], true) && whole(&[Part::Landlock], true) && whole(&[Part::User], false));
        assert!(!whole(&[Part::User], true) && !whole(&[Part::Cpu], false));
        assert!(!Isolation::of(Level::None, &[], true).whole);
    }

    #[test]
    fn none_is_no_wall_but_says_what_it_lacks_besides_walls() {
        assert_eq!(
            choose(Level::None, true, &all_but(&[])),
            Ok((BTreeSet::from([Part::Cpu, Part::Fence]), Vec::new()))
        );
        assert_eq!(
            choose(Level::None, true, &all_but(&[Part::Fence])),
            Ok((BTreeSet::from([Part::Cpu]), vec![Part::Fence]))
        );
    }

    #[test]
    fn levels_read_back() {
        for level in [Level::Sandbox, Level::BestEffort, Level::None] {
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        assert!("strong".parse::<Level>().is_err());
    }
}
