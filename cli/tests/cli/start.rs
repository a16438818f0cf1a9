//! The first start of a server: its admin's token goes into a file, is never lost, and there is a way back in.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{code, document, stderr};

fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateless"));
    command.args(args).env_clear().env("HOME", home);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// A part that runs, and what it said when it was ready. Killed when it is dropped.
struct Running(Child, Value);

impl Running {
    fn start(home: &Path, args: &[&str]) -> Self {
        Self::of(command(home, args))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        Self(child, serde_json::from_str(&line).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_first_start_that_fails_leaves_the_token_to_the_next() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let any = "127.0.0.1:0";
    let up = ["up", "--listen", any, "--grpc-listen", any];
    let up = [&up[..], &["--local-listen", any, "--peer-listen", any]].concat();
    let up = [&up[..], &["--gossip-listen", any]].concat();
    let failing = [&up[..], &["--function-listen", &taken]].concat();
    let failed = command(home.path(), &failing).output().unwrap();
    assert_eq!(code(&failed), 1);

    let good = [&up[..], &["--function-listen", any]].concat();
    let running = Running::start(home.path(), &good);
    let file = running.1["admin_token_file"].as_str().unwrap().to_owned();
    drop(running);
    // It is the same one for as long as it is there; nobody else is given another.
    let token = std::fs::read_to_string(&file).unwrap();
    let again = Running::start(home.path(), &good);
    assert_eq!(again.1["admin_token_file"], file.as_str());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), token);
    drop(again);
    std::fs::remove_file(&file).unwrap();
    let without = Running::start(home.path(), &good);
    assert!(without.1["admin_token_file"].is_null(), "{}", without.1);
    // Each start was at another port: the one login follows the server.
    let login = home.path().join(".config/gateless/config.toml");
    let login = std::fs::read_to_string(login).unwrap();
    assert_eq!(login.matches("[contexts.").count(), 1, "{login}");
}

#[test]
fn the_first_admins_token_is_only_in_a_file_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0";
    let listen = ["--listen", any, "--grpc-listen", any];
    let mut all = listen.to_vec();
    for flag in [
        "--function-listen",
        "--local-listen",
        "--peer-listen",
        "--gossip-listen",
    ] {
        all.extend([flag, any]);
    }
    for (part, listen) in [("server", listen.as_slice()), ("up", all.as_slice())] {
        let data = home.path().join(part);
        let data = data.to_str().unwrap();
        let errors = home.path().join(format!("{part}.log"));
        let args = [&[part, "--data", data], listen].concat();
        let mut start = command(home.path(), &args);
        start.stderr(std::fs::File::create(&errors).unwrap());
        let running = Running::of(start);
        let file = running.1["admin_token_file"].as_str().unwrap();
        assert!(file.starts_with(data), "{file}");
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{part}");
        let token = std::fs::read_to_string(file).unwrap();
        let api = running.1["api"].as_str().unwrap();
        let args = ["token", "ls", "--server", api, "--token", token.trim()];
        assert_eq!(code(&command(home.path(), &args).output().unwrap()), 0);
        let said = running.1.to_string() + &std::fs::read_to_string(errors).unwrap();
        assert!(!said.contains(token.trim()), "{part}: {said}");
    }
}

#[test]
fn a_new_admin_token_is_made_for_a_stopped_server_only() {
    let home = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0";
    let server = ["server", "--listen", any, "--grpc-listen", any];
    let recover = ["server", "recover", "-o", "json"];
    let without = command(home.path(), &recover).output().unwrap();
    assert_eq!(document(&without)["code"], "recover");
    let running = Running::start(home.path(), &server);
    let busy = command(home.path(), &recover).output().unwrap();
    assert_eq!(code(&busy), 1);
    drop(running);

    let made = command(home.path(), &recover).output().unwrap();
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    let file = document(&made)["token_file"].as_str().unwrap().to_owned();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(file).unwrap();
    let running = Running::start(home.path(), &server);
    let api = running.1["api"].as_str().unwrap().to_owned();
    let args = ["token", "ls", "--server", &api, "--token", token.trim()];
    let listed = command(home.path(), &args).output().unwrap();
    assert_eq!(code(&listed), 0);
}
