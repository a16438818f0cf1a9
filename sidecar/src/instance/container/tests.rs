//! The driver against a real engine: the contract of every driver, and what only containers do.
//!
//! `make test-engines` starts the engine and runs these in its network (`tests/engines/run.py`); by themselves they are left out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateless_core::config;
use gateless_core::name::{InstanceId, NodeId};
use tokio::sync::mpsc;

use super::{Config, ContainerDriver};
use crate::instance::contract::{self, Host, Opened, PATIENCE, Program};
use crate::instance::engine::{Choice, State};
use crate::instance::folder::Folder;
use crate::instance::logs::{Bounds, Logs};
use crate::instance::{ExitReason, Target};

/// Where the engine is.
const ENGINE: &str = "GATELESS_TEST_ENGINE";
/// Of the image that `tests/engines/run.py` makes.
const IMAGE: &str = "gateless.test/program:1";

/// A data folder, and an engine.
struct Engine {
    folder: tempfile::TempDir,
    node: NodeId,
    choice: Choice,
}

impl Engine {
    fn new() -> Self {
        let choice =
            std::env::var(ENGINE).expect("make test-engines starts an engine and says where");
        Self {
            folder: tempfile::tempdir().unwrap(),
            node: NodeId::new(&format!("{:08x}", rand::random::<u32>())),
            choice: choice.parse().unwrap(),
        }
    }

    fn driver(
        &self,
    ) -> (
        ContainerDriver,
        mpsc::Receiver<crate::instance::Event>,
        Logs,
    ) {
        let folder = Arc::new(Folder::open(self.folder.path()).unwrap());
        let logs = Logs::open(folder.logs(), Bounds::default()).unwrap();
        let (sender, events) = mpsc::channel(64);
        let config = Config {
            node: self.node.clone(),
            engine: self.choice.clone(),
            max_instances: 100,
        };
        let (driver, mut doors) =
            ContainerDriver::open(config, folder, logs.clone(), sender).unwrap();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Some((address, opened)) = doors.recv().await {
                let listener = tokio::net::TcpListener::bind((address, 0)).await;
                let bound = listener.and_then(|one| Ok((one.local_addr()?, one)));
                let _ = opened.send(bound.map(|(bound, listener)| {
                    open.push(listener);
                    bound
                }));
            }
        });
        (driver, events, logs)
    }
}

impl Host for Engine {
    fn open(&self) -> Opened {
        let (driver, events, logs) = self.driver();
        // The first look is a task's, and a start that comes before it finds no engine.
        let mut engine = driver.engine();
        let found = async move { engine.wait_for(State::is_here).await.is_ok() };
        let found = tokio::time::timeout(PATIENCE, found);
        let found =
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(found));
        assert_eq!(found, Ok(true), "the engine answers");
        Opened {
            driver: Arc::new(driver),
            events,
            logs: Box::new(move |query| logs.query(query)),
        }
    }

    fn revision(&self, name: &str, program: Program) -> config::Revision {
        let words: &[&str] = match program {
            Program::Serve | Program::Missing => &[],
            Program::Exit(3) => &["exit", "3"],
            Program::Exit(_) => unreachable!("the suite asks for 3"),
            Program::NeverListen => &["never"],
        };
        let mut revision = contract::revision(name, contract::process(&["unused"]));
        let missing = (program == Program::Missing).then(|| "/missing".to_owned());
        revision.runtime = config::Runtime::Container(config::Container {
            image: IMAGE.into(),
            command: missing.into_iter().collect(),
            args: words.iter().map(|word| (*word).to_owned()).collect(),
            user: None,
            tmpfs: Vec::new(),
            ready: config::Readiness::Answer,
            port: 8_080,
            start_timeout: PATIENCE,
            stop_grace: PATIENCE,
            memory: None,
            cpu: None,
            max_processes: 64,
            read_only_root: false,
        });
        revision
    }

    fn crash<'a>(&'a self, _: &'a InstanceId, at: &'a Target, code: i32) -> BoxFuture<'a, ()> {
        async move { drop(contract::ask(at, &format!("/exit/{code}")).await) }.boxed()
    }

    fn say<'a>(&'a self, _: &'a InstanceId, at: &'a Target, line: &'a str) -> BoxFuture<'a, ()> {
        async move { drop(contract::ask(at, &format!("/say/{line}")).await.unwrap()) }.boxed()
    }
}

mod suite {
    use super::Engine;
    use crate::instance::contract::contract;

    contract!(ignored Engine::new());
}

