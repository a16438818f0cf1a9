//! System calls that no function needs and that reach deep into the kernel or into others: refused by seccomp.
//!
//! A list of what is refused, as container engines have it, not of what is allowed: a function is any program. Deliberately no
//! policy of its own for each function.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

/// Answered "not permitted".
const REFUSED: &[libc::c_long] = &[
    // Into other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Mounts, roots and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Code and probes in the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    // Keys that are not namespaced.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The host's own affairs.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Answered "no such call", so that programs take the older way, whose arguments can be looked at, or none.
const ABSENT: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// New namespaces by `clone`.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Families of sockets that remain.
const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// TCP by other names, which rules on TCP ports do not see.
const PROTOCOLS: [i32; 2] = [libc::IPPROTO_MPTCP, libc::IPPROTO_SCTP];

/// From this number on, system calls of another table with the same meaning (x32).
const OTHER_TABLE: u32 = 0x4000_0000;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn plain(calls: &[libc::c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn condition(
    argument: u8,
    op: SeccompCmpOp,
    value: i32,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Dword,
        op,
        u64::from(value.cast_unsigned()),
    )
}

fn refused() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = plain(REFUSED);
    let mut clone = Vec::new();
    for flag in NAMESPACES {
        let mask = SeccompCmpOp::MaskedEq(u64::from(flag.cast_unsigned()));
        clone.push(SeccompRule::new(vec![condition(0, mask, flag)?])?);
    }
    rules.insert(libc::SYS_clone, clone);
    Ok(rules)
}

fn sockets() -> Result<Rules, seccompiler::BackendError> {
    let other = FAMILIES.map(|family| condition(0, SeccompCmpOp::Ne, family));
    let mut rules = vec![SeccompRule::new(
        other.into_iter().collect::<Result<_, _>>()?,
    )?];
    for protocol in PROTOCOLS {
        rules.push(SeccompRule::new(vec![condition(
            2,
            SeccompCmpOp::Eq,
            protocol,
        )?])?);
    }
    Ok(Rules::from([(libc::SYS_socket, rules)]))
}

fn compile(rules: Rules, errno: i32) -> Result<BpfProgram, seccompiler::BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let action = SeccompAction::Errno(errno.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()
}

/// The other table, by hand: the compiler knows single calls only.
fn other_table() -> BpfProgram {
    let instruction = |code: u32, jt, jf, k| sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    vec![
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(
            libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K,
            0,
            1,
            OTHER_TABLE,
        ),
        instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned(),
        ),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

fn programs() -> Result<[BpfProgram; 4], seccompiler::BackendError> {
    Ok([
        compile(refused()?, libc::EPERM)?,
        compile(plain(ABSENT), libc::ENOSYS)?,
        compile(sockets()?, libc::EPROTONOSUPPORT)?,
        other_table(),
    ])
}

/// Refuses them for this process and all that it becomes or starts.
pub(crate) fn apply() -> Result<(), String> {
    for program in programs().map_err(|error| error.to_string())? {
        seccompiler::apply_filter(&program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_lists_compile_within_what_the_kernel_takes() {
        for program in super::programs().unwrap() {
            assert!((3..4096).contains(&program.len()), "{}", program.len());
        }
    }
}
