//! A limit of CPU holds for everything that an instance starts, by the kernel's own account.
//!
//! Counted in the kernel's periods and never in time that passes: a busy machine only makes it use less.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gateless_sandbox::Part;

use super::{Node, fence, of, serving};
use crate::instance::contract::{Host, PATIENCE};
use crate::instance::process::manifest::Manifest;

const MILLICORES: u32 = 200;
/// In each period of 100 ms.
const QUOTA_MS: u64 = 20;
const PERIODS: u64 = 20;
/// What the kernel hands to each CPU ahead, and rounds by.
const SLACK_MS: u64 = 60;

/// A line of `cpu.stat`.
fn stat(folder: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(folder.join("cpu.stat")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().parse().ok()).unwrap()
}

/// Milliseconds that all processes of a group have had, by the kernel's ticks of 10 ms.
fn used_ms(folder: &Path) -> u64 {
    let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap();
    let ticks = pids.lines().map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = text
            .rsplit_once(") ")
            .map_or("", |(_, rest)| rest)
            .to_owned();
        let fields = rest.split_ascii_whitespace().skip(11).take(2);
        fields
            .filter_map(|field| field.parse::<u64>().ok())
            .sum::<u64>()
    });
    ticks.sum::<u64>() * 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_tree_uses_no_more_cpu_than_its_limit() {
    if fence::usual().isolation().missing.contains(&Part::Cpu) {
        eprintln!("not tested: this host lacks {}", Part::Cpu.as_str());
        return;
    }
    let node = Node::new();
    let mut opened = node.open();
    let mut revision = serving("hello", &[]);
    let process = of(&mut revision);
    process.cpu = Some(MILLICORES);
    // Four processes, which no limit of one process would bound; one of them outside of its session.
    let busy = "for i in 1 2 3; do (while :; do :; done) & done; setsid sh -c 'while :; do :; done' & exec \"$@\"";
    let mut command: Vec<String> = ["sh", "-c", busy, "sh"].map(str::to_owned).into();
    command.append(&mut process.command);
    process.command = command;
    let id = opened.start("one", revision);
    opened.ready(&id).await;
    let manifest = Manifest::read(&node.instance_folder(&id)).unwrap();
    let has_quota = |folder: &PathBuf| {
        let files = ["cpu.max", "cpu.cfs_quota_us"];
        files.iter().any(|file| folder.join(file).exists())
    };
    let folder = manifest.groups.into_iter().find(has_quota).unwrap();
    let began = Instant::now();
    let (used, periods) = loop {
        // In this order: what is used meanwhile is in a later period.
        let (used, periods) = (used_ms(&folder), stat(&folder, "nr_periods "));
        if periods >= PERIODS {
            break (used, periods);
        }
        assert!(began.elapsed() < PATIENCE, "{periods} periods");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(stat(&folder, "nr_throttled ") > 0, "it was never held back");
    let bound = (periods + 1) * QUOTA_MS + SLACK_MS;
    assert!(
        used <= bound,
        "{used} ms in {periods} periods, at most {bound}"
    );
    opened.driver.stop(&id);
    opened.exit(&id).await;
    opened.close().await;
}
