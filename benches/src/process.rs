//! Processes of one run: started with a log, asked for their first line, ended when dropped.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A program built beside this one: `target/release/NAME`.
///
/// # Errors
/// When it is not there.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(name);
    if !path.is_file() {
        bail!(
            "{} is missing: cargo build --release -p gateless -p gateless-benches",
            path.display()
        );
    }
    Ok(path)
}

/// A command of the system, also where a user's PATH has no sbin.
#[must_use]
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    folders
        .map(|folder| Path::new(folder).join(name))
        .find(|candidate| candidate.is_file())
}

/// A port nobody has now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// A running process; ended when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it; what it says on stderr goes to `log`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let program = command.get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .stderr(File::create(log)?)
            .spawn();
        let child = child.with_context(|| format!("cannot run {}", program.display()))?;
        Ok(Self { child })
    }

    /// Starts it and reads the first line it prints.
    ///
    /// # Errors
    /// When it ends without one; the message has its log.
    pub fn start_and_read(command: &mut Command, log: &Path) -> anyhow::Result<(Self, String)> {
        let mut process = Self::start(command.stdout(Stdio::piped()), log)?;
        let stdout = process.child.stdout.take().context("no pipe")?;
        let mut line = String::new();
        // The pipe is dropped afterwards: none of them prints a second line.
        BufReader::new(stdout).read_line(&mut line)?;
        if line.is_empty() {
            let said = fs::read_to_string(log).unwrap_or_default();
            bail!("{} ended: {said}", command.get_program().display());
        }
        Ok((process, line.trim().to_owned()))
    }

    /// Its id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and SIGKILL when that does not help.
    pub fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
                kill_process(pid, Signal::TERM).ok();
            }
            let patience = Instant::now() + Duration::from_secs(20);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < patience {
                sleep(Duration::from_millis(5));
            }
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until something listens.
///
/// # Errors
/// When nothing does within ten seconds.
pub fn wait_for_listener(address: SocketAddr) -> anyhow::Result<()> {
    let patience = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        if Instant::now() > patience {
            bail!("nothing listens on {address}");
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Processor time a process and its children have used so far.
#[must_use]
pub fn cpu_time(pid: u32, with_children: bool) -> Duration {
    let mut total = own_cpu_time(pid).unwrap_or_default();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    if with_children && let Ok(children) = children {
        let children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        total += children.filter_map(own_cpu_time).sum();
    }
    total
}

fn own_cpu_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain blanks; utime and stime are fields 14 and 15.
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split(' ').skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(
        ticks * 1_000 / rustix::param::clock_ticks_per_second(),
    ))
}
