//! A program that leaves its instance by every way there is, within each fence: when the instance ends, nothing of it is left.
//!
//! What the host cannot make counts as passed, and the test says so.

use std::fs;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use gateless_core::config;
use gateless_core::name::InstanceId;
use gateless_sandbox::{Hierarchies, Part, Sandbox, Settings};
use rustix::process::{Pid, Signal};

use super::adoption::sidecar;
use super::{Node, SHORT, of, program, serving};
use crate::instance::contract::{Opened, PATIENCE, get};
use crate::instance::process::{Config, now_ms};
use crate::instance::{ExitReason, Shutdown};

/// Ways out of the process group, the session, the environment and below every parent; the last of them is never the same process for long.
const WAYS: &str = r#"
env -i setsid sleep $MARK &
(env -i sh -c "(setsid sleep $MARK &) &")
env -i setsid sh -c 'trap "" TERM HUP INT; while :; do sleep $1; done' stubborn $MARK &
env -i setsid sh -c 'f() { f & exit; }; f' chain $MARK &
exec "$@"
"#;
/// A chain that nobody sees for so long has ended by itself: then there is one way less to try.
const CHAIN: Duration = Duration::from_secs(5);
/// Who sleeps because of them.
const SLEEPERS: usize = 3;

static USUAL: LazyLock<Arc<Sandbox>> = LazyLock::new(|| none(Hierarchies::detect()));
/// Version 1, which cannot kill a group at once.
static OLD: LazyLock<Arc<Sandbox>> = LazyLock::new(|| {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = mounts.lines().filter(|line| !line.contains("- cgroup2 "));
    none(Hierarchies::of(
        &mounts.collect::<Vec<_>>().join("\n"),
        &own,
    ))
});
static LAUNCHER: LazyLock<Arc<Sandbox>> = LazyLock::new(|| none(Hierarchies::of("", "")));

fn none(hierarchies: Hierarchies) -> Arc<Sandbox> {
    Arc::new(Sandbox::within(Settings::none(), hierarchies).unwrap())
}

pub(super) fn usual() -> Arc<Sandbox> {
    USUAL.clone()
}

pub(super) fn all() -> [Arc<Sandbox>; 2] {
    [USUAL.clone(), OLD.clone()]
}

pub(super) fn with(kind: &str) -> Arc<Sandbox> {
    match kind {
        "group" => USUAL.clone(),
        "group-v1" => OLD.clone(),
        _ => LAUNCHER.clone(),
    }
}

/// A server that first starts what is to outlive it.
pub(super) fn hostile(mark: &str) -> config::Revision {
    let mut revision = serving("hello", &[("MARK", mark)]);
    let process = of(&mut revision);
    process.stop_grace = SHORT;
    let mut command: Vec<String> = ["sh", "-c", WAYS, "sh"].map(str::to_owned).into();
    command.append(&mut process.command);
    process.command = command;
    revision
}

/// What one test's program left, by a number that nobody else sleeps for; gone with the test, however that ends.
struct Left(String);

impl Left {
    fn new() -> Self {
        Self(rand::random_range(1_000_000_000..2_000_000_000_u32).to_string())
    }

    /// Who has the number among its arguments, with the name it was called by. Who forks on and on may be missed by one look.
    fn look(&self) -> Vec<(i32, String)> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let called = |pid: i32| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            let mut words = line.split('\0');
            let name = words.next()?.to_owned();
            let mut words = words.peekable();
            words.any(|word| word == self.0).then_some((pid, name))
        };
        pids.filter_map(called).collect()
    }

    /// Until all of it has come out.
    async fn is_out(&self) {
        let began = Instant::now();
        loop {
            let found = self.look();
            let sleepers = found.iter().filter(|(_, name)| name == "sleep").count();
            // Of the shells one is stubborn, and the others are the chain.
            let shells = found.iter().filter(|(_, name)| name == "sh").count();
            let all = sleepers == SLEEPERS && shells >= 1;
            // The chain ends where the host has no process to spare, as while many tests run that leave some for its first one to reap.
            if all && (shells >= 2 || began.elapsed() > CHAIN) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "only {found:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn is_gone(&self) {
        for _ in 0..20 {
            let found = self.look();
            assert!(found.is_empty(), "left: {found:?}");
        }
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        for _ in 0..1_000 {
            for (pid, _) in self.look() {
                let _ = rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            }
        }
    }
}

