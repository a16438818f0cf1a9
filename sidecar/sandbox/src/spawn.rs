//! The sidecar's half: what this host can do, and the start of a launcher, by which every program is started, with walls or without.
//!
//! Blocks for as long as a launch takes, about two milliseconds; call it where blocking is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::enter::ARGUMENT;
use crate::fence::{Fence, Kind};
use crate::group::{Hierarchies, Limits};
use crate::level::{self, Isolation, Level, Missing, Part};
use crate::message::{self, Failure};
use crate::plan::Plan;
use crate::{MAX_PROCESSES, rules};

/// The binary that is running, also when its file was replaced meanwhile.
const OWN_BINARY: &str = "/proc/self/exe";
/// A launch that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of the host's memory, for a tree whose function names no limit: one alone cannot take the host down.
const DEFAULT_MEMORY_PERCENT: u64 = 75;
/// Where user ids of instances begin: a range that neither people nor containers nor systemd's services have. Each instance gets this plus its
/// port, which is its own on the whole host.
const FIRST_USER: u32 = 0x7000_0000;

/// How a sidecar isolates what it runs.
#[derive(Debug, Clone)]
pub struct Settings {
    pub level: Level,
    /// Folders and files no instance sees.
    pub hidden: Vec<PathBuf>,
    /// Folders of the host that every instance may write to, as far as their modes let others.
    pub shared: Vec<PathBuf>,
    /// Folders of the host that every instance sees, also where all else is hidden.
    pub shown: Vec<PathBuf>,
}

impl Settings {
    #[must_use]
    pub const fn none() -> Self {
        Self {
            level: Level::None,
            hidden: Vec::new(),
            shared: Vec::new(),
            shown: Vec::new(),
        }
    }
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program itself could not be run.
    #[error(transparent)]
    Program(io::Error),
    /// A wall or the fence could not be built.
    #[error("cannot launch it: cannot {step}: {cause}")]
    Wall { step: String, cause: io::Error },
}

/// Names the step of a wall that could not be built.
fn wall(step: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |cause| Error::Wall {
        step: step.to_owned(),
        cause,
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let cause = io::Error::from_raw_os_error(failure.errno);
        match failure.program {
            true => Self::Program(cause),
            false => Self::Wall {
                step: failure.step,
                cause,
            },
        }
    }
}

/// Starts programs within a fence, and within walls if the level asks for them.
#[derive(Debug)]
pub struct Sandbox {
    settings: Settings,
    parts: BTreeSet<Part>,
    isolation: Isolation,
    hierarchies: Hierarchies,
    default_memory: Option<u64>,
}

/// What one function's instances may use, as it says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Bytes; `None`: the most a tree may have here.
    pub memory: Option<u64>,
    /// Thousandths of a CPU; `None`: its share of what others leave.
    pub cpu: Option<u32>,
}

/// A program that runs.
#[derive(Debug)]
pub struct Started {
    /// The launcher that stands for it, or the program itself where a control group is all that is round it.
    pub child: Child,
    /// What it is ended by.
    pub fence: Fence,
}

impl Sandbox {
    /// Finds out what the host can do, by doing it once.
    ///
    /// # Errors
    /// The missing parts, if the level asks for them.
    pub fn open(settings: Settings) -> Result<Self, Missing> {
        Self::within(settings, Hierarchies::detect())
    }

    /// The same, with control groups in these hierarchies alone.
    ///
    /// # Errors
    /// The missing parts, if the level asks for them.
    pub fn within(settings: Settings, hierarchies: Hierarchies) -> Result<Self, Missing> {
        let root = nix::unistd::geteuid().is_root();
        let mut can = BTreeSet::new();
        let mut offer = |part, there: bool| {
            if there {
                can.insert(part);
            }
        };
        offer(Part::Memory, hierarchies.has_memory());
        offer(Part::Processes, hierarchies.has_processes());
        offer(Part::Cpu, hierarchies.has_cpu());
        offer(Part::Landlock, rules::is_there());
        offer(Part::Fence, hierarchies.has_fence());
        if settings.level != Level::None {
            let user = root.then_some(FIRST_USER);
            offer(
                Part::Seccomp,
                tries(&Plan {
                    filter: true,
                    ..Plan::default()
                }),
            );
            let namespaces = tries(&Plan {
                namespaces: true,
                user,
                ..Plan::default()
            });
            offer(Part::Namespaces, namespaces);
            offer(Part::Fence, namespaces);
            offer(Part::User, namespaces && root);
        }
        let (parts, missing) = level::choose(settings.level, root, &can)?;
        Ok(Self {
            isolation: Isolation::of(settings.level, &missing, root),
            settings,
            parts,
            hierarchies,
            default_memory: default_memory(),
        })
    }

    /// What was asked for, and what this host lacks of it.
    #[must_use]
    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// Whether an instance cannot change any file of the host but those it is given to write.
    #[must_use]
    pub fn holds_files(&self) -> bool {
        self.has_namespaces() || self.parts.contains(&Part::Landlock)
    }

