//! RFC 9110, 9112 and 9113 clause by clause, for a proxy, with sockets and no HTTP library between the test
//! and the sidecar: at the sidecar of the instance's own host, and at another.
//!
//! A row that fails today says so (`open`), and then has to fail: who mends it takes the mark away.
//! Deliberately nothing a clause says only of user agents, origin servers, caches.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

mod functions;
mod h2;
mod messages;
mod semantics;
mod table;
mod wire;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use gateless_tests::process::built;
use gateless_tests::wait::PATIENCE;
use gateless_tests::{Cluster, Spec};
use libtest_mimic::{Arguments, Failed, Trial};
use table::{Exchange, Request};

/// What a row does at a door.
type Run = Box<dyn Fn(&Doors, &str) -> Result<(), Failed> + Send>;

/// Where the rows are sent.
pub(crate) struct Doors {
    /// Of the host of the only instance.
    local: String,
    /// Of another host.
    remote: String,
    seen: PathBuf,
}

impl Doors {
    /// What functions have seen since they had seen so many.
    fn seen_after(&self, lines: usize) -> Vec<Vec<u8>> {
        let text = fs::read_to_string(&self.seen).unwrap_or_default();
        text.lines().skip(lines).map(wire::unhex).collect()
    }

    /// Waits until the function answers at a door: the row before may have broken its connections.
    fn ready(&self, door: &str) -> Result<(), Failed> {
        let deadline = Instant::now() + PATIENCE;
        let request =
            format!("GET /function/raw/ HTTP/1.1\r\nhost: {door}\r\nconnection: close\r\n\r\n");
        loop {
            let (bytes, closed) = wire::exchange(door, request.as_bytes(), false, |_| false)?;
            let answer = wire::answer(&bytes, closed, "GET");
            if answer.status == 200 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the function does not answer: {answer:?}").into());
            }
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // What a function has seen is attributed to the row that was sent.
    arguments.test_threads = Some(1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let started = (!arguments.list).then(|| runtime.block_on(start()));
    let doors = started.as_ref().map(|(_, doors)| doors.clone());
    let mut trials = Vec::new();
    for is_local in [true, false] {
        let door = if is_local { "local" } else { "remote" };
        let trial = |clause: &str, name: &str, run: Run| {
            let doors = doors.clone();
            let name = format!("{} {door}: {name}", clause.replace(", ", "_"));
            Trial::test(name, move || {
                let doors = doors.ok_or("not started")?;
                run(
                    &doors,
                    if is_local {
                        &doors.local
                    } else {
                        &doors.remote
                    },
                )
            })
        };
        for row in messages::ROWS.iter().chain(semantics::ROWS) {
            let run = move |doors: &Doors, door: &str| expected(row.open, h1(row, doors, door));
            trials.push(trial(row.clause, row.name, Box::new(run)));
        }
        for row in h2::ROWS {
            let run = move |doors: &Doors, door: &str| h2(row, doors, door);
            trials.push(trial(row.clause, row.name, Box::new(run)));
        }
        for row in functions::ROWS {
            let run = move |_: &Doors, door: &str| expected(row.open, (row.run)(door));
            trials.push(trial(row.clause, row.name, Box::new(run)));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(started);
    conclusion.exit_code()
}

/// Two sidecars and functions with one instance each, all on one of them.
async fn start() -> (Cluster, Arc<Doors>) {
    let cluster = Cluster::of(2).await;
    let seen = cluster.file("raw");
    let raw = |frames: Option<PathBuf>| {
        let spec = Spec::new().scale(1, 1).with("scaling/initial_scale", 1);
        let spec = spec.with(
            "process/command",
            vec![built("raw-function").to_string_lossy()],
        );
        let spec = spec.env("RAW_SEEN", &seen.to_string_lossy());
        match frames {
            Some(frames) => spec
                .env("RAW_FRAMES", &frames.to_string_lossy())
                .with("protocol", "h2c"),
            None => spec,
        }
    };
    cluster.deploy("raw", raw(None)).await;
    for (name, frames) in functions::frames() {
        let file = cluster.file(name);
        fs::write(&file, frames).unwrap();
        cluster.deploy(name, raw(Some(file))).await;
    }
    let instances = cluster.instances();
    let host = |function: &str| {
        let instance = instances
            .iter()
            .find(|instance| instance.function == function);
        cluster.by_node(&instance.unwrap().node)
    };
    let door = |index: usize| cluster.sidecars[index].address("public");
    let doors = Doors {
        local: door(host("raw")),
        remote: door(1 - host("raw")),
        seen,
    };
    (cluster, Arc::new(doors))
}

fn h1(row: &table::Row, doors: &Doors, door: &str) -> Result<(), Failed> {
    doors.ready(door)?;
    let before = doors.seen_after(0).len();
    let whole = |bytes: &[u8]| row.is_all(bytes);
    let (bytes, closed) = wire::exchange(door, &row.bytes(door), row.half_close, whole)?;
    let seen = doors.seen_after(before);
    let exchange = Exchange {
        answer: wire::answer(&bytes, closed, row.method()),
        seen: seen.iter().map(|bytes| Request::parse(bytes)).collect(),
    };
    verdict(row.must, &exchange)
}

fn h2(row: &h2::Row, doors: &Doors, door: &str) -> Result<(), Failed> {
    doors.ready(door)?;
    let before = doors.seen_after(0).len();
    let got = h2::exchange(door, &row.bytes(door))?;
    let seen = doors.seen_after(before);
    let ended = got.reset.is_some() || got.goaway.is_some() || got.answer.closed;
    let kept = match row.must {
        h2::H2Must::Malformed => {
            (ended || (400..500).contains(&got.answer.status)) && seen.is_empty()
        }
        h2::H2Must::ConnectionError => got.goaway.is_some_and(|code| code != 0),
        h2::H2Must::Answers(musts) => {
            let seen = seen.iter().map(|bytes| Request::parse(bytes)).collect();
            let answer = got.answer;
            return verdict(musts, &Exchange { answer, seen });
        }
    };
    if kept {
        Ok(())
    } else {
        Err(format!("not {:?}: {got:?}, {} seen", row.must, seen.len()).into())
    }
}

fn verdict(musts: &[table::Must], exchange: &Exchange) -> Result<(), Failed> {
    let kept = musts.iter().try_for_each(|must| must.check(exchange));
    kept.map_err(|error| Failed::from(format!("{error}: {exchange:?}")))
}

/// What is open must fail, or its mark is out of date.
fn expected(open: Option<&'static str>, result: Result<(), Failed>) -> Result<(), Failed> {
    match (open, result) {
        (None, result) => result,
        (Some(why), Ok(())) => Err(format!("holds now: take the mark `{why}` away").into()),
        (Some(_), Err(_)) => Ok(()),
    }
}
