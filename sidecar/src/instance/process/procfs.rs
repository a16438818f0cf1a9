//! What the kernel knows of processes, read from /proc.
//!
//! Only reads and, at the start of a sidecar, ends what an earlier one left and carries our marks; knows nothing of instances' states.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use gateless_sandbox::{Fence, Kind};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::instance::environment::{INSTANCE_MARK, NODE_MARK};

/// Addresses named of an instance that listens elsewhere than it should.
const LISTENERS: usize = 5;
/// Processes looked at below a launcher before all of the host's are.
const DESCENDANTS: usize = 16;
/// In which a launcher has ended what it started, at a start of the sidecar.
const LAUNCHERS_SECONDS: i64 = 10;

/// Processes looked at below a leader for one that has a socket.
const MOST_BELOW: usize = 1_024;

/// Identifies this boot; a pid with its start time is unique within one.
pub(super) use gateless_common::io::boot_id;

/// One line of /proc/PID/stat, as far as it is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub parent: i32,
    pub group: i32,
    /// Clock ticks since boot.
    pub start_time: u64,
    /// It has ended and waits for its parent.
    pub zombie: bool,
    /// It does not run until somebody lets it go on.
    pub stopped: bool,
}

/// Reads a process's group and start time.
pub(super) fn stat(pid: i32) -> io::Result<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "unreadable /proc/PID/stat"))
}

/// The command name, in parentheses, may itself hold spaces and parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let start_time = fields.nth(16)?.parse().ok()?;
    Some(Stat {
        parent,
        group,
        start_time,
        zombie: matches!(state, "Z" | "X"),
        stopped: state == "T",
    })
}

/// Opens a handle that becomes readable when the process ends.
pub(super) fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

/// Every process id right now.
pub(super) fn pids() -> io::Result<impl Iterator<Item = i32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

/// One variable of a process's first environment.
pub(super) fn variable(environ: &[u8], name: &str) -> Option<String> {
    environ.split(|byte| *byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    })
}

/// The instance a process of `node` belongs to.
fn instance_of(pid: i32, node: &str) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    if variable(&environ, NODE_MARK)? != node {
        return None;
    }
    variable(&environ, INSTANCE_MARK)
}

/// Has every launcher of `node` whose instance `keep` does not want end what it started, and waits for that; says how many.
///
/// A launcher that stands for an instance keeps the environment it was given, so that one is found that a sidecar started but died before
/// noting.
pub(super) fn end_launchers(node: &str, keep: impl Fn(&str) -> bool) -> usize {
    let unwanted = |pid: &i32| {
        gateless_sandbox::is_launcher(*pid)
            && instance_of(*pid, node).is_some_and(|instance| !keep(&instance))
    };
    let handle = |pid: i32| open(pid).ok().filter(|_| unwanted(&pid));
    let launchers = pids().into_iter().flatten().filter(unwanted);
    let handles: Vec<OwnedFd> = launchers.filter_map(handle).collect();
    for launcher in &handles {
        Fence::end_by_launcher(launcher.as_fd());
    }
    let patience = Timespec {
        tv_sec: LAUNCHERS_SECONDS,
        tv_nsec: 0,
    };
    for launcher in &handles {
        let mut ended = [PollFd::new(launcher, PollFlags::IN)];
        // All of them work at once; who is not through by then goes on after its sidecar has begun.
        let _ = rustix::event::poll(&mut ended, Some(&patience));
    }
    handles.len()
}

/// Kills every process of `node` whose instance `keep` does not want; says how many.
///
/// No fence: it finds what kept its environment. Only for what early versions started, which had nothing better.
pub(super) fn kill_marked(node: &str, keep: impl Fn(&str) -> bool) -> usize {
    let Ok(pids) = pids() else { return 0 };
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let unwanted = |pid| instance_of(pid, node).is_some_and(|instance| !keep(&instance));
    let mut killed = 0;
    for pid in pids.filter(|pid| *pid != own && *pid > 1) {
        if !unwanted(pid) {
            continue;
        }
        // Looked at again through the handle's lifetime: the number may have been given anew.
        let Ok(handle) = open(pid) else { continue };
        if unwanted(pid) && pidfd_send_signal(&handle, Signal::KILL).is_ok() {
            killed += 1;
        }
    }
    killed
}

/// Every living process of `node`.
#[cfg(test)]
pub(super) fn marked(node: &str) -> Vec<i32> {
    let of_node = |pid: &i32| instance_of(*pid, node).is_some();
    pids().into_iter().flatten().filter(of_node).collect()
}

/// Whether one of an instance's processes has this socket open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owns {
    Yes,
    No,
}

