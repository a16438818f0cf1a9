//! The `[build]` command: run to its end, its output shown as it comes, its last lines kept.
//!
//! Deliberately no sandbox: it is the user's own command, in the user's own folder.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Lines a failure carries.
const KEPT_LINES: usize = 50;
/// Lines read ahead of the terminal; the build waits beyond.
const AHEAD: usize = 256;

/// Who ends a build that is no longer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// The terminal: the build is in this process's group and gets its Ctrl-C.
    Terminal,
    /// Dropping the future, which ends the build's own group.
    Drop,
}

/// Runs `words` in `folder`.
pub(crate) async fn run(
    out: &mut Output,
    words: &[String],
    folder: &Path,
    interrupt: Interrupt,
) -> Result<(), Failure> {
    let Some((program, args)) = words.split_first() else {
        return Err(Failure::usage("[build] command is empty")
            .hint("command = \"npm run build\", or leave it out"));
    };
    let shown = words.last().map_or(
        program,
        |last| {
            if program == "/bin/sh" { last } else { program }
        },
    );
    out.note(format!("building: {shown}"));
    let failed = |what: String| Failure::new(Exit::Failure, "build_failed", what);
    let mut command = Command::new(program);
    if interrupt == Interrupt::Drop {
        command.process_group(0);
    }
    let mut child = command
        .args(args)
        .current_dir(folder)
        // The manifest names what is built by its path in this folder, and a shared target folder is elsewhere.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(format!("cannot run {program}")).cause(e))?;
    let group = Group::of(child.id().filter(|_| interrupt == Interrupt::Drop));
    let (send, mut lines) = mpsc::channel(AHEAD);
    tokio::spawn(forward(child.stdout.take(), send.clone()));
    tokio::spawn(forward(child.stderr.take(), send));
    let mut last = VecDeque::new();
    while let Some(line) = lines.recv().await {
        out.note(format!("  {line}"));
        if last.len() == KEPT_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    let status = child
        .wait()
        .await
        .map_err(|e| failed(format!("cannot wait for {program}")).cause(e))?;
    group.ended();
    if status.success() {
        return Ok(());
    }
    Err(failed(format!("the build failed: {status}"))
        .cause(format!("{shown}, in {}", folder.display()))
        .with("output", json!(last))
        .hint("nothing was deployed; repair it and try again, or --no-build"))
}

async fn forward(source: Option<impl AsyncRead + Unpin>, to: mpsc::Sender<String>) {
    let Some(source) = source else { return };
    let mut reader = BufReader::new(source);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line).await, Ok(n) if n > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if to.send(text).await.is_err() {
            break;
        }
        line.clear();
    }
}

/// Ends the command's process group unless it ended by itself.
struct Group(Option<Pid>);

impl Group {
    fn of(id: Option<u32>) -> Self {
        Self(id.and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            // Already gone is as good.
            kill_process_group(group, Signal::TERM).ok();
        }
    }
}
