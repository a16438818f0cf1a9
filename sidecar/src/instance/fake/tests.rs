//! The fake under the same contract as the real drivers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateless_core::config;
use gateless_core::name::InstanceId;
use tokio::sync::mpsc;

use super::{Failure, FakeDriver, Script, World};
use crate::instance::contract::{self, Host, Opened, Program, contract, get};
use crate::instance::{LogStream, Target};

#[derive(Default)]
pub(super) struct Stage(Arc<World>);

impl Host for Stage {
    fn open(&self) -> Opened {
        let (sender, events) = mpsc::channel(64);
        Opened {
            driver: Arc::new(FakeDriver::new(self.0.clone(), sender)),
            events,
            logs: {
                let world = self.0.clone();
                Box::new(move |query| world.logs(query))
            },
        }
    }

    fn revision(&self, name: &str, program: Program) -> config::Revision {
        let revision = contract::revision(name, contract::process(&["fake"]));
        let failure = match program {
            Program::Serve => None,
            Program::Exit(code) => Some(Failure::Exit(code)),
            Program::NeverListen => Some(Failure::Never),
            Program::Missing => Some(Failure::Spawn),
        };
        let script = Script {
            failure,
            ..Script::default()
        };
        self.0.script(&revision.name, script);
        revision
    }

    fn crash<'a>(&'a self, id: &'a InstanceId, _: &'a Target, code: i32) -> BoxFuture<'a, ()> {
        self.0.crash(id, code);
        std::future::ready(()).boxed()
    }

    fn say<'a>(&'a self, id: &'a InstanceId, _: &'a Target, line: &'a str) -> BoxFuture<'a, ()> {
        self.0.say(id, LogStream::Stdout, line);
        std::future::ready(()).boxed()
    }
}

contract!(super::tests::Stage::default());

#[tokio::test]
async fn requests_and_starts_are_counted() {
    let stage = Stage::default();
    let mut opened = stage.open();
    let revision = stage.revision("hello", Program::Serve);
    let script = Script {
        start_delay: Duration::from_millis(1),
        answer_delay: Duration::from_millis(1),
        failure: None,
    };
    stage.0.script(&revision.name, script);
    let id = opened.start("one", revision);
    let address = opened.ready(&id).await;
    for _ in 0..3 {
        get(address, "/").await.unwrap();
    }
    assert_eq!(
        (
            stage.0.requests_of(&id),
            stage.0.requests(),
            stage.0.started()
        ),
        (3, 3, 1)
    );
    opened.close().await;
}
