//! Cold start: the first call of a function that runs nowhere, against spawning the same
//! program and calling it without anything in between. Alternating, one of each at a time.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::json;

use crate::cluster::Cluster;
use crate::process::{built, free_port};
use crate::{median, percentile};

/// Milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Cold {
    /// Functions that were called for the first time.
    pub functions: usize,
    /// Through the sidecar: held, started, forwarded.
    pub sidecar: Spread,
    /// fork, exec, connect, request.
    pub bare: Spread,
}

/// Median and tail, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Spread {
    /// Median.
    pub p50: f64,
    /// 99 of 100 are not above.
    pub p99: f64,
}

impl Spread {
    fn of(times: &[f64]) -> Self {
        Self {
            p50: median(times),
            p99: percentile(times, 99.0),
        }
    }
}

/// Deploys so many functions with nothing running, and calls each once.
///
/// # Errors
/// When a call is not answered 200.
pub fn measure(cluster: &Cluster, functions: usize) -> anyhow::Result<Cold> {
    let name = |index: usize| format!("cold-{index}");
    for index in 0..functions {
        cluster.deploy(&name(index), json!({"scaling": {"initial_scale": 0}}))?;
    }
    cluster.wait_applied()?;
    let program = built("hello")?;
    let mut client = TcpStream::connect(&cluster.public)?;
    client.set_nodelay(true)?;
    let (mut held, mut bare) = (Vec::new(), Vec::new());
    for index in 0..functions {
        let began = Instant::now();
        call(&mut client, &format!("/function/{}/", name(index)))?;
        held.push(began.elapsed().as_secs_f64() * 1e3);
        bare.push(spawn_and_call(&program)?.as_secs_f64() * 1e3);
    }
    for index in 0..functions {
        cluster.delete(&name(index))?;
    }
    Ok(Cold {
        functions,
        sidecar: Spread::of(&held),
        bare: Spread::of(&bare),
    })
}

fn spawn_and_call(program: &Path) -> anyhow::Result<Duration> {
    let port = free_port()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut command = Command::new(program);
    command
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn()?;
    let answered = (|| {
        loop {
            if let Ok(mut stream) = TcpStream::connect(address) {
                stream.set_nodelay(true)?;
                call(&mut stream, "/")?;
                return anyhow::Ok(began.elapsed());
            }
            if began.elapsed() > Duration::from_secs(5) {
                bail!("{} does not listen", program.display());
            }
            sleep(Duration::from_micros(100));
        }
    })();
    child.kill().ok();
    child.wait().ok();
    answered
}

/// One request on a connection that stays open; the body must be `hello`.
fn call(stream: &mut TcpStream, path: &str) -> anyhow::Result<()> {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with(b"\r\n\r\nhello") {
        let count = stream.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&answer);
        let refused = !text.starts_with("HTTP/1.1 200") && text.contains("\r\n\r\n");
        if count == 0 || refused {
            bail!("{path}: {text}");
        }
    }
    let status = answer.split(|byte| *byte == b'\r').next();
    status
        .filter(|line| line.starts_with(b"HTTP/1.1 200"))
        .context("no 200")?;
    Ok(())
}
