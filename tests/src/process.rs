//! One process of the `gateless` binary: start, wait for its ready line, kill, read its log.
//!
//! Deliberately knows no cluster; ends its process when dropped, whatever happened.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::network::Place;

/// Marks every process of one test's cluster, instances included.
pub const MARK: &str = "TEST_CLUSTER";
const START_PATIENCE: Duration = Duration::from_secs(60);
const TAIL_BYTES: u64 = 6_000;

/// What `gateless up` is started with for a test, but for its address of TLS: its data in this folder, ports that are free, and functions that
/// are not isolated, as the pid that an instance tells is else that of its own namespace.
#[must_use]
pub fn up_args(data: &Path) -> Vec<String> {
    let data = data.to_string_lossy().into_owned();
    let mut args = ["up", "--isolation", "none", "--data"]
        .map(str::to_owned)
        .to_vec();
    args.push(data);
    let others = [
        "grpc-",
        "function-",
        "local-",
        "peer-",
        "gossip-",
        "metrics-",
    ];
    for listener in std::iter::once("").chain(others) {
        args.extend([format!("--{listener}listen"), "127.0.0.1:0".to_owned()]);
    }
    args
}

/// A program of the same build as the running one: `target/<profile>/NAME`.
///
/// # Panics
/// When the running one cannot be found.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    // Tests are in target/<profile>/deps.
    let is_deps = folder.ends_with("deps");
    let profile = if is_deps {
        folder.parent().unwrap()
    } else {
        folder
    };
    profile.join(name)
}

/// The binary under test.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn gateless_bin() -> PathBuf {
    let path = std::env::var_os("GATELESS_BIN").map_or_else(|| built("gateless"), PathBuf::from);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build -p gateless` first",
        path.display()
    );
    path
}

/// The function every test deploys.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn test_function_bin() -> PathBuf {
    let path = built("test-function");
    assert!(path.is_file(), "{} is missing", path.display());
    path
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// What it said when it was ready.
    pub ready: Value,
    log: PathBuf,
}

impl Process {
    /// Starts it and waits for its ready line.
    ///
    /// # Errors
    /// The end of its log, when it ends or says nothing.
    ///
    /// # Panics
    /// When it cannot be run at all.
    pub fn start(
        mark: &str,
        log: &Path,
        args: &[String],
        env: &[(String, String)],
    ) -> Result<Self, String> {
        Self::start_at(&gateless_bin(), &Place::Here, mark, log, args, env)
    }

    /// [`Process::start`] of a program, which may be another version, on a host.
    ///
    /// # Errors
    /// The end of its log, when it ends or says nothing.
    ///
    /// # Panics
    /// When it cannot be run at all.
    pub fn start_at(
        program: &Path,
        place: &Place,
        mark: &str,
        log: &Path,
        args: &[String],
        env: &[(String, String)],
    ) -> Result<Self, String> {
        let mut child = Self::command(program, place, mark, log, args)
            .envs(env.iter().cloned())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Read on when nobody listens: a full pipe would stop the process.
                sender.send(line).ok();
            }
        });
        let mut process = Self {
            child,
            ready: Value::Null,
            log: log.to_owned(),
        };
        match lines.recv_timeout(START_PATIENCE) {
            Ok(line) => {
                process.ready = serde_json::from_str(&line).unwrap_or_default();
                if process.ready["event"] == "ready" {
                    return Ok(process);
                }
                Err(format!("said {line:?} instead of ready"))
            }
            Err(error) => Err(format!("never ready: {error}\n{}", process.log_tail())),
        }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be run, or does not end.
    #[must_use]
    pub fn run_to_end(mark: &str, log: &Path, args: &[String]) -> (ExitStatus, String) {
        let child = Self::command(&gateless_bin(), &Place::Here, mark, log, args)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Self {
            child,
            ready: Value::Null,
            log: log.to_owned(),
        };
        let status = process.wait_for_end(START_PATIENCE);
        (status, process.log_tail())
    }

    fn command(program: &Path, place: &Place, mark: &str, log: &Path, args: &[String]) -> Command {
        let log_file = OpenOptions::new().create(true).append(true).open(log);
        let home = log.parent().unwrap();
        let mut command = place.command(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GATELESS_") && name != "GATELESS_LOG" {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .env(MARK, mark)
            .env("HOME", home)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::null())
            .stderr(log_file.unwrap());
        command
    }

    /// An address of the ready line.
    ///
    /// # Panics
    /// When the line has none of that name.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        let value = self.ready[name].as_str();
        value
            .unwrap_or_else(|| panic!("no {name} in {}", self.ready))
            .to_owned()
    }

    /// The admin's token that a server made at its first start.
    ///
    /// # Panics
    /// When it made none, or nobody may read it.
    #[must_use]
    pub fn admin_token(&self) -> String {
        let file = self.address("admin_token_file");
        let token = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file}: {e}"));
        token.trim().to_owned()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// SIGTERM, and waits until it has ended by itself.
    ///
    /// # Panics
    /// When it does not.
    pub fn terminate(&mut self, patience: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_for_end(patience)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            kill_process(pid, signal).ok();
        }
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_for_end(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not end\n{}",
                self.pid(),
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The end of what it wrote to stderr.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_else(|error| error.to_string());
        format!("--- {}\n{text}", self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        self.kill();
    }
}