    /// Whether an instance has files, processes and a `/tmp` of its own.
    #[must_use]
    pub fn has_namespaces(&self) -> bool {
        self.parts.contains(&Part::Namespaces)
    }

    /// The user that the instance with this port runs as; `None`: the sidecar's.
    #[must_use]
    pub fn user(&self, port: u16) -> Option<u32> {
        self.parts
            .contains(&Part::User)
            .then(|| FIRST_USER + u32::from(port))
    }

    /// Whether nobody may see it but the sidecar.
    #[must_use]
    pub fn hides(&self, path: &Path) -> bool {
        let mut hidden = self.settings.hidden.iter();
        self.has_walls() && hidden.any(|hidden| path.starts_with(hidden))
    }

    /// Whether there are any round what is started.
    fn has_walls(&self) -> bool {
        self.settings.level != Level::None
    }

    fn limits(&self, usage: Usage) -> Limits {
        if !self.has_walls() {
            return Limits {
                cpu: usage.cpu,
                ..Limits::default()
            };
        }
        Limits {
            memory: usage.memory.or(self.default_memory),
            processes: Some(MAX_PROCESSES),
            cpu: usage.cpu,
            share: true,
        }
    }

    /// What is round it.
    fn add_walls(&self, plan: &mut Plan) {
        plan.walls = true;
        plan.user = self.user(plan.port);
        plan.namespaces = self.has_namespaces();
        plan.filter = self.parts.contains(&Part::Seccomp);
        plan.rules = self.parts.contains(&Part::Landlock);
        if self.hierarchies.has_memory() {
            plan.address_space = None;
        }
        plan.view
            .hidden
            .extend(self.settings.hidden.iter().cloned());
        plan.view
            .writable
            .extend(self.settings.shared.iter().cloned());
        plan.view.shown.extend(self.settings.shown.iter().cloned());
    }

    /// Starts a program. `plan` names it and what it sees; the walls are added here. `name` is its node and its own.
    ///
    /// # Errors
    /// When a wall cannot be built or the program not be run. Nothing is left of it then.
    pub fn start(
        &self,
        (node, instance): (&str, &str),
        mut plan: Plan,
        listener: Option<&OwnedFd>,
        usage: Usage,
        (out, error): (Stdio, Stdio),
        marks: &BTreeMap<&str, String>,
    ) -> Result<Started, Error> {
        let group = self
            .hierarchies
            .create(node, instance, self.limits(usage))
            .map_err(wall("make its control groups"))?;
        plan.groups = group.folders().to_vec();
        plan.address_space = usage.memory;
        if self.has_walls() {
            self.add_walls(&mut plan);
        }
        let fence = Fence::new(group, plan.namespaces);
        plan.subreaper = fence.kind() == Kind::Subreaper;
        let mut command = Command::new(OWN_BINARY);
        command
            .arg0("gateless-instance")
            .arg(ARGUMENT)
            .arg(instance)
            .env_clear()
            .envs(marks)
            .stdout(out)
            .stderr(error);
        match launch(&mut command, &plan, listener) {
            Ok(child) => Ok(Started { child, fence }),
            Err(error) => {
                fence.group().end();
                Err(error)
            }
        }
    }

    /// Kills and removes the control groups of a node's instances that `keep` does not want; says how many.
    pub fn sweep(&self, node: &str, keep: impl Fn(&str) -> bool) -> usize {
        self.hierarchies.sweep(node, keep)
    }
}

fn tries(plan: &Plan) -> bool {
    let mut command = Command::new(OWN_BINARY);
    command
        .arg(ARGUMENT)
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let plan = Plan {
        folder: "/".into(),
        walls: true,
        ..plan.clone()
    };
    let mut child = match launch(&mut command, &plan, None) {
        Ok(child) => child,
        Err(_) => return false,
    };
    child.wait().is_ok_and(|status| status.success())
}

fn launch(command: &mut Command, plan: &Plan, listener: Option<&OwnedFd>) -> Result<Child, Error> {
    let (mut here, there) = UnixStream::pair().map_err(wall("make a socket"))?;
    here.set_read_timeout(Some(PATIENCE))
        .map_err(wall("bound its time"))?;
    here.set_write_timeout(Some(PATIENCE))
        .map_err(wall("bound its time"))?;
    command.stdin(OwnedFd::from(there)).process_group(0);
    let mut child = command.spawn().map_err(wall("start the launcher"))?;
    // Else the command would keep the other end open.
    command.stdin(Stdio::null());
    let outcome = message::send(&mut here, plan, listener.map(AsFd::as_fd))
        .and_then(|()| message::outcome(&mut here));
    let error = match outcome {
        Ok(Ok(())) => return Ok(child),
        Ok(Err(failure)) => failure.into(),
        Err(cause) => wall("hear from the launcher")(cause),
    };
    child.kill().ok();
    child.wait().ok();
    Err(error)
}

fn default_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024 / 100 * DEFAULT_MEMORY_PERCENT)
}
