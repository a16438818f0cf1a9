//! The program the tests run as instances: this very test binary, told by its environment what to be.
//!
//! So there is nothing to build or find first. A small blocking HTTP server, or a whole sidecar's
//! driver to be killed.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;

use gateless_core::name::NodeId;
use tokio::sync::mpsc;

use super::fence;
use crate::instance::process::Config;
use crate::instance::{Driver, Event, StartRequest, contract};

/// Names the mode; without it the test below is an empty one.
pub(super) const MODE: &str = "TEST_PROGRAM";
/// Listen on standard input instead of `$PORT`.
pub(super) const ON_STDIN: &str = "TEST_LISTEN_ON_STDIN";
/// So many answers are 503 first.
pub(super) const UNREADY: &str = "TEST_UNREADY_ANSWERS";
/// For the driver mode.
pub(super) const DATA: &str = "TEST_DATA";
pub(super) const NODE: &str = "TEST_NODE";
/// The same: which fence, and the mark of a program that leaves it by every way there is.
pub(super) const FENCE: &str = "TEST_FENCE";
pub(super) const HOSTILE: &str = "TEST_HOSTILE";

/// The command line that runs this file's test alone.
pub(super) fn command() -> Vec<String> {
    let executable = std::env::current_exe().unwrap();
    let test = concat!(module_path!(), "::program")
        .split_once("::")
        .unwrap()
        .1;
    let words = [executable.to_str().unwrap(), test, "--exact", "--nocapture"];
    words.map(str::to_owned).into()
}

#[test]
fn program() {
    match std::env::var(MODE).as_deref() {
        Ok("serve") => serve(),
        Ok("driver") => drive(),
        _ => {}
    }
}

fn serve() {
    let listener = if std::env::var_os(ON_STDIN).is_some() {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
        TcpListener::from(stdin)
    } else {
        let port: u16 = std::env::var("PORT").unwrap().parse().unwrap();
        TcpListener::bind(("127.0.0.1", port)).unwrap()
    };
    let mut unready: u32 = std::env::var(UNREADY).map_or(0, |count| count.parse().unwrap());
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        let status = if unready > 0 { "503 No" } else { "200 OK" };
        unready = unready.saturating_sub(1);
        // A client that goes away is none of its concern.
        let _ = answer(stream, status);
    }
}

fn answer(stream: TcpStream, status: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut header = String::from("x");
    while !header.trim().is_empty() {
        header.clear();
        reader.read_line(&mut header)?;
    }
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    let (verb, argument) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let body = match verb {
        "exit" => std::process::exit(argument.parse().unwrap()),
        "print" => {
            println!("{argument}");
            String::new()
        }
        "env" => std::env::var(argument).unwrap_or_default(),
        "environment" => {
            let names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
            names.join(" ")
        }
        "pid" => std::process::id().to_string(),
        _ => String::new(),
    };
    let length = body.len();
    write!(
        &stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// A sidecar that starts one instance, says where it answers, and waits to be killed.
fn drive() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let data = PathBuf::from(std::env::var(DATA).unwrap());
        let node = NodeId::new(&std::env::var(NODE).unwrap());
        let (sender, mut events) = mpsc::channel(8);
        let sandbox =
            std::env::var(FENCE).map_or_else(|_| fence::usual(), |kind| fence::with(&kind));
        let (driver, _logs) = super::open(&data, Config::new(node, sandbox), sender);
        let id = gateless_core::name::InstanceId::new("survivor");
        let revision = std::env::var(HOSTILE).map_or_else(
            |_| super::serving("hello", &[]),
            |mark| fence::hostile(&mark),
        );
        let request: StartRequest = contract::request(&id, revision);
        driver.start(request);
        match events.recv().await {
            Some(Event::Ready { target, .. }) => println!("ready {target:?}"),
            other => println!("failed {other:?}"),
        }
        std::future::pending::<()>().await;
    });
}
