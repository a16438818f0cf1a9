//! What passes between sidecar and launcher, over one socket that is the launcher's standard input.
//!
//! One message down: its length, a [`Plan`] as JSON, and perhaps a listener. One up, if the launch fails; if it does not, the socket closes
//! when the program has replaced the launcher.

use std::fmt::Display;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::sys;

/// Far above any environment the kernel takes.
const MAX_PLAN_BYTES: u64 = 16 << 20;

/// Why a launch failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What could not be done.
    pub(crate) step: String,
    /// The kernel's reason.
    pub(crate) errno: i32,
    /// All was ready, and the program itself could not be run.
    pub(crate) program: bool,
}

impl Failure {
    /// Names the step that failed.
    pub(crate) fn at<E: Into<io::Error>>(step: &str) -> impl FnOnce(E) -> Self + '_ {
        move |error| Self {
            step: step.to_owned(),
            errno: error.into().raw_os_error().unwrap_or_default(),
            program: false,
        }
    }

    /// A step that a library refuses in words.
    pub(crate) fn because(step: &str, cause: impl Display) -> Self {
        Self {
            step: format!("{step}: {cause}"),
            errno: libc::EPERM,
            program: false,
        }
    }
}

/// Sends a plan, and with it a listener.
pub(crate) fn send(
    socket: &mut UnixStream,
    plan: &Plan,
    listener: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let body = serde_json::to_vec(plan)?;
    let length = (body.len() as u64).to_le_bytes();
    let descriptors: Vec<i32> = listener.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let rights = if descriptors.is_empty() {
        &[][..]
    } else {
        &rights[..]
    };
    let sent = sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(&length)],
        rights,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    if sent != length.len() {
        return Err(ErrorKind::WriteZero.into());
    }
    socket.write_all(&body)
}

/// Takes a plan.
pub(crate) fn receive(socket: &mut UnixStream) -> io::Result<(Plan, Option<OwnedFd>)> {
    let mut length = [0; 8];
    let mut space = nix::cmsg_space!([i32; 1]);
    let mut parts = [IoSliceMut::new(&mut length)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_WAITALL;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    if message.bytes != 8 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let mut listener = None;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control {
            listener = descriptors
                .into_iter()
                .next()
                .map(|fd| sys::raised(sys::own(fd).as_fd()))
                .transpose()?;
        }
    }
    let length = u64::from_le_bytes(length);
    if length > MAX_PLAN_BYTES {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut body = Vec::new();
    socket.take(length).read_to_end(&mut body)?;
    Ok((serde_json::from_slice(&body)?, listener))
}

/// Says why it failed; nobody may be there to hear it.
pub(crate) fn report(socket: &mut UnixStream, failure: &Failure) {
    let said = serde_json::to_vec(failure).unwrap_or_default();
    socket.write_all(&said).ok();
}

/// Waits until the program runs, or why it does not.
pub(crate) fn outcome(socket: &mut UnixStream) -> io::Result<Result<(), Failure>> {
    let mut said = Vec::new();
    socket.take(MAX_PLAN_BYTES).read_to_end(&mut said)?;
    if said.is_empty() {
        return Ok(Ok(()));
    }
    Ok(Err(serde_json::from_slice(&said)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_and_its_listener_arrive() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let plan = Plan {
            arguments: vec!["a".into()],
            ..Plan::default()
        };
        send(&mut here, &plan, Some(std::os::fd::AsFd::as_fd(&listener))).unwrap();
        let (got, fd) = receive(&mut there).unwrap();
        let same = std::net::TcpListener::from(fd.unwrap());
        assert_eq!(got.arguments, ["a"]);
        assert_eq!(same.local_addr().unwrap(), listener.local_addr().unwrap());
    }

    #[test]
    fn a_plan_beyond_its_bound_is_refused() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        here.write_all(&(MAX_PLAN_BYTES + 1).to_le_bytes()).unwrap();
        let refused = receive(&mut there).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn silence_is_success_and_a_failure_is_told() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let failure = Failure {
            step: "mount /proc".into(),
            errno: 1,
            program: false,
        };
        report(&mut there, &failure);
        drop(there);
        assert_eq!(outcome(&mut here).unwrap(), Err(failure));
        let (mut here, there) = UnixStream::pair().unwrap();
        drop(there);
        assert_eq!(outcome(&mut here).unwrap(), Ok(()));
    }
}
