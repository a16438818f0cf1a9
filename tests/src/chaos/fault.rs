//! What can be done to a cluster.
//!
//! Deliberately only names; the [`injector`](super::injector) does it.

use std::fmt;

use crate::history::Harm;

/// Something done to a cluster, and undone when its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL to a sidecar; started again afterwards.
    KillSidecar(usize),
    /// SIGKILL to every instance on a host.
    KillInstances(usize),
    /// Cable pulled, then SIGKILL to all there: nobody is told. Started again afterwards.
    PowerOff(usize),
    /// Cable pulled; all there runs on.
    Silence(usize),
    /// SIGSTOP to a sidecar and its instances.
    Freeze(usize),
    /// SIGSTOP to one instance on a host.
    FreezeInstance(usize),
    /// No other host hears this one, callers and the server do.
    CutFrom(usize),
    /// This host hears no other, only callers and the server.
    CutTo(usize),
    CutOff(usize),
    /// Two hosts do not hear each other; the others hear both.
    CutPair(usize, usize),
    /// The server and a host do not hear each other.
    CutServer(usize),
    /// A host loses a part of its frames.
    Loss(usize),
    /// A sidecar's disk is full.
    FullDisk(usize),
    /// SIGKILL to the server; started again afterwards.
    KillServer,
    /// A sidecar's wall clock says two hours more than it is; set right afterwards.
    ClockForward(usize),
    /// The same, two hours less.
    ClockBack(usize),
    /// The server's wall clock says two hours more than it is; set right afterwards.
    ServerClockForward,
    /// The same, two hours less.
    ServerClockBack,
    /// SIGTERM to a sidecar; started again afterwards.
    Restart(usize),
    /// A new revision.
    Rollout,
    /// More calls for one function than it has room for.
    Flood,
}

impl Fault {
    /// Sidecars it is done to.
    #[must_use]
    pub fn hosts(self) -> Vec<usize> {
        match self {
            Self::KillSidecar(host)
            | Self::KillInstances(host)
            | Self::PowerOff(host)
            | Self::Silence(host)
            | Self::Freeze(host)
            | Self::FreezeInstance(host)
            | Self::CutFrom(host)
            | Self::CutTo(host)
            | Self::CutOff(host)
            | Self::CutServer(host)
            | Self::Loss(host)
            | Self::FullDisk(host)
            | Self::ClockForward(host)
            | Self::ClockBack(host)
            | Self::Restart(host) => vec![host],
            Self::CutPair(one, other) => vec![one, other],
            Self::KillServer
            | Self::Rollout
            | Self::Flood
            | Self::ServerClockForward
            | Self::ServerClockBack => Vec::new(),
        }
    }

    /// What it may do to calls.
    #[must_use]
    pub fn harm(self) -> Harm {
        match self {
            Self::KillServer | Self::CutServer(_) => Harm::ServerAway,
            Self::Restart(_) | Self::Rollout => Harm::Planned,
            Self::Flood => Harm::Flood,
            Self::ClockForward(_)
            | Self::ClockBack(_)
            | Self::ServerClockForward
            | Self::ServerClockBack => Harm::Nothing,
            _ => Harm::Fault,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillSidecar(host) => write!(f, "kill sidecar {host}"),
            Self::KillInstances(host) => write!(f, "kill instances of {host}"),
            Self::PowerOff(host) => write!(f, "power off {host}"),
            Self::Silence(host) => write!(f, "silence {host}"),
            Self::Freeze(host) => write!(f, "freeze {host}"),
            Self::FreezeInstance(host) => write!(f, "freeze an instance of {host}"),
            Self::CutFrom(host) => write!(f, "cut {host} -> others"),
            Self::CutTo(host) => write!(f, "cut others -> {host}"),
            Self::CutOff(host) => write!(f, "cut {host} <-> others"),
            Self::CutPair(one, other) => write!(f, "cut {one} <-> {other}"),
            Self::CutServer(host) => write!(f, "cut {host} <-> server"),
            Self::Loss(host) => write!(f, "loss at {host}"),
            Self::FullDisk(host) => write!(f, "full disk at {host}"),
            Self::ClockForward(host) => write!(f, "clock of {host} forward 2 h"),
            Self::ClockBack(host) => write!(f, "clock of {host} back 2 h"),
            Self::ServerClockForward => write!(f, "clock of server forward 2 h"),
            Self::ServerClockBack => write!(f, "clock of server back 2 h"),
            Self::KillServer => write!(f, "kill server"),
            Self::Restart(host) => write!(f, "restart sidecar {host}"),
            Self::Rollout => write!(f, "rollout"),
            Self::Flood => write!(f, "flood"),
        }
    }
}
