//! Which specs are valid. Every fault is collected, each with the pointer of its field.
//!
//! Only what the document itself says is checked here; whether a secret or an artifact it names
//! exists is for the service, which has the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::FieldError;
use super::document::pointer_segment;
use super::spec::{
    AsyncPolicy, Kind, Liveness, Process, Readiness, ReadinessKind, Runtime, SecretRef, Spec,
};
use gateless_common::name;

mod access;
mod container;
mod scaling;
mod wasm;

/// The largest request body of an apply, and so the largest spec.
pub const MAX_SPEC_BYTES: usize = 256 * 1024;

/// Linux takes no longer string for a program's environment: `NAME=VALUE` and its NUL (`MAX_ARG_STRLEN`).
pub const MAX_ENV_STRING_BYTES: usize = 128 * 1024;
/// What fits into a variable whatever it is called.
pub const MAX_SECRET_VALUE_BYTES: usize = MAX_ENV_STRING_BYTES - name::MAX_ENV_NAME - 2;
/// All of a revision's own variables together. Linux takes a quarter of the stack, 2 MiB, and the arguments and
/// what the platform sets are in that as well.
pub const MAX_ENVIRONMENT_BYTES: usize = 1024 * 1024;

const MAX_ENV: usize = 256;
const MAX_ENV_VALUE_BYTES: usize = 32 * 1024;
const MAX_SECRETS: usize = 64;
const MAX_LABELS: usize = 64;
/// Parts of a command or of arguments.
const MAX_WORDS: usize = 256;
const MAX_WORD_BYTES: usize = 32 * 1024;

/// The faults found so far.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Notes a fault.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Display) {
        self.0.push(FieldError::new(pointer, detail.to_string()));
    }

    /// Notes a fault unless `check` passed.
    pub fn check<E: Display>(&mut self, pointer: impl Into<String>, check: Result<(), E>) {
        if let Err(error) = check {
            self.add(pointer, error);
        }
    }

    /// All of them, or none.
    ///
    /// # Errors
    /// [`super::Error::Invalid`] when there is any.
    pub fn finish(self) -> Result<(), super::Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(super::Error::Invalid(self.0))
        }
    }
}

/// Checks what people apply.
///
/// # Errors
/// Every fault, with pointers into `{"spec": ..., "labels": ...}`.
pub fn apply(spec: &Spec, labels: &BTreeMap<String, String>) -> Result<(), super::Error> {
    let mut faults = Faults::default();
    check_labels(&mut faults, labels);
    match (spec.runtime(), spec.kind) {
        (Some(Runtime::Process(process)), _) => check_process(&mut faults, process),
        (Some(Runtime::Wasm(wasm)), _) => wasm::check(&mut faults, wasm, spec.protocol),
        (Some(Runtime::Container(container)), _) => container::check(&mut faults, container),
        (None, kind) => check_kind(&mut faults, spec, kind),
    }
    check_env(&mut faults, &spec.env);
    check_secrets(&mut faults, &spec.secrets, &spec.env);
    for (field, value) in spec.settings() {
        faults.check(field.pointer(), field.check(value));
    }
    access::check(&mut faults, &spec.access, spec.visibility);
    if spec.kind == Kind::Wasm && spec.liveness != Liveness::default() {
        let why = "is for what has a process of its own: a component cannot hang alone";
        faults.add("/spec/liveness", why);
    }
    if let Some(path) = &spec.liveness.path {
        check_path(&mut faults, "/spec/liveness/path", path);
    }
    scaling::check(&mut faults, spec);
    check_backoff(&mut faults, &spec.async_policy);
    faults.finish()
}

fn check_labels(faults: &mut Faults, labels: &BTreeMap<String, String>) {
    if labels.len() > MAX_LABELS {
        faults.add("/labels", format_args!("must have at most {MAX_LABELS}"));
    }
    for (key, value) in labels {
        let pointer = format!("/labels/{}", pointer_segment(key));
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
        if key.is_empty() || key.len() > 128 || !key.bytes().all(allowed) {
            faults.add(
                &pointer,
                "a label's name must have 1 to 128 characters of A-Z, a-z, 0-9, ., _, - and /",
            );
        }
        if value.len() > 256 || value.chars().any(char::is_control) {
            faults.add(
                &pointer,
                "a label's value must have at most 256 bytes and no control characters",
            );
        }
    }
}

fn check_process(faults: &mut Faults, process: &Process) {
    check_command(faults, &process.command);
    if let Some(bundle) = &process.bundle {
        check_artifact(faults, "/spec/process/bundle", &bundle.sha256, bundle.size);
    }
    if let Some(dir) = &process.working_dir {
        let pointer = "/spec/process/working_dir";
        if dir.is_empty() || dir.len() > 4096 || dir.contains('\0') {
            faults.add(pointer, "must have 1 to 4096 bytes and no NUL");
        } else if dir.split('/').any(|part| part == "..") {
            faults.add(pointer, "must not have .. in it");
        } else if process.bundle.is_some() && dir.starts_with('/') {
            faults.add(pointer, "must be relative to the bundle");
        } else if process.bundle.is_none() && !dir.starts_with('/') {
            faults.add(pointer, "must be absolute when there is no bundle");
        }
    }
    check_ready(faults, "/spec/process/ready/path", &process.ready);
}

