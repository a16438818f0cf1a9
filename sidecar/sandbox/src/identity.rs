//! Who a program is: a user of its own without any capability, in a user namespace of its own.
//!
//! Deliberately no map of many ids: a function is one user, and everybody else is nobody to it.

use std::fs;
use std::io;

use caps::CapSet;
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid};

use crate::message::Failure;
use crate::plan::Plan;
use crate::{MAX_OPEN_FILES, MAX_PROCESSES};

/// A user namespace where this process is who it was, and nobody else is anybody.
pub(crate) fn map_itself(user: Uid, group: Gid) -> Result<(), Failure> {
    let write = |file: &str, text: String| {
        let path = format!("/proc/self/{file}");
        fs::write(&path, text).map_err(Failure::at(&format!("write {path}")))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{user} {user} 1"))?;
    write("gid_map", format!("{group} {group} 1"))
}

/// From root to a user of its own.
pub(crate) fn become_user(number: u32) -> Result<(), Failure> {
    let (user, group) = (Uid::from_raw(number), Gid::from_raw(number));
    nix::unistd::setgroups(&[]).map_err(Failure::at("leave root's groups"))?;
    nix::unistd::setresgid(group, group, group).map_err(Failure::at("take a group of its own"))?;
    nix::unistd::setresuid(user, user, user).map_err(Failure::at("take a user of its own"))?;
    // Else /proc/self would still be root's.
    prctl::set_dumpable(true).map_err(Failure::at("own its /proc"))?;
    nix::sched::unshare(CloneFlags::CLONE_NEWUSER).map_err(Failure::at("make a user namespace"))?;
    map_itself(user, group)
}

/// Empties every capability set, for good.
pub(crate) fn drop_capabilities() -> Result<(), Failure> {
    let clear = |set: CapSet| {
        let step = format!("empty the {set:?} capabilities");
        caps::clear(None, set).map_err(|cause| Failure::because(&step, cause))
    };
    // Bounding first, as it needs a capability: who has none has nothing to bound, and may not.
    if caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP).unwrap_or(false) {
        clear(CapSet::Bounding)?;
    }
    for set in [
        CapSet::Ambient,
        CapSet::Effective,
        CapSet::Permitted,
        CapSet::Inheritable,
    ] {
        clear(set)?;
    }
    Ok(())
}

/// What the kernel counts for each process or user.
pub(crate) fn limit(plan: &Plan) -> Result<(), Failure> {
    let set = |resource: Resource, limit: u64| -> io::Result<()> {
        let (_, hard) = getrlimit(resource)?;
        let limit = limit.min(hard);
        Ok(setrlimit(resource, limit, limit)?)
    };
    if plan.walls {
        set(Resource::RLIMIT_CORE, 0).map_err(Failure::at("forbid core dumps"))?;
        set(Resource::RLIMIT_NOFILE, MAX_OPEN_FILES).map_err(Failure::at("limit open files"))?;
    }
    if plan.namespaces {
        set(Resource::RLIMIT_NPROC, MAX_PROCESSES).map_err(Failure::at("limit its processes"))?;
    }
    if let Some(bytes) = plan.address_space {
        set(Resource::RLIMIT_AS, bytes).map_err(Failure::at("limit its address space"))?;
    }
    Ok(())
}