/// Looks at the leader first, which is nearly always the answer and costs a few links; then at
/// every process of the instance.
pub(super) fn owns_socket(instance: &Instance, inode: u64) -> Owns {
    let leader = instance.leader;
    match has_socket(leader, inode) {
        Ok(true) => return Owns::Yes,
        // A process that forbids being looked at: the claim on the port must do.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Owns::Yes,
        _ => {}
    }
    // A launcher has the program below it, which costs less to find than all of its group.
    let below = family(leader).take(DESCENDANTS).skip(1);
    if below
        .map(|(pid, _)| pid)
        .any(|pid| has_socket(pid, inode).unwrap_or(false))
    {
        return Owns::Yes;
    }
    let Ok(members) = instance.members() else {
        return Owns::Yes;
    };
    let found = members
        .into_iter()
        .any(|pid| has_socket(pid, inode).unwrap_or(false));
    if found { Owns::Yes } else { Owns::No }
}

/// A leader, the processes that it started, and those that they did, each with the one that did. Looks no further than it is asked.
fn family(leader: i32) -> impl Iterator<Item = (i32, Option<i32>)> {
    let mut next = VecDeque::from([(leader, None)]);
    std::iter::from_fn(move || {
        let one = next.pop_front()?;
        let below = children(one.0).into_iter();
        next.extend(below.map(|child| (child, Some(one.0))));
        Some(one)
    })
}

/// Whether everything that could do an instance's work is stopped: its processes that have none below them. One that is
/// traced is not: somebody looks at it.
pub(super) fn is_stopped(leader: i32) -> bool {
    let all: Vec<_> = family(leader).take(DESCENDANTS).collect();
    if all.len() >= DESCENDANTS {
        return false; // there may be others
    }
    let living = all.into_iter().filter_map(|(pid, parent)| {
        let stat = stat(pid).ok().filter(|stat| !stat.zombie)?;
        Some((pid, parent, stat))
    });
    let living: Vec<_> = living.collect();
    let is_parent = |pid: i32| living.iter().any(|(_, parent, _)| *parent == Some(pid));
    let workers = living.iter().filter(|(pid, ..)| !is_parent(*pid));
    let mut workers = workers.peekable();
    workers.peek().is_some() && workers.all(|(_, _, stat)| stat.stopped)
}

/// Of all its threads: any of them may have started one.
fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")));
    let lists = lists.map(Result::unwrap_or_default);
    let pids = |list: String| -> Vec<i32> {
        list.split_ascii_whitespace()
            .filter_map(|child| child.parse().ok())
            .collect()
    };
    lists.flat_map(pids).collect()
}

/// Whose processes are looked for.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) leader: i32,
    pub(super) fence: Option<Fence>,
    pub(super) node: String,
    pub(super) id: String,
}

impl Instance {
    /// Everything in its fence; where it has none, its process group and what has its mark.
    fn members(&self) -> io::Result<Vec<i32>> {
        let leader = self.leader;
        match &self.fence {
            Some(fence) if fence.kind() == Kind::Group => {
                Ok(fence.group().members().into_iter().collect())
            }
            Some(_) => {
                let parents = pids()?.filter_map(|pid| Some((pid, stat(pid).ok()?.parent)));
                Ok(below(leader, &parents.collect()))
            }
            None => {
                let is_member = |pid: &i32| {
                    stat(*pid).is_ok_and(|stat| stat.group == leader)
                        || instance_of(*pid, &self.node).as_deref() == Some(&self.id)
                };
                Ok(pids()?.filter(is_member).collect())
            }
        }
    }

    /// Where its processes listen, at most [`LISTENERS`] addresses.
    pub(super) fn listeners(&self) -> Vec<SocketAddr> {
        let members = self.members().unwrap_or_default();
        listeners_of(self.leader, members.into_iter())
    }
}

/// A process and all that have it among their ancestors, by each one's parent.
fn below(leader: i32, parents: &HashMap<i32, i32>) -> Vec<i32> {
    let is_below = |pid: &i32| {
        // Read while they change, so there may be a circle.
        let mut line = std::iter::successors(Some(*pid), |pid| parents.get(pid).copied());
        line.by_ref()
            .take(parents.len() + 1)
            .any(|pid| pid == leader)
    };
    parents.keys().copied().filter(is_below).collect()
}

/// Whether a leader or a process below it has this socket open. What has left it, for the host's first process, is not found.
pub(super) fn has_below(leader: i32, inode: u64) -> bool {
    let mut family = family(leader).take(MOST_BELOW);
    family.any(|(pid, _)| has_socket(pid, inode).unwrap_or(false))
}

fn has_socket(pid: i32, inode: u64) -> io::Result<bool> {
    Ok(sockets(pid)?.any(|found| found == inode))
}

