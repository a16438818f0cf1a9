//! What a sidecar's death leaves behind: adopted if it is what it seems, killed if it is ours,
//! untouched if it is not.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use gateless_core::name::InstanceId;

use super::{Node, is_empty, program, serving, wait_gone};
use crate::instance::contract::{Host, get, next_line, query};
use crate::instance::environment::{FOLDER_MARK, INSTANCE_MARK, NODE_MARK};
use crate::instance::process::manifest::{Manifest, ProcessId};
use crate::instance::process::{leftovers, procfs};
use crate::instance::{ExitReason, Shutdown};

/// A process that is gone with the test, however that ends.
struct Bystander(Child);

impl Bystander {
    fn new(marks: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sleep");
        command.arg("90").envs(marks.iter().copied());
        Self(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sidecar with one ready instance, as a process to be killed.
pub(super) fn sidecar(node: &Node, options: &[(&str, &str)]) -> (Child, SocketAddr) {
    let words = program::command();
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .env(program::MODE, "driver")
        .env(program::DATA, node.data())
        .env(program::NODE, node.id.as_str())
        .envs(options.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let address = output.lines().find_map(|line| {
        let line = line.unwrap();
        assert!(!line.contains("failed"), "{line}");
        // The test harness may have printed something before it on the line.
        Some(line.split_once("ready ")?.1.parse().unwrap())
    });
    (child, address.unwrap())
}

#[tokio::test]
async fn an_instance_outlives_its_sidecars_sigkill_and_is_adopted() {
    let node = Node::new();
    let (mut sidecar, address) = sidecar(&node, &[]);
    get(address, "/print/before").await.unwrap();
    sidecar.kill().unwrap();
    sidecar.wait().unwrap();
    get(address, "/print/between").await.unwrap();

    let mut opened = node.open();
    let adopted = opened.driver.adopt().await;
    let id = InstanceId::new("survivor");
    assert_eq!(adopted.len(), 1, "{adopted:?}");
    assert_eq!(
        (
            &adopted[0].id,
            adopted[0].target.address(),
            adopted[0].ready
        ),
        (&id, Some(address), true)
    );
    get(address, "/print/after").await.unwrap();

    let mut lines = (opened.logs)(query("hello", false));
    let mut seen = Vec::new();
    while let Some(line) = next_line(&mut lines).await {
        seen.push(line.line);
    }
    let said = |line: &&String| ["before", "between", "after"].contains(&line.as_str());
    assert_eq!(
        seen.iter().filter(said).collect::<Vec<_>>(),
        ["before", "between", "after"]
    );

    let _ = get(address, "/exit/3").await;
    let exit = opened.exit(&id).await;
    assert_eq!((exit.reason, exit.was_ready), (ExitReason::Unknown, true));
    assert_eq!(
        exit.last_log_lines.last().map(String::as_str),
        Some("after")
    );
    opened.close().await;
}

#[tokio::test]
async fn an_adopted_instance_is_stopped_with_its_group() {
    let node = Node::new();
    let (mut sidecar, address) = sidecar(&node, &[]);
    sidecar.kill().unwrap();
    sidecar.wait().unwrap();
    let pid = get(address, "/pid").await.unwrap().parse().unwrap();
    let mut opened = node.open();
    let id = opened.driver.adopt().await.remove(0).id;
    opened.driver.stop(&id);
    assert_eq!(opened.exit(&id).await.reason, ExitReason::Stopped);
    wait_gone(pid);
    opened.close().await;
}

#[tokio::test]
async fn one_that_was_still_starting_is_waited_for() {
    let node = Node::new();
    let first = node.open();
    let mut lines = (first.logs)(query("hello", true));
    let mut revision = serving("hello", &[]);
    let script = "echo waiting; while [ ! -e ../go ]; do sleep 0.01; done; exec \"$@\"";
    let mut command = vec!["sh".into(), "-c".into(), script.into(), "sh".into()];
    command.append(&mut super::of(&mut revision).command);
    super::of(&mut revision).command = command;
    let id = first.start("one", revision);
    next_line(&mut lines).await.unwrap();
    first.driver.shutdown(Shutdown::Leave).await;
    drop((first, lines));

    let mut second = node.open();
    let adopted = second.driver.adopt().await;
    assert!(!adopted[0].ready);
    std::fs::write(node.instance_folder(&id).join("go"), "").unwrap();
    assert_eq!(
        second.ready(&id).await,
        adopted[0].target.address().unwrap()
    );
    second.close().await;
}

/// A manifest such as a dead sidecar leaves, naming this process.
fn leave_manifest(node: &Node, id: &str, process: Option<ProcessId>) {
    let folder = node.instance_folder(&InstanceId::new(id));
    std::fs::create_dir_all(&folder).unwrap();
    let manifest = Manifest {
        id: id.into(),
        revision: "default/hello/hello-00001".into(),
        revision_uid: "uid-1".into(),
        port: 20_000,
        started_at_ms: 1,
        ready_path: None,
        ready_answer: false,
        secrets_version: 0,
        h2c: false,
        start_timeout_ms: 1000,
        stop_grace_ms: 1000,
        was_ready: true,
        bundle: None,
        process,
        groups: Vec::new(),
        fence: None,
    };
    manifest.write(&folder).unwrap();
}

#[tokio::test]
async fn a_pid_that_now_is_anothers_is_left_alone() {
    let node = Node::new();
    let mut innocent = Bystander::new(&[]);
    let pid = innocent.0.id().cast_signed();
    let start_time = procfs::stat(pid).unwrap().start_time;
    let noted = |boot: String, start_time| {
        Some(ProcessId {
            boot,
            pid,
            start_time,
        })
    };
    leave_manifest(&node, "reused", noted(procfs::boot_id(), start_time - 1));
    leave_manifest(&node, "rebooted", noted("another-boot".into(), start_time));

    let opened = node.open();
    assert!(opened.driver.adopt().await.is_empty());
    assert!(
        innocent.0.try_wait().unwrap().is_none(),
        "an innocent process was killed"
    );
    assert!(is_empty(&node.data().join("instances")));
    opened.close().await;
}

#[tokio::test]
async fn a_start_that_was_interrupted_leaves_no_process() {
    let node = Node::new();
    leave_manifest(&node, "interrupted", None);
    let spawn = |id| Bystander::new(&[(INSTANCE_MARK, id), (NODE_MARK, node.id.as_str())]);
    let mut orphans = [spawn("interrupted"), spawn("never-noted")];
    let opened = node.open();
    assert!(opened.driver.adopt().await.is_empty());
    for orphan in &mut orphans {
        assert!(!orphan.0.wait().unwrap().success());
    }
    opened.close().await;
}

#[tokio::test]
async fn instances_of_a_node_whose_folder_was_wiped_end_and_nobody_elses() {
    let mut node = Node::new();
    let (mut sidecar, address) = sidecar(&node, &[]);
    let pid = get(address, "/pid").await.unwrap().parse().unwrap();
    let mark = get(address, "/env/GATELESS_FOLDER").await.unwrap();
    let spawn = |node: &str, mark: &str| {
        let marks = [(INSTANCE_MARK, "x"), (NODE_MARK, node), (FOLDER_MARK, mark)];
        Bystander::new(&marks)
    };
    // Of a sidecar that lives, and of another folder's that does not.
    let [alive, elsewhere, new] = [(); 3].map(|()| Node::new().id.clone());
    let living = leftovers::announce(alive.as_str()).unwrap();
    let mut others = [
        spawn(alive.as_str(), &mark),
        spawn(elsewhere.as_str(), "0123456789abcdef"),
    ];
    sidecar.kill().unwrap();
    sidecar.wait().unwrap();
    std::fs::remove_dir_all(node.data()).unwrap();
    node.id = new;
    let opened = node.open();
    assert!(opened.driver.adopt().await.is_empty());
    wait_gone(pid);
    for other in &mut others {
        assert!(
            other.0.try_wait().unwrap().is_none(),
            "another's was killed"
        );
    }
    opened.close().await;
    drop(living);
    // Its sidecar is gone as well now.
    let opened = node.open();
    assert!(opened.driver.adopt().await.is_empty());
    let [own, foreign] = &mut others;
    assert!(!own.0.wait().unwrap().success());
    assert!(foreign.0.try_wait().unwrap().is_none());
    opened.close().await;
}
