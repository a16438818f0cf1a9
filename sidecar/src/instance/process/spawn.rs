//! From a start request to a running process: program, folder, environment, port, spawn.
//!
//! Everything here blocks for about two milliseconds and runs on a blocking thread. No code runs
//! between fork and exec, so the standard library may use posix_spawn: what is to be done there the launcher does.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Child;

use gateless_common::time::millis;
use gateless_core::config::{BundleFormat, Process, Protocol, Readiness};
use gateless_sandbox::Fence;
use rustix::process::Pid;

use super::Inner;
use super::bundle::{EXECUTABLE, inner_path};
use super::manifest::{Manifest, ProcessId, now_ms};
use super::ports::Claim;
use super::{procfs, refusal, walls};
use crate::instance::StartRequest;
use crate::instance::environment::{FOLDER_MARK, environment};
use crate::instance::logs::Source;

/// Why a process could not be started; read by whoever deployed it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("command {0:?} was not found{1}")]
    NotFound(String, &'static str),
    #[error("command {0:?} is not an executable file")]
    NotExecutable(String),
    #[error("this revision is not a process")]
    NoProcess,
    #[error("working_dir {0:?} {1}")]
    WorkingDir(String, &'static str),
    #[error("{0}")]
    Refused(String),
    #[error("cannot {0}: {1}")]
    Io(&'static str, io::Error),
}

/// Names the step that failed.
pub(super) fn step(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Io(what, error)
}

/// A process of ours or, adopted, of our predecessor's.
#[derive(Debug)]
pub(super) struct Spawned {
    pub manifest: Manifest,
    pub folder: PathBuf,
    pub pid: Pid,
    /// Becomes readable when the process ends.
    pub handle: OwnedFd,
    pub claim: Claim,
    /// `None`: adopted, so its exit status goes to somebody else.
    pub child: Option<Child>,
}

/// Starts the process. What it needed on disk stays there if it fails: the caller removes the folder.
pub(super) fn spawn(
    inner: &Inner,
    request: &StartRequest,
    bundle: Option<&Path>,
) -> Result<Spawned, Error> {
    let process = request.revision.runtime.process().ok_or(Error::NoProcess)?;
    let folder = inner.folder.instance(request.id.as_str());
    let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    let temporary = folder.join("tmp");
    make(&temporary).map_err(step("make the instance's folder"))?;
    let home = working_dir(process, bundle, &folder)?;
    // Where it has files of its own, nothing of the host's is writable, and what is not in its bundle is in memory.
    let has_own = inner.config.sandbox.has_namespaces();
    let own = has_own.then(|| PathBuf::from(walls::SCRATCH));
    let temporary = own.clone().unwrap_or(temporary);
    let home = match &own {
        Some(own) if home.starts_with(&folder) => own.clone(),
        _ => home,
    };
    let claim = Claim::any(&inner.config.ports).map_err(step("find a port"))?;
    let writable_home = own.as_ref().unwrap_or(&home);
    let environment = variables(inner, request, writable_home, &temporary, claim.port());
    let path = environment
        .get("PATH")
        .map(String::as_str)
        .unwrap_or_default();
    let program = program(process, bundle, &home, path)?;

    let mut manifest = manifest(request, process, claim.port(), bundle);
    manifest
        .write(&folder)
        .map_err(step("write the manifest"))?;
    let found = (home.as_path(), bundle, program.as_path());
    let (mut child, fence) = walls::start(inner, request, found, &environment, &claim)?;
    manifest.groups = fence.group().folders().to_vec();
    manifest.fence = Some(fence.kind());

    let pid = Pid::from_child(&child);
    match attend(inner, pid, &fence, &mut manifest, &folder) {
        Ok(handle) => {
            inner.logs.watch(Source {
                id: request.id.clone(),
                revision: request.revision.name.clone(),
                folder: folder.clone(),
                adopted: false,
            });
            Ok(Spawned {
                manifest,
                folder,
                pid,
                handle,
                claim,
                child: Some(child),
            })
        }
        Err(error) => {
            let _ = child.wait();
            Err(error)
        }
    }
}

/// Why the program was not run.
pub(super) fn refused(
    error: &io::Error,
    process: &Process,
    program: &Path,
    environment: &BTreeMap<String, String>,
) -> Error {
    let name = process.command.first().map_or("", String::as_str);
    Error::Refused(refusal::explain(
        error,
        (name, program),
        &process.command,
        environment,
    ))
}

/// What must follow a spawn; if it cannot, nothing of it may live.
fn attend(
    inner: &Inner,
    pid: Pid,
    fence: &Fence,
    manifest: &mut Manifest,
    folder: &Path,
) -> Result<OwnedFd, Error> {
    let number = pid.as_raw_nonzero().get();
    let handle = match procfs::open(number) {
        Ok(handle) => handle,
        Err(error) => {
            // It is not buried, so the number is still its own. A launcher that is a fence takes what is below it along.
            fence.group().end();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            return Err(Error::Io("watch the process", error));
        }
    };
    let mut noted = || -> Result<(), Error> {
        let stat = procfs::stat(number).map_err(step("read the process's start time"))?;
        manifest.process = Some(ProcessId {
            boot: inner.boot.clone(),
            pid: number,
            start_time: stat.start_time,
        });
        manifest.write(folder).map_err(step("write the manifest"))
    };
    match noted() {
        Ok(()) => Ok(handle),
        Err(error) => {
            fence.end(handle.as_fd());
            Err(error)
        }
    }
}

fn manifest(
    request: &StartRequest,
    process: &Process,
    port: u16,
    bundle: Option<&Path>,
) -> Manifest {
    let bundle = bundle.and_then(Path::file_name);
    Manifest {
        id: request.id.to_string(),
        revision: request.revision.name.to_string(),
        revision_uid: request.revision.uid.to_string(),
        port,
        started_at_ms: now_ms(),
        ready_path: match &process.ready {
            Readiness::Answer | Readiness::Tcp => None,
            Readiness::Http(path) => Some(path.clone()),
        },
        ready_answer: process.ready == Readiness::Answer,
        h2c: request.revision.protocol == Protocol::H2c,
        start_timeout_ms: millis(process.start_timeout),
        stop_grace_ms: millis(process.stop_grace),
        was_ready: false,
        secrets_version: request.secrets_version,
        bundle: bundle.map(|name| name.to_string_lossy().into_owned()),
        process: None,
        groups: Vec::new(),
        fence: None,
    }
}

pub(super) fn raw_log(folder: &Path, name: &str) -> Result<File, Error> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(folder.join(name))
        .map_err(step("open its log"))
}

/// The bundle, a folder in it, a given absolute one, or else an empty one of its own.
fn working_dir(process: &Process, bundle: Option<&Path>, folder: &Path) -> Result<PathBuf, Error> {
    let home = match (process.working_dir.as_deref(), bundle) {
        (None, Some(bundle)) => bundle.to_owned(),
        (None, None) => {
            let own = folder.join("work");
            fs::create_dir_all(&own).map_err(step("make the working folder"))?;
            own
        }
        (Some(given), Some(bundle)) => match inner_path(Path::new(given)) {
            Some(inner) => bundle.join(inner),
            None => {
                let given = given.to_owned();
                return Err(Error::WorkingDir(given, "is not inside the bundle"));
            }
        },
        (Some(given), None) if Path::new(given).is_absolute() => given.into(),
        (Some(given), None) => {
            let given = given.to_owned();
            return Err(Error::WorkingDir(
                given,
                "must be absolute without a bundle",
            ));
        }
    };
    if home.is_dir() {
        return Ok(home);
    }
    let given = process.working_dir.clone().unwrap_or_default();
    Err(Error::WorkingDir(given, "is not a folder"))
}

/// A bundle of one executable is the program, whatever the command calls it; else a relative name is
/// looked for in the working folder and the bundle, and without a slash on PATH.
fn program(
    process: &Process,
    bundle: Option<&Path>,
    home: &Path,
    path: &str,
) -> Result<PathBuf, Error> {
    let name = process
        .command
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    let format = process.bundle.as_ref().map(|bundle| bundle.format);
    let given = Path::new(name);
    let mut candidates = Vec::new();
    let mut place = "";
    if given.is_absolute() {
        candidates.push(given.to_owned());
    } else if let (Some(bundle), Some(BundleFormat::Executable)) = (bundle, format) {
        candidates.push(bundle.join(EXECUTABLE));
    } else if !name.is_empty() {
        if bundle.is_some() || name.contains('/') {
            let inner = inner_path(given).into_iter();
            let folders = [Some(home), bundle];
            candidates.extend(inner.flat_map(|inner| {
                folders
                    .into_iter()
                    .flatten()
                    .map(move |dir| dir.join(&inner))
            }));
            place = " in the bundle or working folder";
        }
        if !name.contains('/') {
            candidates.extend(path.split(':').map(|folder| Path::new(folder).join(name)));
            place = if bundle.is_some() {
                " in the bundle or on PATH"
            } else {
                " on PATH"
            };
        }
    }
    let mut present = false;
    for candidate in candidates {
        let Ok(metadata) = fs::metadata(&candidate) else {
            continue;
        };
        if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
            return Ok(candidate);
        }
        present = true;
    }
    if present {
        return Err(Error::NotExecutable(name.to_owned()));
    }
    Err(Error::NotFound(name.to_owned(), place))
}

/// The sidecar's own environment never shows through.
fn variables(
    inner: &Inner,
    request: &StartRequest,
    home: &Path,
    temporary: &Path,
    port: u16,
) -> BTreeMap<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut usual = vec![
        ("PATH", inner.config.path.clone()),
        ("HOME", text(home)),
        ("TMPDIR", text(temporary)),
        ("LANG", "C.UTF-8".to_owned()),
        ("HOST", "127.0.0.1".to_owned()),
    ];
    let process = request.revision.runtime.process();
    if !inner.config.sandbox.holds_files()
        && process.is_some_and(|process| process.bundle.is_some())
    {
        // It would write into the bundle, which would then be no longer what was uploaded.
        usual.push(("PYTHONDONTWRITEBYTECODE", "1".to_owned()));
    }
    let mut fixed = vec![
        ("PORT", port.to_string()),
        (FOLDER_MARK, inner.folder.mark().to_owned()),
    ];
    if process.is_some_and(|process| process.socket_activation) {
        fixed.push(("LISTEN_FDS", "1".to_owned()));
    }
    environment(request, &inner.config.node, usual, fixed)
}