fn with(
    mut revision: config::Revision,
    change: impl FnOnce(&mut config::Container),
) -> config::Revision {
    let config::Runtime::Container(container) = &mut revision.runtime else {
        unreachable!("made above")
    };
    change(container);
    revision
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an engine: make test-engines"]
async fn one_that_needs_more_memory_than_it_may_is_killed_and_says_so() {
    let host = Engine::new();
    let mut opened = host.open();
    let revision = with(host.revision("hog", Program::Serve), |c| {
        c.memory = Some(32 << 20)
    });
    let id = opened.start("hog", revision);
    let target = opened.target(&id).await;
    drop(contract::ask(&target, "/hog").await);
    let exit = opened.exit(&id).await;
    assert_eq!((exit.reason, exit.signal), (ExitReason::Signaled, Some(9)));
    assert!(exit.message.contains("out of memory"), "{}", exit.message);
    assert!(exit.message.contains("33554432 bytes"), "{}", exit.message);
    let last = exit
        .last_log_lines
        .last()
        .map(String::as_str)
        .unwrap_or_default();
    assert!(last.contains("out of memory"), "{last}");
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an engine: make test-engines"]
async fn a_container_has_no_privileges_and_writes_only_where_it_may() {
    let host = Engine::new();
    let mut opened = host.open();
    let revision = with(host.revision("walled", Program::Serve), |c| {
        c.read_only_root = true;
        c.tmpfs = vec!["/tmp".into()];
        c.user = Some("1234:1234".into());
    });
    let id = opened.start("walled", revision);
    let target = opened.target(&id).await;
    let status = contract::ask(&target, "/status").await.unwrap();
    for line in [
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Uid:\t1234\t1234",
    ] {
        assert!(status.contains(line), "{status}");
    }
    let written = contract::ask(&target, "/write/x").await.unwrap();
    assert!(written.contains("Read-only"), "{written}");
    assert_eq!(
        contract::ask(&target, "/write/tmp/x").await.unwrap(),
        "written"
    );
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an engine: make test-engines"]
async fn containers_reach_the_local_door_and_not_one_another() {
    let host = Engine::new();
    let mut opened = host.open();
    let (one, two) = (
        opened.start("one", host.revision("one", Program::Serve)),
        opened.start("two", host.revision("two", Program::Serve)),
    );
    let mut targets = std::collections::BTreeMap::new();
    for _ in 0..2 {
        let crate::instance::Event::Ready { id, target, .. } = opened.next().await else {
            panic!("not ready")
        };
        targets.insert(id, target);
    }
    let (first, second) = (&targets[&one], targets[&two].address().unwrap());
    let driver = &opened.driver;
    assert_eq!(driver.function_at(second.ip()).unwrap().name(), "two");
    let door = contract::ask(first, "/env/GATELESS_URL").await.unwrap();
    let door = door.trim_start_matches("http://");
    let reached = contract::ask(first, &format!("/connect/{door}"))
        .await
        .unwrap();
    assert_eq!(reached, "connected");
    let reached = contract::ask(first, &format!("/connect/{second}"))
        .await
        .unwrap();
    assert_ne!(reached, "connected", "past its gate");
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an engine: make test-engines"]
async fn an_image_that_cannot_be_had_is_named_with_the_registrys_words() {
    let host = Engine::new();
    let mut opened = host.open();
    let revision = with(host.revision("none", Program::Serve), |c| {
        c.image = "127.0.0.1:9/none:1".into();
    });
    let id = opened.start("none", revision);
    let exit = opened.exit(&id).await;
    assert_eq!(exit.reason, ExitReason::SpawnFailed);
    let begin = "image 127.0.0.1:9/none:1 cannot be had: ";
    assert!(exit.message.starts_with(begin), "{}", exit.message);
    assert!(exit.message.contains("refused"), "{}", exit.message);
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an engine: make test-engines"]
async fn what_an_earlier_node_of_the_folder_left_is_removed() {
    let mut host = Engine::new();
    let mut first = host.open();
    let id = first.start("left", host.revision("left", Program::Serve));
    let address = first.ready(&id).await;
    first
        .driver
        .shutdown(crate::instance::Shutdown::Leave)
        .await;
    drop(first);
    host.node = NodeId::new(&format!("{:08x}", rand::random::<u32>()));
    let second = host.open();
    assert!(second.driver.adopt().await.is_empty());
    let connected = tokio::net::TcpStream::connect(address);
    let connected = tokio::time::timeout(Duration::from_secs(5), connected).await;
    assert!(!matches!(connected, Ok(Ok(_))), "it is gone");
    second.close().await;
}

#[tokio::test]
async fn a_host_without_an_engine_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no.sock");
    let found = super::engine::look(&Choice::Socket(nowhere)).await;
    let State::Missing(why) = found.state else {
        panic!("there is none")
    };
    assert!(why.contains("no.sock"), "{why}");
    assert!(found.client.is_none());
}
