//! A world of their own for the tests that need hosts and a network: new user (unless root), mount,
//! process and network namespaces, which the program runs itself in again.
//!
//! Nothing in there has a way out, and nothing outlives it. Its first process ends with the program that
//! asked for it, even if that is killed, and the kernel then ends every process and takes every
//! namespace, mount and bridge with it. Deliberately no cleaning up by hand, which a kill would skip.

use std::env;
use std::process::{Command, ExitCode, Stdio};

const INSIDE: &str = "GATELESS_TEST_WORLD";
/// Runs a program as the second process, so that somebody collects orphans: the shell does.
const INIT: &str = r#""$0" "$@" & wait $!"#;
/// What a test needs to be allowed; the end of it all if any of it is not.
const PREPARE: &str = "set -e
mount -t tmpfs -o size=16m none /run
mkdir /run/netns
ip link set lo up
ip netns add probe
ip netns delete probe
ip link add probe type bridge
nft add table bridge probe
ip link delete probe
nft delete table bridge probe
";

/// Where the program finds itself.
#[derive(Debug)]
pub enum World {
    /// In a world of its own.
    Inside,
    /// Back from there, with this to end with.
    Back(ExitCode),
    /// There can be none here, and why.
    Unavailable(String),
}

/// Runs the program again in a world of its own, with the same arguments, and waits for it.
///
/// # Panics
/// When the program cannot find itself.
#[must_use]
pub fn enter() -> World {
    if env::var_os(INSIDE).is_some() {
        return match shell(&mut Command::new("sh"), PREPARE) {
            Ok(()) => World::Inside,
            Err(reason) => World::Unavailable(reason),
        };
    }
    if let Err(reason) = shell(&mut outer(), PREPARE) {
        return World::Unavailable(reason);
    }
    let program = env::current_exe().unwrap();
    let status = outer()
        .args(["sh", "-c", INIT])
        .arg(program)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .status();
    let code = status.map(|status| status.code());
    let code = code.ok().flatten().and_then(|code| u8::try_from(code).ok());
    World::Back(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Runs the program in its arguments in new namespaces. It is killed when the thread that starts it ends,
/// whatever ends that, and everything in the namespaces with it.
#[must_use]
pub fn outer() -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "unshare"])
        .env("PATH", path());
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--fork", "--kill-child", "--pid", "--mount-proc"]);
    command.args(["--mount", "--net", "--"]);
    command
}

/// `ip`, `nft` and others are not in everybody's path.
pub(crate) fn path() -> String {
    let path = env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/sbin")
}

/// Runs a script as `command` runs it: appended as `sh -c SCRIPT` unless it is a shell itself.
fn shell(command: &mut Command, script: &str) -> Result<(), String> {
    if command.get_program() != "sh" {
        command.arg("sh");
    }
    let output = command
        .args(["-c", script])
        .env("PATH", path())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.trim().replace('\n', "; "))
}