/// One runtime object is there, and it is the kind's.
fn check_kind(faults: &mut Faults, spec: &Spec, kind: Kind) {
    let objects = [
        (Kind::Process, "process", spec.process.is_some()),
        (Kind::Wasm, "wasm", spec.wasm.is_some()),
        (Kind::Container, "container", spec.container.is_some()),
    ];
    for (of, name, given) in objects {
        let pointer = format!("/spec/{name}");
        match (of == kind, given) {
            (true, false) => faults.add(pointer, format_args!("is required for kind {name:?}")),
            (false, true) => faults.add(pointer, format_args!("is for kind {name:?} only")),
            (true, true) | (false, false) => {}
        }
    }
}

fn check_ready(faults: &mut Faults, pointer: &str, ready: &Readiness) {
    match (ready.kind, &ready.path) {
        (ReadinessKind::Answer | ReadinessKind::Tcp, Some(_)) => {
            faults.add(pointer, "is only for kind \"http\"");
        }
        (ReadinessKind::Http, None) => faults.add(pointer, "is required for kind \"http\""),
        (ReadinessKind::Http, Some(path)) => check_path(faults, pointer, path),
        (ReadinessKind::Answer | ReadinessKind::Tcp, None) => {}
    }
}

/// A path that a probe asks for.
fn check_path(faults: &mut Faults, pointer: &str, path: &str) {
    // It goes into a request line: nothing that could end it.
    let clean = path.bytes().all(|b| b.is_ascii_graphic()) && !path.contains('#');
    if !path.starts_with('/') || path.len() > 2048 || !clean {
        faults.add(
            pointer,
            "must begin with / and have at most 2048 visible ASCII characters, no #",
        );
    }
}

fn check_artifact(faults: &mut Faults, pointer: &str, sha256: &str, size: u64) {
    if !name::is_sha256(sha256) {
        faults.add(
            format!("{pointer}/sha256"),
            "must be 64 lowercase hex digits",
        );
    }
    let most = gateless_common::limits::ARTIFACT_BYTES;
    if size > most {
        faults.add(
            format!("{pointer}/size"),
            format_args!("must be at most {most}, not {size}"),
        );
    }
}

fn check_command(faults: &mut Faults, command: &[String]) {
    let pointer = "/spec/process/command";
    if command.is_empty() {
        faults.add(pointer, "must have 1 to 256 parts, the program first");
    }
    check_words(faults, pointer, command);
    check_program(faults, pointer, command);
}

fn check_program(faults: &mut Faults, pointer: &str, command: &[String]) {
    if command
        .first()
        .is_some_and(|program| program.trim().is_empty())
    {
        faults.add(format!("{pointer}/0"), "must name a program");
    }
}

fn check_words(faults: &mut Faults, pointer: &str, words: &[String]) {
    if words.len() > MAX_WORDS {
        faults.add(pointer, format_args!("must have at most {MAX_WORDS} parts"));
    }
    for (index, part) in words.iter().enumerate() {
        if part.contains('\0') || part.len() > MAX_WORD_BYTES {
            faults.add(
                format!("{pointer}/{index}"),
                format_args!("must have at most {MAX_WORD_BYTES} bytes and no NUL"),
            );
        }
    }
}

fn check_env(faults: &mut Faults, env: &BTreeMap<String, String>) {
    if env.len() > MAX_ENV {
        faults.add("/spec/env", format_args!("must have at most {MAX_ENV}"));
    }
    for (name, value) in env {
        let pointer = format!("/spec/env/{}", pointer_segment(name));
        faults.check(&pointer, name::check_env(name));
        if value.len() > MAX_ENV_VALUE_BYTES || value.contains('\0') {
            faults.add(&pointer, "must have at most 32768 bytes and no NUL");
        }
    }
}

fn check_secrets(faults: &mut Faults, secrets: &[SecretRef], env: &BTreeMap<String, String>) {
    if secrets.len() > MAX_SECRETS {
        faults.add(
            "/spec/secrets",
            format_args!("must have at most {MAX_SECRETS}"),
        );
    }
    let mut seen = BTreeSet::new();
    for (index, secret) in secrets.iter().enumerate() {
        let pointer = |field: &str| format!("/spec/secrets/{index}/{field}");
        faults.check(pointer("env"), name::check_env(&secret.env));
        faults.check(pointer("secret"), name::check_label(&secret.secret));
        faults.check(pointer("key"), name::check_secret_key(&secret.key));
        if env.contains_key(&secret.env) || !seen.insert(&secret.env) {
            faults.add(pointer("env"), "this variable is set twice");
        }
    }
}

fn check_backoff(faults: &mut Faults, policy: &AsyncPolicy) {
    if let Some(signing) = &policy.callback_signing {
        let named = name::secret_and_key(signing).map(drop);
        faults.check("/spec/async/callback_signing", named);
    }
    if policy.backoff_base_ms > policy.backoff_max_ms {
        faults.add(
            "/spec/async/backoff_base_ms",
            format_args!(
                "must not be above backoff_max_ms ({})",
                policy.backoff_max_ms
            ),
        );
    }
}

#[cfg(test)]
mod tests;