struct Bench {
    node: Node,
    kind: &'static str,
    left: Left,
}

impl Bench {
    fn open(&self) -> Opened {
        self.node
            .opened(Config::new(self.node.id.clone(), with(self.kind)))
    }

    fn options(&self) -> [(&str, &str); 2] {
        [
            (program::FENCE, self.kind),
            (program::HOSTILE, &self.left.0),
        ]
    }
}

/// For every fence that this host has.
fn benches() -> impl Iterator<Item = Bench> {
    let kinds = ["group", "group-v1", "launcher"].into_iter();
    let there = kinds.filter(|kind| {
        let lacks = with(kind).isolation().missing.contains(&Part::Fence);
        if lacks && *kind != "launcher" {
            eprintln!("not tested: this host lacks {kind}");
        }
        !lacks || *kind == "launcher"
    });
    there.map(|kind| Bench {
        node: Node::new(),
        kind,
        left: Left::new(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_all_that_left() {
    for bench in benches() {
        let mut opened = bench.open();
        let id = opened.start("one", hostile(&bench.left.0));
        opened.ready(&id).await;
        bench.left.is_out().await;
        opened.driver.stop(&id);
        let exit = opened.exit(&id).await;
        assert_eq!(exit.reason, ExitReason::Stopped, "{}: {exit:?}", bench.kind);
        bench.left.is_gone();
        opened.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_and_a_kill_end_all_that_left() {
    for bench in benches() {
        let mut opened = bench.open();
        let id = opened.start("one", hostile(&bench.left.0));
        let address = opened.ready(&id).await;
        bench.left.is_out().await;
        let _ = get(address, "/exit/3").await;
        let exit = opened.exit(&id).await;
        let expected = (ExitReason::Exited, Some(3));
        assert_eq!((exit.reason, exit.code), expected, "{}", bench.kind);
        bench.left.is_gone();

        let id = opened.start("two", hostile(&bench.left.0));
        opened.ready(&id).await;
        bench.left.is_out().await;
        opened.driver.kill(&id, "it does nothing");
        let exit = opened.exit(&id).await;
        let expected = (ExitReason::Unresponsive, Some(9));
        assert_eq!((exit.reason, exit.signal), expected, "{}", bench.kind);
        bench.left.is_gone();
        opened.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fence_outlives_the_sidecars_that_leave_it_or_are_killed() {
    for bench in benches() {
        let (mut first, address) = sidecar(&bench.node, &bench.options());
        bench.left.is_out().await;
        first.kill().unwrap();
        first.wait().unwrap();

        let second = bench.open();
        let adopted = second.driver.adopt().await;
        assert_eq!(adopted.len(), 1, "{}", bench.kind);
        get(address, "/").await.unwrap();
        second.driver.shutdown(Shutdown::Leave).await;
        drop(second);
        bench.left.is_out().await;

        let mut third = bench.open();
        let id = third.driver.adopt().await.remove(0).id;
        third.driver.stop(&id);
        assert_eq!(third.exit(&id).await.reason, ExitReason::Stopped);
        bench.left.is_gone();
        third.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sidecar_was_killed_before_noting_is_ended_at_the_next_start() {
    for bench in benches() {
        let (mut first, _) = sidecar(&bench.node, &bench.options());
        bench.left.is_out().await;
        first.kill().unwrap();
        first.wait().unwrap();
        let folder = bench.node.instance_folder(&InstanceId::new("survivor"));
        fs::remove_file(folder.join("manifest.json")).unwrap();

        let second = bench.open();
        assert!(second.driver.adopt().await.is_empty(), "{}", bench.kind);
        bench.left.is_gone();
        second.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launcher_that_is_the_fence_needs_no_sidecar() {
    let bench = Bench {
        node: Node::new(),
        kind: "launcher",
        left: Left::new(),
    };
    let (mut first, address) = sidecar(&bench.node, &bench.options());
    bench.left.is_out().await;
    first.kill().unwrap();
    first.wait().unwrap();
    let _ = get(address, "/exit/3").await;
    let began = now_ms();
    while !bench.left.look().is_empty() {
        assert!(now_ms() - began < PATIENCE.as_millis() as u64);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.left.is_gone();
}
