//! Landlock: ports, abstract sockets and signals; and where mounts are shared with the host, files.
//!
//! What the kernel has of it is used; rules on ports need Linux 6.7, on sockets and signals 6.12. Deliberately no rule on where a program
//! connects: Landlock knows ports but no addresses.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use crate::plan::Plan;

/// The newest that the rules below are written for.
const KNOWN: ABI = ABI::V6;
/// Read and run, where mounts are the host's.
const SYSTEM: [&str; 11] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/proc", "/sys",
];
/// Read and written.
const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

fn beneath(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    // What is not there needs no rule.
    let Ok(opened) = PathFd::new(path) else {
        return Ok(rules);
    };
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(KNOWN)
    };
    rules.add_rule(PathBeneath::new(opened, access))
}

fn files(mut rules: RulesetCreated, plan: &Plan) -> Result<RulesetCreated, RulesetError> {
    let read = AccessFs::from_read(KNOWN);
    let all = AccessFs::from_all(KNOWN);
    let shown = SYSTEM
        .iter()
        .map(PathBuf::from)
        .chain(plan.view.shown.iter().cloned());
    for path in shown.chain([plan.program.clone()]) {
        rules = beneath(rules, &path, read)?;
    }
    for path in DEVICES
        .iter()
        .map(PathBuf::from)
        .chain(plan.view.writable.iter().cloned())
    {
        rules = beneath(rules, &path, all)?;
    }
    Ok(rules)
}

/// Binds this process and all that it becomes or starts.
pub(crate) fn apply(plan: &Plan) -> Result<(), RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    if !plan.namespaces {
        rules = rules.handle_access(AccessFs::from_all(KNOWN))?;
    }
    let mut rules = rules.create()?;
    // Port 0: the kernel chooses, and nobody else's can be meant.
    for port in [plan.port, 0] {
        rules = rules.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    if !plan.namespaces {
        rules = files(rules, plan)?;
    }
    rules.restrict_self().map(drop)
}

/// Whether the kernel has any of it.
pub(crate) fn is_there() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .is_ok_and(|rules| rules.create().is_ok())
}
