//! What every driver must do, as one suite that each is held to through a [`Host`].
//!
//! What only processes can do (signals, adoption after a SIGKILL, bundles) is tested beside them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateless_core::config;
use gateless_core::name::{FunctionName, InstanceId};
use gateless_core::resources::Resources;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{
    Driver, Event, Exit, ExitReason, LogLine, LogQuery, LogStream, Shutdown, StartRequest, Target,
};

/// Far beyond what anything takes; only a failing test waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What an instance is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Serve,
    Exit(i32),
    NeverListen,
    Missing,
}

/// Where a driver runs its instances; outlives the drivers opened on it.
pub(super) trait Host {
    fn open(&self) -> Opened;
    fn revision(&self, name: &str, program: Program) -> config::Revision;
    /// Makes a ready instance end by itself.
    fn crash<'a>(&'a self, id: &'a InstanceId, at: &'a Target, code: i32) -> BoxFuture<'a, ()>;
    /// Makes a ready instance write a line to its stdout.
    fn say<'a>(&'a self, id: &'a InstanceId, at: &'a Target, line: &'a str) -> BoxFuture<'a, ()>;
}

/// A driver and its events.
pub(super) struct Opened {
    pub driver: Arc<dyn Driver>,
    pub events: mpsc::Receiver<Event>,
    pub logs: Box<dyn Fn(LogQuery) -> mpsc::Receiver<LogLine> + Send + Sync>,
}

impl Opened {
    pub(super) async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event.expect("an event in time").expect("a living driver")
    }

    pub(super) async fn target(&mut self, expected: &InstanceId) -> Target {
        match self.next().await {
            Event::Ready { id, target, .. } if id == *expected => target,
            other => panic!("{expected} is not ready: {other:?}"),
        }
    }

    pub(super) async fn ready(&mut self, expected: &InstanceId) -> SocketAddr {
        let target = self.target(expected).await;
        target.address().expect("a socket")
    }

    pub(super) async fn exit(&mut self, expected: &InstanceId) -> Exit {
        match self.next().await {
            Event::Exited { id, exit } if id == *expected => exit,
            other => panic!("{expected} has not exited: {other:?}"),
        }
    }

    pub(super) fn start(&self, id: &str, revision: config::Revision) -> InstanceId {
        let id = InstanceId::new(id);
        self.driver.start(request(&id, revision));
        id
    }

    /// Ends the test: nothing is left running.
    pub(super) async fn close(mut self) {
        self.driver.shutdown(Shutdown::Stop).await;
        drop((self.driver, self.logs));
        while self.events.recv().await.is_some() {}
    }
}

pub(crate) fn request(id: &InstanceId, revision: config::Revision) -> StartRequest {
    StartRequest {
        id: id.clone(),
        revision: Arc::new(revision),
        secrets: BTreeMap::new(),
        secrets_version: 4,
        bundle: None,
        gateless_url: "http://127.0.0.1:1".into(),
    }
}

pub(crate) fn revision(name: &str, process: config::Process) -> config::Revision {
    let mut revision = gateless_core::fixture::revision(name, 1, config::Scaling::DEFAULT);
    revision.uid = "uid-1".into();
    revision.runtime = config::Runtime::Process(process);
    revision.limits = config::Limits {
        timeout: None,
        response_start_timeout: None,
        idle_timeout: None,
        ..config::Limits::DEFAULT
    };
    revision.retries.max_attempts = 1;
    revision.hold = config::HoldLimits {
        max_requests: 1,
        max_bytes: 1,
        max_wait: PATIENCE,
    };
    revision
}

pub(crate) fn process(command: &[&str]) -> config::Process {
    config::Process {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        bundle: None,
        working_dir: None,
        ready: config::Readiness::Tcp,
        start_timeout: PATIENCE,
        stop_grace: PATIENCE,
        socket_activation: false,
        memory: None,
        cpu: None,
    }
}

