//! A running `gateless dev`: its events as they come, and calls to its function.
//!
//! Deliberately waits for events and nothing else; one that never comes ends the process after a
//! while, and with it the test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// No build here takes as long, nor does compiling a component ahead without optimizations.
const PATIENCE: Duration = Duration::from_secs(900);

/// Ended with SIGINT when dropped.
pub(crate) struct Session {
    child: Child,
    events: BufReader<ChildStdout>,
    /// Ends the watchdog.
    _alive: mpsc::Sender<()>,
}

impl Session {
    /// Starts it on `folder`, on free ports.
    pub(crate) fn start(folder: &Path, settings: &[(&str, &Path)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateless"));
        command
            .args(["dev", "-o", "jsonl", "--listen", "127.0.0.1:0"])
            .args(["--function-listen", "127.0.0.1:0", "--timeout", "10m"])
            .arg(folder)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        for variable in [
            "GATELESS_LISTEN",
            "GATELESS_FUNCTION_LISTEN",
            "GATELESS_LOG",
        ] {
            command.env_remove(variable);
        }
        let mut child = command.spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap());
        let pid = child.id();
        let (alive, ended) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                signal(pid, Signal::KILL);
            }
        });
        Self {
            child,
            events,
            _alive: alive,
        }
    }

    /// The next event of this kind; others are passed over, but a failure nobody asked for.
    pub(crate) fn event(&mut self, kind: &str) -> Value {
        loop {
            let mut line = String::new();
            self.events.read_line(&mut line).unwrap();
            assert!(!line.is_empty(), "dev ended before {kind}");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == kind {
                return event;
            }
            assert_ne!(event["event"], "failed", "waiting for {kind}: {event:#}");
        }
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end and waits; its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        signal(self.child.id(), Signal::INT);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// GETs an `http://` URL; the body.
pub(crate) fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.0\r\nhost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{answer}");
    body.to_owned()
}
