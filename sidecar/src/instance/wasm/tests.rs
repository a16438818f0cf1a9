//! Components under the same contract as every other driver's instances, and what only they can do.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateless_core::config::{self, Kind};
use gateless_core::name::{InstanceId, NodeId};
use gateless_core::resources::Resources;
use gateless_wasm::{Engine, NoRoutes, Settings};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::instance::contract::{self, Host, Opened, Program, ask, contract};
use crate::instance::logs::{Bounds, Logs};
use crate::instance::wasm::WasmDriver;
use crate::instance::{Driver, ExitReason, StartRequest, Target};

#[path = "../../../wasm/tests/support/guest.rs"]
mod guest;

/// The component of the engine's own tests, built by cargo.
fn component() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (source, target) = ("wasm/tests/guest", "../target/tmp/wasm-guest");
        guest::build(
            &here.join(source),
            &here.join(target),
            "gateless_wasm_guest",
        )
    };
    BUILT.get_or_init(build)
}

struct Node(tempfile::TempDir);

impl Node {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

/// Fills in the file, as the reconciler does when it has the artifact.
struct WithFile(WasmDriver);

impl Driver for WithFile {
    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn cost(&self, revision: &config::Revision) -> Resources {
        self.0.cost(revision)
    }

    fn start(&self, mut request: StartRequest) {
        let wanted = request.revision.runtime.wasm().unwrap();
        let good = wanted.component_sha256 == digest(component());
        let damaged = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        request.bundle = Some(if good { component().into() } else { damaged });
        self.0.start(request);
    }

    fn stop(&self, id: &InstanceId) {
        self.0.stop(id);
    }

    fn kill(&self, id: &InstanceId, cause: &str) {
        self.0.kill(id, cause);
    }

    fn adopt(&self) -> BoxFuture<'_, Vec<crate::instance::Adopted>> {
        self.0.adopt()
    }

    fn shutdown(&self, how: crate::instance::Shutdown) -> BoxFuture<'_, ()> {
        self.0.shutdown(how)
    }
}

fn digest(path: &Path) -> String {
    hex::encode(Sha256::digest(std::fs::read(path).unwrap()))
}

impl Host for Node {
    fn open(&self) -> Opened {
        let (sender, events) = mpsc::channel(64);
        let mut settings = Settings::new(component().with_file_name("compiled"));
        settings.max_concurrent = 16;
        settings.max_idle = 4;
        // A cache belongs to one sidecar, which opens it once.
        static OPENING: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
        let opening = OPENING.lock();
        let engine = Engine::open(settings, Arc::new(NoRoutes)).unwrap();
        drop(opening);
        let logs = Logs::open(self.0.path().join("logs"), Bounds::default()).unwrap();
        let driver = WasmDriver::new(NodeId::new("n"), engine, logs.clone(), sender);
        Opened {
            driver: Arc::new(WithFile(driver)),
            events,
            logs: Box::new(move |query| logs.query(query)),
        }
    }

    fn revision(&self, name: &str, program: Program) -> config::Revision {
        let mut revision = contract::revision(name, contract::process(&["unused"]));
        let component_sha256 = match program {
            Program::Serve => digest(component()),
            Program::Exit(_) | Program::NeverListen | Program::Missing => "0".repeat(64),
        };
        revision.runtime = config::Runtime::Wasm(config::Wasm {
            component_sha256,
            component_size: 1,
            reuse: false,
            memory: 64 << 20,
            cpu_time: contract::PATIENCE,
            max_table_elements: 10_000,
            max_response_body: 1 << 20,
            allowed_hosts: Vec::new(),
            max_outgoing_requests: 4,
        });
        revision
    }

    fn crash<'a>(&'a self, _: &'a InstanceId, _: &'a Target, _: i32) -> BoxFuture<'a, ()> {
        unreachable!("a component ends with its sidecar only")
    }

    fn say<'a>(&'a self, _: &'a InstanceId, at: &'a Target, line: &'a str) -> BoxFuture<'a, ()> {
        async move { drop(ask(at, &format!("/print?{line}")).await.unwrap()) }.boxed()
    }
}

contract!(components super::tests::Node::new());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_component_is_a_failed_start_that_says_so() {
    let node = Node::new();
    let mut opened = node.open();
    let id = opened.start("one", node.revision("hello", Program::Missing));
    let exit = opened.exit(&id).await;
    assert_eq!(exit.reason, ExitReason::SpawnFailed);
    assert!(exit.message.contains("SHA-256"), "{}", exit.message);
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_traps_ends_alone_and_names_its_end() {
    let node = Node::new();
    let mut opened = node.open();
    let id = opened.start("one", node.revision("hello", Program::Serve));
    let target = opened.target(&id).await;
    let failed = ask(&target, "/trap").await.unwrap_err();
    assert!(failed.contains("WasmTrap"), "{failed}");
    assert_eq!(ask(&target, "/").await.unwrap(), "hello");
    opened.close().await;
}
