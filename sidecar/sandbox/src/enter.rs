//! The launcher: the sidecar's own binary, started once more, that walls itself in and becomes the program.
//!
//! With namespaces it forks twice (see `init`), where it is the only fence once (see `subreaper`); else it becomes the program itself. Every
//! failure is told to the sidecar by the step that failed. Has one thread, and must keep to one.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use crate::message::{self, Failure};
use crate::plan::Plan;
use crate::{filter, identity, init, rules, subreaper, sys, view};

/// The first argument that makes the binary a launcher; no command of anybody's.
pub(crate) const ARGUMENT: &str = "__launch-instance";
/// What systemd's protocol names.
const LISTENER: i32 = 3;
/// As a shell says that a program cannot be run.
const CANNOT_RUN: i32 = 126;
/// A freshly written executable is busy while a fork of the sidecar still holds it open.
const BUSY_RETRIES: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// Turns this process into an instance's program, if a sidecar started it for that. Call it first thing in `main`, before any thread.
pub fn launch_if_asked() {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == ARGUMENT)
    {
        launch();
    }
}

/// Whether a process is a launcher, also one that stands for its program.
#[must_use]
pub fn is_launcher(pid: i32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(ARGUMENT.as_bytes())
}

fn launch() -> ! {
    let input = sys::standard_input();
    let prepared = || -> io::Result<UnixStream> {
        let socket = UnixStream::from(sys::raised(input.as_fd())?);
        sys::make(File::open("/dev/null")?.as_fd(), 0)?;
        Ok(socket)
    };
    let prepared = prepared();
    // Number 0 stays, for the program.
    std::mem::forget(input);
    let Ok(mut socket) = prepared else {
        std::process::exit(CANNOT_RUN)
    };
    let entered = match message::receive(&mut socket) {
        Ok((plan, listener)) => enter(&plan, listener, &mut socket),
        Err(error) => Err(Failure::at("read the plan")(error)),
    };
    let Err(failure) = entered;
    message::report(&mut socket, &failure);
    std::process::exit(CANNOT_RUN)
}

/// The folder a group is in, held open: it is removed from there, by who no longer sees it by its name.
fn join(folder: &Path) -> Result<(OwnedFd, String), Failure> {
    let step = format!("join {}", folder.display());
    let parent = folder.parent().unwrap_or(folder);
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let parent = open(parent, flags, Mode::empty()).map_err(Failure::at(&step))?;
    fs::write(folder.join("cgroup.procs"), "0").map_err(Failure::at(&step))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    Ok((parent, name.into_owned()))
}

fn enter(
    plan: &Plan,
    listener: Option<OwnedFd>,
    socket: &mut UnixStream,
) -> Result<Infallible, Failure> {
    let mut groups = Vec::new();
    for folder in &plan.groups {
        groups.push(join(folder)?);
    }
    if plan.subreaper {
        return enter_kept(plan, listener, socket);
    }
    if !plan.namespaces {
        return become_program(plan, listener);
    }
    let own = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if plan.user.is_some() {
        unshare(own).map_err(Failure::at("make namespaces"))?;
    } else {
        // An ordinary user may make the others only within a user namespace.
        let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        unshare(own | CloneFlags::CLONE_NEWUSER).map_err(Failure::at("make namespaces"))?;
        identity::map_itself(user, group)?;
    }
    let (ended, report_end) =
        nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(Failure::at("make a pipe"))?;
    if let Some(first) = sys::fork().map_err(Failure::at("fork the first process"))? {
        drop(report_end);
        close(socket);
        init::stand_for(first, ended, &groups);
    }
    drop((ended, groups));
    init::become_first(report_end.as_fd()).map_err(Failure::at("become the first process"))?;
    view::build(&plan.view)?;
    nix::unistd::sethostname("function").map_err(Failure::at("set the host's name"))?;
    if let Some(program) = sys::fork().map_err(Failure::at("fork the program"))? {
        close(socket);
        drop(listener);
        init::reap(program, report_end);
    }
    drop(report_end);
    become_program(plan, listener)
}

/// Below a subreaper, with which it ends, too.
fn enter_kept(
    plan: &Plan,
    listener: Option<OwnedFd>,
    socket: &UnixStream,
) -> Result<Infallible, Failure> {
    subreaper::prepare().map_err(Failure::at("become the subreaper of what it starts"))?;
    let subreaper = nix::unistd::getpid();
    if let Some(program) = sys::fork().map_err(Failure::at("fork the program"))? {
        close(socket);
        drop(listener);
        subreaper::keep(program);
    }
    nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))
        .map_err(Failure::at("lead a process group"))?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(Failure::at("end with its launcher"))?;
    if nix::unistd::getppid() != subreaper {
        std::process::exit(CANNOT_RUN);
    }
    become_program(plan, listener)
}

/// The sidecar waits until nobody but the program has it, and the program's exec closes that.
fn close(socket: &UnixStream) {
    if let Ok(nothing) = File::open("/dev/null") {
        sys::replace(nothing.as_fd(), socket.as_fd()).ok();
    }
}

fn become_program(plan: &Plan, listener: Option<OwnedFd>) -> Result<Infallible, Failure> {
    if let Some(user) = plan.user {
        identity::become_user(user)?;
    }
    identity::limit(plan)?;
    if plan.rules {
        rules::apply(plan).map_err(|cause| Failure::because("apply landlock", cause))?;
    }
    if plan.walls {
        identity::drop_capabilities()?;
        prctl::set_no_new_privs().map_err(Failure::at("forbid new rights"))?;
    }
    std::env::set_current_dir(&plan.folder).map_err(Failure::at("enter the working folder"))?;
    // Whatever whoever started this ignores or blocks is no affair of the program's.
    let changeable =
        Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP));
    init::handle(changeable, SigHandler::SigDfl);
    SigSet::empty()
        .thread_set_mask()
        .map_err(Failure::at("unblock signals"))?;
    let mut environment = plan.environment.clone();
    sys::close_on_exec_from(3).map_err(Failure::at("close what is open"))?;
    if let Some(listener) = listener {
        sys::make(listener.as_fd(), LISTENER).map_err(Failure::at("hand over the listener"))?;
        environment.insert("LISTEN_PID".to_owned(), std::process::id().to_string());
    }
    let text = |text: &str| CString::new(text).map_err(Failure::at("pass a text with a zero byte"));
    let program = text(&plan.program.to_string_lossy())?;
    let arguments = plan
        .arguments
        .iter()
        .map(|argument| text(argument))
        .collect::<Result<Vec<_>, _>>()?;
    let pairs = environment
        .iter()
        .map(|(name, value)| text(&format!("{name}={value}")));
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    if plan.filter {
        filter::apply().map_err(|cause| Failure::because("apply seccomp", cause))?;
    }
    if plan.port == 0 {
        std::process::exit(0);
    }
    run(&program, &arguments, &pairs)
}

fn run(
    program: &CString,
    arguments: &[CString],
    environment: &[CString],
) -> Result<Infallible, Failure> {
    let mut tries = 0;
    loop {
        match nix::unistd::execve(program, arguments, environment) {
            Err(Errno::ETXTBSY) if tries < BUSY_RETRIES => std::thread::sleep(BUSY_PAUSE),
            Err(error) => {
                return Err(Failure {
                    program: true,
                    ..Failure::at("run the program")(error)
                });
            }
            Ok(never) => match never {},
        }
        tries += 1;
    }
}