/// The inodes of the sockets a process has open.
fn sockets(pid: i32) -> io::Result<impl Iterator<Item = u64>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?;
    Ok(entries.filter_map(|entry| {
        let link = fs::read_link(entry.ok()?.path()).ok()?;
        let inode = link.to_str()?.strip_prefix("socket:[")?;
        inode.strip_suffix(']')?.parse().ok()
    }))
}

fn listeners_of(leader: i32, members: impl Iterator<Item = i32>) -> Vec<SocketAddr> {
    let inodes: HashSet<u64> = members
        .filter_map(|pid| sockets(pid).ok())
        .flatten()
        .collect();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{leader}/net/{table}")).unwrap_or_default();
        let listening = table.lines().filter_map(listener);
        let own = listening.filter(|(_, inode)| inodes.contains(inode));
        found.extend(own.map(|(address, _)| address));
    }
    found.truncate(LISTENERS);
    found
}

/// A line of /proc/net/tcp or tcp6 (proc_pid_net(5)) that is of a listening socket: its address and inode.
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (ip, port) = fields.next()?.split_once(':')?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    // Words of four bytes, each in the host's order.
    let words = ip.as_bytes().chunks(8);
    let words = words.map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let bytes: Vec<u8> = words
        .map(|word| Some(word?.to_ne_bytes()))
        .collect::<Option<Vec<_>>>()?
        .concat();
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some((
        SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?),
        inode,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_stopped_when_all_that_work_in_it_are() {
        use std::process::Command;
        let signal = |pid: i32, name: &str| {
            let pid = pid.to_string();
            let killed = Command::new("kill").args([name, &pid]).status();
            assert!(killed.unwrap().success());
        };
        // A shell that waits for two programs.
        let mut shell = Command::new("sh");
        let mut shell = shell
            .args(["-c", "sleep 60 & sleep 60 & wait"])
            .spawn()
            .unwrap();
        let leader = i32::try_from(shell.id()).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let until = |found: &dyn Fn() -> bool| {
            while !found() {
                assert!(std::time::Instant::now() < deadline);
                std::thread::yield_now();
            }
        };
        until(&|| children(leader).len() == 2);
        let below = children(leader);
        assert!(!is_stopped(leader));
        signal(below[0], "-STOP");
        until(&|| stat(below[0]).unwrap().stopped);
        assert!(!is_stopped(leader), "the other one works");
        signal(below[1], "-STOP");
        until(&|| is_stopped(leader));
        signal(below[0], "-CONT");
        until(&|| !is_stopped(leader));
        below.iter().for_each(|pid| signal(*pid, "-KILL"));
        shell.wait().unwrap();
        assert!(!is_stopped(leader), "who is gone is not stopped");
    }

    #[test]
    fn a_command_name_with_parentheses_does_not_confuse_stat() {
        let line = "12 (a) b) Z 1 34 34 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 567 0 0";
        let expected = Stat {
            parent: 1,
            group: 34,
            start_time: 567,
            zombie: true,
            stopped: false,
        };
        assert_eq!(parse_stat(line), Some(expected));
        assert_eq!(parse_stat("12 (a"), None);
    }

    #[test]
    fn what_is_below_a_process_is_found_through_others_and_round_no_circle() {
        let parents = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 7), (7, 6)];
        let mut found = below(2, &HashMap::from(parents));
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4]);
    }

    #[test]
    fn own_stat_is_readable() {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let stat = stat(pid).unwrap();
        assert!(!stat.zombie && stat.start_time > 0);
    }

    #[test]
    fn a_process_is_known_by_where_it_listens() {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let listener = std::net::TcpListener::bind(address).unwrap();
            let address = listener.local_addr().unwrap();
            let inode = sockets(pid).unwrap();
            assert!(inode.count() > 0);
            let table = if address.is_ipv4() { "tcp" } else { "tcp6" };
            let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap();
            let (_, inode) = table
                .lines()
                .filter_map(super::listener)
                .find(|(a, _)| *a == address)
                .unwrap();
            assert!(has_socket(pid, inode).unwrap(), "{address}");
            let others = [rustix::process::getppid().unwrap().as_raw_nonzero().get()];
            assert!(!listeners_of(pid, others.into_iter()).contains(&address));
        }
    }

    #[test]
    fn variables_match_whole_names() {
        let environ = b"XGATELESS_NODE=a\0GATELESS_NODE_X=b\0GATELESS_NODE=c\0";
        assert_eq!(variable(environ, NODE_MARK).as_deref(), Some("c"));
        assert_eq!(variable(environ, INSTANCE_MARK), None);
    }
}
