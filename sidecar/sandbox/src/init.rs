//! The two processes that stay with a sandboxed program: the first of its pid namespace, and the one outside that stands for it.
//!
//! The first one reaps, since a program does not expect that it must; when the program ends it ends, too, and with it the kernel ends
//! whatever else is in the namespace. The one outside is the sidecar's child: it ends as the program did, and takes the program's control
//! groups with it, also when no sidecar is left to do so.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::sys;

/// What a signalled program's launcher would exit with if the signal did not end it.
const SIGNALLED: i32 = 128;

/// Not for the process outside, but for the program.
pub(crate) const FOR_THE_PROGRAM: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGPIPE,
];

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Code(i32),
    Signal(i32),
}

impl End {
    pub(crate) fn of(status: WaitStatus) -> Option<(Pid, Self)> {
        match status {
            WaitStatus::Exited(pid, code) => Some((pid, Self::Code(code))),
            WaitStatus::Signaled(pid, signal, _) => Some((pid, Self::Signal(signal as i32))),
            _ => None,
        }
    }

    /// Ends this process as the program did.
    pub(crate) fn repeat(self) -> ! {
        match self {
            Self::Code(code) => std::process::exit(code),
            Self::Signal(number) => {
                // A dump of this process would say nothing about the program.
                prctl::set_dumpable(false).ok();
                if let Ok(signal) = Signal::try_from(number) {
                    handle([signal], SigHandler::SigDfl);
                    SigSet::empty().thread_set_mask().ok();
                    raise(signal).ok();
                }
                std::process::exit(SIGNALLED + number)
            }
        }
    }

    fn to_bytes(self) -> [u8; 5] {
        let (kind, number) = match self {
            Self::Code(code) => (0, code),
            Self::Signal(signal) => (1, signal),
        };
        let mut bytes = [kind; 5];
        bytes[1..].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; 5]) -> Self {
        let [kind, number @ ..] = bytes;
        match (kind, i32::from_le_bytes(number)) {
            (0, code) => Self::Code(code),
            (_, signal) => Self::Signal(signal),
        }
    }
}

/// Sets what a signal does, for this process.
pub(crate) fn handle(signals: impl IntoIterator<Item = Signal>, how: SigHandler) {
    for signal in signals {
        set(signal, how);
    }
}

#[allow(
    unsafe_code,
    reason = "only the kernel's own handlers are set, no function of ours"
)]
fn set(signal: Signal, how: SigHandler) {
    // SAFETY: the handler is SIG_IGN or SIG_DFL. It fails for SIGKILL and SIGSTOP alone, which nobody passes.
    unsafe { nix::sys::signal::signal(signal, how) }.ok();
}

/// Reaps until the program ends, and tells how; then the namespace ends.
pub(crate) fn reap(program: Pid, report_end: OwnedFd) -> ! {
    let end = loop {
        match waitpid(None, None) {
            Ok(status) => match End::of(status) {
                Some((pid, end)) if pid == program => break end,
                _ => {}
            },
            Err(nix::Error::EINTR) => {}
            Err(_) => break End::Signal(libc::SIGKILL),
        }
    };
    File::from(report_end).write_all(&end.to_bytes()).ok();
    std::process::exit(0);
}

/// Waits for the first process of the namespace, removes the groups, and ends as the program did.
pub(crate) fn stand_for(first: Pid, ended: OwnedFd, groups: &[(OwnedFd, String)]) -> ! {
    handle(FOR_THE_PROGRAM, SigHandler::SigIgn);
    let mut bytes = [0; 5];
    let end = match File::from(ended).read_exact(&mut bytes) {
        Ok(()) => End::from_bytes(bytes),
        // The first process was killed, and all with it.
        Err(_) => End::Signal(libc::SIGKILL),
    };
    while let Err(nix::Error::EINTR) = waitpid(first, None) {}
    leave_and_remove(groups);
    end.repeat()
}

/// This process is in them itself; whoever supervises it removes what cannot be removed from here.
fn leave_and_remove(groups: &[(OwnedFd, String)]) {
    for (parent, name) in groups {
        let leave = || -> io::Result<()> {
            let procs = nix::fcntl::openat(
                parent,
                Path::new("cgroup.procs"),
                nix::fcntl::OFlag::O_WRONLY | nix::fcntl::OFlag::O_CLOEXEC,
                nix::sys::stat::Mode::empty(),
            )?;
            File::from(procs).write_all(b"0")
        };
        leave().ok();
        nix::unistd::unlinkat(parent, name.as_str(), nix::unistd::UnlinkatFlags::RemoveDir).ok();
    }
}

/// No handler of whoever started this stays, and nobody may look into this process from inside.
/// It ends with the process outside, which reads the other end of this pipe.
pub(crate) fn become_first(report_end: BorrowedFd<'_>) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if !sys::has_reader(report_end) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    prctl::set_dumpable(false)?;
    nix::unistd::chdir("/")?;
    sys::close_on_exec_from(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_pass_through_the_pipe() {
        for end in [
            End::Code(0),
            End::Code(255),
            End::Signal(9),
            End::Signal(15),
        ] {
            assert_eq!(End::from_bytes(end.to_bytes()), end);
        }
    }
}