pub(super) fn with_start_timeout(
    mut revision: config::Revision,
    timeout: Duration,
) -> config::Revision {
    match &mut revision.runtime {
        config::Runtime::Process(process) => process.start_timeout = timeout,
        config::Runtime::Container(container) => container.start_timeout = timeout,
        config::Runtime::Wasm(_) => unreachable!("it is loaded or it is not"),
    }
    revision
}

pub(super) fn query(name: &str, follow: bool) -> LogQuery {
    LogQuery {
        function: FunctionName::new("default", name).unwrap(),
        revision: None,
        instance: None,
        tail: None,
        since_ms: None,
        until_ms: None,
        follow,
    }
}

pub(super) async fn next_line(lines: &mut mpsc::Receiver<LogLine>) -> Option<LogLine> {
    let line = tokio::time::timeout(PATIENCE, lines.recv()).await;
    line.expect("a log line in time")
}

/// GETs a path; the body as text.
pub(super) async fn get(address: SocketAddr, path: &str) -> hyper::Result<String> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::get(path)
        .header("host", "test")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let body = sender
        .send_request(request)
        .await?
        .into_body()
        .collect()
        .await?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

/// As [`get`], wherever the instance is.
pub(super) async fn ask(target: &Target, path: &str) -> Result<String, String> {
    match target {
        Target::Http { address } => get(*address, path).await.map_err(|e| e.to_string()),
        Target::InProcess(component) => {
            let request = http::Request::get(path).header("host", "test");
            let mut request = request.body(crate::endpoint::body::Body::empty()).unwrap();
            let answer = component.call(&mut request, None).await;
            let answer = answer.map_err(|failure| format!("{failure:?}"))?;
            let body = answer.into_body().collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            Ok(String::from_utf8(body.to_vec()).unwrap())
        }
    }
}

pub(super) async fn an_instance_costs_something_and_always_the_same(host: impl Host) {
    let opened = host.open();
    let revision = host.revision("hello", Program::Serve);
    assert_eq!(revision.runtime.kind(), opened.driver.kind());
    let cost = opened.driver.cost(&revision);
    // What costs nothing would fit any number of times.
    assert_ne!(cost, Resources::default());
    let other = host.revision("other", Program::Serve);
    assert_eq!(opened.driver.cost(&other), cost);
    opened.close().await;
}

pub(super) async fn an_instance_gets_ready_answers_and_stops(host: impl Host) {
    let mut opened = host.open();
    let id = opened.start("one", host.revision("hello", Program::Serve));
    let target = opened.target(&id).await;
    let is_own = |address: SocketAddr| match address.ip() {
        ip if ip.is_loopback() => true,
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(_) => false,
    };
    assert!(target.address().is_none_or(is_own), "of this host alone");
    ask(&target, "/").await.unwrap();
    opened.driver.stop(&id);
    opened.driver.stop(&id);
    let exit = opened.exit(&id).await;
    assert_eq!((exit.reason, exit.was_ready), (ExitReason::Stopped, true));
    if let Some(address) = target.address() {
        assert!(TcpStream::connect(address).await.is_err());
    }
    opened.close().await;
}

pub(super) async fn an_exit_before_ready_names_its_code(host: impl Host) {
    let mut opened = host.open();
    let id = opened.start("one", host.revision("hello", Program::Exit(3)));
    let exit = opened.exit(&id).await;
    assert_eq!((exit.reason, exit.code), (ExitReason::Exited, Some(3)));
    assert_eq!(exit.message, "exited with code 3 before it was ready");
    assert!(!exit.was_ready);
    opened.close().await;
}

pub(super) async fn a_crash_after_ready_names_its_code_and_last_lines(host: impl Host) {
    let mut opened = host.open();
    let id = opened.start("one", host.revision("hello", Program::Serve));
    let target = opened.target(&id).await;
    host.say(&id, &target, "famous-last-words").await;
    host.crash(&id, &target, 7).await;
    let exit = opened.exit(&id).await;
    assert_eq!((exit.code, exit.was_ready), (Some(7), true));
    assert_eq!(exit.message, "exited with code 7");
    assert_eq!(
        exit.last_log_lines.last().map(String::as_str),
        Some("famous-last-words")
    );
    opened.close().await;
}

