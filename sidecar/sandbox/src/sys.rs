//! System calls for which no wrapper here exists: mounts and processes as descriptors, and fork.
//!
//! The one place of this crate where `unsafe` is allowed. Deliberately decides nothing.
#![allow(
    unsafe_code,
    reason = "calls into the kernel that neither std nor nix wrap; each says why it is sound"
)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{ForkResult, Pid};

/// Nothing can be changed through this mount.
pub(crate) const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
/// No program gains another's rights through it.
pub(crate) const NO_SETUID: u64 = libc::MOUNT_ATTR_NOSUID;
/// No device can be opened through it.
pub(crate) const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;

/// Numbers below may come to mean something to the program.
const FREE_FROM: RawFd = 10;

fn text(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Takes a descriptor that the kernel just made for this process.
pub(crate) fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: it came out of SCM_RIGHTS or a system call a moment ago, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Standard input, which nobody else uses.
pub(crate) fn standard_input() -> OwnedFd {
    own(0)
}

/// A copy above the numbers that mean something.
pub(crate) fn raised(descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    let copy = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FREE_FROM) };
    checked(copy.into()).map(|_| own(copy))
}

/// `None` in the child.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: a launcher has one thread, so no lock is held by another that the child would wait for.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// A copy of the mounts at and below a path, not mounted anywhere.
pub(crate) fn copy_of(path: &Path) -> io::Result<OwnedFd> {
    let name = text(path)?;
    let flags =
        libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE.cast_unsigned();
    // SAFETY: the name ends with a zero and lives through the call.
    let result =
        unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, name.as_ptr(), flags) };
    let descriptor = checked(result)?;
    Ok(own(RawFd::try_from(descriptor).unwrap_or(-1)))
}

/// Mounts a copy at a path.
pub(crate) fn place(copy: &OwnedFd, at: &Path) -> io::Result<()> {
    let name = text(at)?;
    // SAFETY: both names end with a zero and live through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            copy.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            name.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    checked(result).map(drop)
}

fn set_attributes(descriptor: RawFd, path: &CString, flags: i32, set: u64) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: set,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the name and the attributes live through the call, whose last argument is their size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            descriptor,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    checked(result).map(drop)
}

/// Sets attributes of a copy and what is below it.
pub(crate) fn restrict_copy(copy: &OwnedFd, set: u64) -> io::Result<()> {
    set_attributes(
        copy.as_raw_fd(),
        &CString::default(),
        libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
        set,
    )
}

/// Sets attributes of the mount at a path, and of all below it.
pub(crate) fn restrict_all(path: &Path, set: u64) -> io::Result<()> {
    set_attributes(libc::AT_FDCWD, &text(path)?, libc::AT_RECURSIVE, set)
}

/// Sets attributes of the mount at a path alone.
pub(crate) fn restrict(path: &Path, set: u64) -> io::Result<()> {
    set_attributes(libc::AT_FDCWD, &text(path)?, 0, set)
}

/// Every descriptor from this one on ends with the next program.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: numbers only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    checked(result).map(drop)
}

/// Makes `number` stand for what a descriptor stands for, also in the next program.
pub(crate) fn make(descriptor: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: numbers only; what `number` stood for is closed, and the caller owns it.
    let result = unsafe { libc::dup2(descriptor.as_raw_fd(), number) };
    checked(result.into()).map(drop)
}

/// Makes one descriptor stand for what another does; what it stood for is closed.
pub(crate) fn replace(new: BorrowedFd<'_>, old: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: numbers only; `old` stays a valid descriptor throughout.
    let result = unsafe { libc::dup3(new.as_raw_fd(), old.as_raw_fd(), libc::O_CLOEXEC) };
    checked(result.into()).map(drop)
}

/// Sends a signal to the process that a pidfd stands for, whoever has its number by now.
pub(crate) fn signal(process: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    // SAFETY: numbers, and a null pointer where the kernel takes one for "as kill(2) does".
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal as i32,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    checked(result).map(drop)
}

/// Waits until a process has ended, or so long.
pub(crate) fn await_end(pid: i32, patience: Duration) {
    // SAFETY: numbers only.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let Ok(descriptor) = checked(result) else {
        return; // gone
    };
    let process = own(RawFd::try_from(descriptor).unwrap_or(-1));
    let mut ended = libc::pollfd {
        fd: process.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let patience = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one entry, which lives through the call.
    unsafe { libc::poll(&raw mut ended, 1, patience) };
}

/// Waits until a child has ended, or so long; SIGCHLD must be blocked.
pub(crate) fn await_child(patience: Duration) {
    let mut child = SigSet::empty();
    child.add(Signal::SIGCHLD);
    let patience = libc::timespec {
        tv_sec: patience.as_secs().cast_signed(),
        tv_nsec: patience.subsec_nanos().into(),
    };
    // SAFETY: the set and the time live through the call, and nothing is asked about the signal.
    unsafe { libc::sigtimedwait(child.as_ref(), std::ptr::null_mut(), &raw const patience) };
}

/// Whether anybody still reads what is written to a pipe.
pub(crate) fn has_reader(pipe: BorrowedFd<'_>) -> bool {
    let mut state = libc::pollfd {
        fd: pipe.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    // SAFETY: one entry, which lives through the call.
    unsafe { libc::poll(&raw mut state, 1, 0) };
    state.revents & libc::POLLERR == 0
}
