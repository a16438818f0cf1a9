//! When an instance is ready, found within a millisecond or two of the truth.
//!
//! Whether it listens is asked of the kernel, not tried by connecting: that costs microseconds, shows
//! whose socket it is, and the function never sees a connection that says nothing. Right after the
//! spawn the thread that spawned looks every tenth of a millisecond; who takes longer is looked at by
//! a task, ever more rarely. Who listens is asked once more, by a request: programs listen before they have read what they
//! run. Deliberately knows no timeout: whoever waits gives up.

use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec};

use super::manifest::Manifest;
use super::ports::{Listener, Probe};
use super::procfs::{self, Instance, Owns};
use crate::clock;
use crate::endpoint::probe::Question;

const QUICK: Duration = Duration::from_millis(8);
const QUICK_PAUSE: Duration = Duration::from_micros(100);
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(50);
/// A process may be between two states once; a stranger's socket is still there later.
const FOREIGN_LOOKS: u32 = 3;
const FOREIGN_PAUSE: Duration = Duration::from_millis(5);

/// Who listens on an instance's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Silent,
    Listening,
    /// Somebody who is not of the instance.
    Foreign,
}

/// What the wait found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ready,
    /// The port belongs to a stranger.
    Stolen,
}

/// One instance's port, looked at.
#[derive(Debug)]
pub(super) struct Watcher {
    port: u16,
    instance: Instance,
    /// `None`: that it listens is enough.
    question: Option<Question>,
    /// It was given its listener, so it has one.
    activated: bool,
    probe: Option<Probe>,
    /// Why it is not ready yet, for the report.
    cause: Mutex<Option<String>>,
}

impl Watcher {
    pub(super) fn new(manifest: &Manifest, leader: i32, node: &str, activated: bool) -> Self {
        Self {
            port: manifest.port,
            instance: Instance {
                leader,
                fence: manifest.fence(),
                node: node.to_owned(),
                id: manifest.id.clone(),
            },
            question: manifest.question(),
            activated,
            probe: Probe::open().ok(),
            cause: Mutex::new(None),
        }
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Looks once. Where the kernel cannot be asked, an answering port is taken for the instance's
    /// own: the claim on the number is then what there is.
    pub(super) fn look(&self) -> Look {
        if self.activated {
            return Look::Listening;
        }
        match self.probe.as_ref().map(|probe| probe.listener(self.port)) {
            Some(Ok(Listener::None)) => Look::Silent,
            Some(Ok(Listener::Socket(inode))) => match procfs::owns_socket(&self.instance, inode) {
                Owns::Yes => Look::Listening,
                Owns::No => Look::Foreign,
            },
            Some(Err(_)) | None => {
                match BlockingStream::connect_timeout(&self.address(), CONNECT_TIMEOUT) {
                    Ok(_) => Look::Listening,
                    Err(_) => Look::Silent,
                }
            }
        }
    }

    /// Blocks for at most a few milliseconds; whether it listens now. Ends early when the process does.
    pub(super) fn quick_look(&self, process: &OwnedFd) -> bool {
        let began = clock::now();
        while clock::now().since(began) < QUICK {
            if self.look() == Look::Listening {
                return true;
            }
            let pause = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(QUICK_PAUSE.subsec_nanos()),
            };
            let mut exited = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
            if rustix::event::poll(&mut exited, Some(&pause)).is_ok_and(|count| count > 0) {
                return false;
            }
        }
        false
    }

    /// Waits until it is ready, or a stranger has the port. `crowd` stretches the pauses while many
    /// start at once.
    pub(super) async fn wait(&self, crowd: impl Fn() -> u32) -> Verdict {
        let began = clock::now();
        let mut foreign = 0;
        loop {
            match self.look() {
                Look::Silent => {
                    foreign = 0;
                    *self.cause.lock() = None;
                }
                Look::Foreign => {
                    foreign += 1;
                    if foreign >= FOREIGN_LOOKS {
                        return Verdict::Stolen;
                    }
                    tokio::time::sleep(FOREIGN_PAUSE).await;
                    continue;
                }
                Look::Listening => {
                    if self.answers().await {
                        return Verdict::Ready;
                    }
                    foreign = 0;
                }
            }
            tokio::time::sleep(pause(clock::now().since(began)) * crowd()).await;
        }
    }

    /// Why it is not ready, as far as it is known.
    pub(super) fn cause(&self) -> String {
        let cause = self.cause.lock().clone();
        cause.unwrap_or_else(|| {
            let elsewhere = self.instance.listeners();
            silence(self.address(), &elsewhere)
        })
    }

    async fn answers(&self) -> bool {
        let Some(question) = &self.question else {
            return true;
        };
        let asked = question.text();
        // Whoever waits may give up before there is an answer.
        let silent = || format!("it listens, and {asked} has no answer");
        self.cause.lock().get_or_insert_with(silent);
        let answer = tokio::time::timeout(ASK_TIMEOUT, question.ask(self.address())).await;
        let failure = match answer {
            Ok(Ok(_)) if question.path.is_none() => return true,
            Ok(Ok(Some(status))) if status.is_success() || status.is_redirection() => return true,
            Ok(Ok(Some(status))) => format!("{asked} answers {}", status.as_u16()),
            Ok(Ok(None)) => format!("{asked} is turned away"),
            Ok(Err(error)) => format!("{asked} fails: {error}"),
            Err(_) => format!("{asked} takes longer than {} s", ASK_TIMEOUT.as_secs()),
        };
        *self.cause.lock() = Some(failure);
        false
    }
}

/// What is the matter with an instance that does not listen where it should.
fn silence(address: SocketAddr, elsewhere: &[SocketAddr]) -> String {
    let named: Vec<String> = elsewhere.iter().map(ToString::to_string).collect();
    match named.is_empty() {
        true => format!("no listener on {address} ($PORT)"),
        false => format!(
            "no listener on {address} ($PORT), only on {},",
            named.join(", ")
        ),
    }
}

fn pause(waited: Duration) -> Duration {
    Duration::from_millis(match waited.as_millis() {
        0..200 => 1,
        200..2000 => 5,
        _ => 20,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_listens_elsewhere_is_told_where() {
        let port = SocketAddr::from(([127, 0, 0, 1], 20001));
        let check = |elsewhere: &[&str], expected: &str| {
            let elsewhere: Vec<_> = elsewhere.iter().map(|a| a.parse().unwrap()).collect();
            assert_eq!(silence(port, &elsewhere), expected);
        };
        check(&[], "no listener on 127.0.0.1:20001 ($PORT)");
        check(
            &["[::1]:20001", "0.0.0.0:7150"],
            "no listener on 127.0.0.1:20001 ($PORT), only on [::1]:20001, 0.0.0.0:7150,",
        );
    }
}