pub(super) async fn a_start_that_takes_too_long_is_ended(host: impl Host) {
    let mut opened = host.open();
    let revision = host.revision("hello", Program::NeverListen);
    let id = opened.start(
        "one",
        with_start_timeout(revision, Duration::from_millis(100)),
    );
    let exit = opened.exit(&id).await;
    assert_eq!(exit.reason, ExitReason::StartTimeout);
    assert!(exit.message.starts_with("no listener"), "{}", exit.message);
    assert!(exit.message.ends_with("within 0.1 s"), "{}", exit.message);
    opened.close().await;
}

pub(super) async fn a_missing_command_is_a_failed_spawn(host: impl Host) {
    let mut opened = host.open();
    let id = opened.start("one", host.revision("hello", Program::Missing));
    let exit = opened.exit(&id).await;
    assert_eq!(exit.reason, ExitReason::SpawnFailed);
    assert!(exit.message.contains("was not found"), "{}", exit.message);
    opened.close().await;
}

pub(super) async fn a_stop_ends_a_start(host: impl Host) {
    let mut opened = host.open();
    let id = opened.start("one", host.revision("hello", Program::NeverListen));
    opened.driver.stop(&id);
    let exit = opened.exit(&id).await;
    assert_eq!((exit.reason, exit.was_ready), (ExitReason::Stopped, false));
    opened.close().await;
}

pub(super) async fn who_does_nothing_any_more_is_killed_for_the_cause_given(host: impl Host) {
    let mut opened = host.open();
    let id = opened.start("one", host.revision("hello", Program::Serve));
    opened.target(&id).await;
    assert!(!opened.driver.is_stopped(&id));
    opened.driver.kill(&id, "it is tired");
    let exit = opened.exit(&id).await;
    let expected = (ExitReason::Unresponsive, true);
    assert_eq!((exit.reason, exit.was_ready), expected);
    assert_eq!(exit.message, "killed, as it is tired");
    assert!(!opened.driver.is_stopped(&id));
    opened.close().await;
}

pub(super) async fn unknown_and_repeated_ids_change_nothing(host: impl Host) {
    let mut opened = host.open();
    opened.driver.stop(&InstanceId::new("nobody"));
    let id = opened.start("one", host.revision("hello", Program::Serve));
    opened.start("one", host.revision("hello", Program::Serve));
    opened.target(&id).await;
    opened.driver.stop(&id);
    assert_eq!(opened.exit(&id).await.reason, ExitReason::Stopped);
    opened.close().await;
}

pub(super) async fn many_at_once_have_addresses_of_their_own(host: impl Host) {
    let mut opened = host.open();
    let count = 16;
    for number in 0..count {
        opened.start(
            &format!("i{number}"),
            host.revision("hello", Program::Serve),
        );
    }
    let mut addresses = std::collections::BTreeSet::new();
    for _ in 0..count {
        match opened.next().await {
            Event::Ready { id, target, .. } => {
                let address = target.address().map(|address| address.to_string());
                addresses.insert(address.unwrap_or_else(|| id.to_string()))
            }
            other => panic!("not ready: {other:?}"),
        };
    }
    assert_eq!(addresses.len(), count);
    opened.close().await;
}

pub(super) async fn a_shutdown_stops_and_reports_all(host: impl Host) {
    let mut opened = host.open();
    let id = opened.start("one", host.revision("hello", Program::Serve));
    opened.target(&id).await;
    opened.driver.shutdown(Shutdown::Stop).await;
    assert_eq!(opened.exit(&id).await.reason, ExitReason::Stopped);
}

