//! The fence where the host has no other: the launcher stays, as the subreaper of its program and of all that this starts.
//!
//! Whoever loses its parent becomes the subreaper's child, whatever it did to its session, its process group or its environment, so all of
//! them are found among its children sooner or later, and killed there until it has none. It is alone in its process group, since a
//! program may signal its own. It needs no sidecar: with its program all ends, and a sidecar that comes later ends it by [`END`].
//! Deliberately holds against no program that kills its subreaper, which may be the same user: then only the program itself ends with it.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::init::{End, FOR_THE_PROGRAM, handle};
use crate::sys;

/// Tells a subreaper to end all. No program sends it, and a launcher that is not that far ends by it, too.
pub(crate) const END: Signal = Signal::SIGPWR;
/// Between two looks while those that were killed are on their way out.
const PAUSE: Duration = Duration::from_millis(1);

/// Keeps every signal for [`keep`]. Call it before the program is forked, so that its end is not missed.
pub(crate) fn prepare() -> nix::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)?;
    // Who started this may ignore it, and then the kernel would reap in our stead.
    handle([Signal::SIGCHLD], SigHandler::SigDfl);
    SigSet::all().thread_block()
}

/// Stands over the program until it ends or is to end, ends what is left, and ends as the program did.
pub(crate) fn keep(program: Pid) -> ! {
    // Both do it: whoever is first, it is done when a signal is passed on.
    nix::unistd::setpgid(program, program).ok();
    nix::unistd::chdir("/").ok();
    sys::close_on_exec_from(3).ok();
    let heard = FOR_THE_PROGRAM.into_iter().chain([Signal::SIGCHLD, END]);
    let heard: SigSet = heard.collect();
    let mut ended = None;
    while ended.is_none() {
        match heard.wait() {
            Ok(Signal::SIGCHLD) => ended = reap(program).program,
            Ok(END) => break,
            Ok(signal) if FOR_THE_PROGRAM.contains(&signal) => {
                killpg(program, signal).ok();
            }
            _ => {}
        }
    }
    let by_force = end_all(program);
    ended
        .or(by_force)
        .unwrap_or(End::Signal(libc::SIGKILL))
        .repeat()
}

/// What a look at ended children found.
#[derive(Default)]
struct Reaped {
    /// There was one.
    any: bool,
    /// There is none any more, ended or not, and so nobody below either.
    all: bool,
    /// How the program ended.
    program: Option<End>,
}

fn reap(program: Pid) -> Reaped {
    let mut found = Reaped::default();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return found,
            Ok(status) => {
                found.any = true;
                if let Some((pid, end)) = End::of(status)
                    && pid == program
                {
                    found.program = Some(end);
                }
            }
            Err(Errno::EINTR) => {}
            Err(_) => {
                found.all = true;
                return found;
            }
        }
    }
}

/// Until there is no child, or none that may be killed. Who forks and ends is chased: its child is one of these before the next look.
fn end_all(program: Pid) -> Option<End> {
    let mut ended = None;
    loop {
        let children = children();
        let may_not = |pid: &&Pid| kill(**pid, Signal::SIGKILL) == Err(Errno::EPERM);
        let beyond = children.iter().filter(may_not).count();
        let found = reap(program);
        ended = ended.or(found.program);
        if found.all || beyond > 0 && beyond == children.len() {
            return ended;
        }
        if !found.any {
            sys::await_child(PAUSE);
        }
    }
}

fn children() -> BTreeSet<Pid> {
    let own = std::process::id();
    let list = fs::read_to_string(format!("/proc/self/task/{own}/children"));
    let pids: Vec<i32> = match list {
        Ok(list) => numbers(&list),
        // A kernel may keep no such lists.
        Err(_) => by_parent(own),
    };
    pids.into_iter().map(Pid::from_raw).collect()
}

fn numbers(list: &str) -> Vec<i32> {
    let words = list.split_ascii_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

fn by_parent(parent: u32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: i32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, in parentheses, may itself have some.
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_found_by_the_kernels_list_and_by_their_parent() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        assert!(by_parent(std::process::id()).contains(&pid));
        assert_eq!(parent_of(pid), Some(std::process::id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(parent_of(pid), None);
        assert_eq!(numbers("1 22 \n"), [1, 22]);
    }
}