pub(super) async fn the_next_driver_adopts_what_was_left(host: impl Host) {
    let mut first = host.open();
    assert!(first.driver.adopt().await.is_empty());
    let id = first.start("one", host.revision("hello", Program::Serve));
    let address = first.ready(&id).await;
    first.driver.shutdown(Shutdown::Leave).await;
    drop(first);

    let mut second = host.open();
    let adopted = second.driver.adopt().await;
    assert_eq!(adopted.len(), 1, "{adopted:?}");
    assert_eq!(
        (
            &adopted[0].id,
            adopted[0].target.address(),
            adopted[0].ready
        ),
        (&id, Some(address), true)
    );
    assert_eq!(adopted[0].revision.to_string(), "default/hello/hello-00001");
    assert_eq!(&*adopted[0].revision_uid, "uid-1");
    assert_eq!(adopted[0].secrets_version, 4);
    get(address, "/").await.unwrap();
    second.driver.stop(&id);
    let exit = second.exit(&id).await;
    assert_eq!((exit.reason, exit.was_ready), (ExitReason::Stopped, true));
    second.close().await;
}

pub(super) async fn logs_are_read_back_and_followed(host: impl Host) {
    let mut opened = host.open();
    let id = opened.start("one", host.revision("hello", Program::Serve));
    let target = opened.target(&id).await;
    host.say(&id, &target, "first").await;
    let mut lines = (opened.logs)(query("hello", true));
    let mut line = next_line(&mut lines).await.unwrap();
    while line.line != "first" {
        line = next_line(&mut lines).await.unwrap();
    }
    assert_eq!((&line.instance, line.stream), (&id, LogStream::Stdout));
    assert!(line.time_ms > 0);
    host.say(&id, &target, "second").await;
    assert_eq!(next_line(&mut lines).await.unwrap().line, "second");

    let mut tail = query("hello", false);
    tail.tail = Some(1);
    let mut lines = (opened.logs)(tail);
    assert_eq!(next_line(&mut lines).await.unwrap().line, "second");
    assert_eq!(next_line(&mut lines).await, None);
    let mut other = (opened.logs)(query("other", false));
    assert_eq!(next_line(&mut other).await, None);
    opened.close().await;
}

/// The whole suite, against the host the expression makes; `components` leaves out what only
/// something that outlives its driver or ends by itself can do; `ignored` is the whole one, left out unless it is asked for.
macro_rules! contract {
    (components $host:expr) => {
        $crate::instance::contract::contract!(@components [] $host);
    };
    (ignored $host:expr) => {
        $crate::instance::contract::contract!(@components [ignore = "needs an engine: make test-engines"] $host);
        $crate::instance::contract::contract!(@programs [ignore = "needs an engine: make test-engines"] $host);
    };
    (@programs [$($with:meta)?] $host:expr) => {
        $crate::instance::contract::contract!(@tests [$($with)?] $host;
            an_exit_before_ready_names_its_code
            a_crash_after_ready_names_its_code_and_last_lines
            a_start_that_takes_too_long_is_ended
            a_missing_command_is_a_failed_spawn
            a_stop_ends_a_start
            who_does_nothing_any_more_is_killed_for_the_cause_given
            the_next_driver_adopts_what_was_left
        );
    };
    (@components [$($with:meta)?] $host:expr) => {
        $crate::instance::contract::contract!(@tests [$($with)?] $host;
            an_instance_costs_something_and_always_the_same
            an_instance_gets_ready_answers_and_stops
            unknown_and_repeated_ids_change_nothing
            many_at_once_have_addresses_of_their_own
            a_shutdown_stops_and_reports_all
            logs_are_read_back_and_followed
        );
    };
    (@tests [$($with:meta)?] $host:expr; $($name:ident)*) => {
        $crate::instance::contract::contract!(@each [$($with)?] [$host] $($name)*);
    };
    (@each $with:tt $host:tt $($name:ident)*) => {$(
        $crate::instance::contract::contract!(@one $with $host $name);
    )*};
    (@one [$($with:meta)?] [$host:expr] $name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$with])?
        async fn $name() {
            $crate::instance::contract::$name($host).await;
        }
    };
    ($host:expr) => {
        $crate::instance::contract::contract!(@components [] $host);
        $crate::instance::contract::contract!(@programs [] $host);
    };
}
pub(super) use contract;
