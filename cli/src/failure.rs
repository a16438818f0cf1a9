//! The one error of the client commands: an RFC 9457 problem with an exit code.
//!
//! Problems the server sends are kept as they are; local ones are given the same shape, so
//! a program that reads `-o json` has one thing to parse. Deliberately no error enum: nothing
//! here is handled by kind except through [`Exit`].

mod hints;

use std::fmt;
use std::io;

use gateless_sdk::Error;
use serde_json::{Value, json};

/// Exit codes, as documented in `gateless --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Anything without a code of its own.
    Failure = 1,
    /// Wrong arguments or a wrong `function.toml`.
    Usage = 2,
    /// The named thing is not there.
    NotFound = 3,
    /// Somebody else changed it, or its state forbids it.
    Conflict = 4,
    /// Not done in time.
    Timeout = 5,
    /// No token, a bad one, or one that may not.
    Unauthorized = 6,
    /// Nobody answers at that address.
    Unreachable = 7,
}

impl Exit {
    /// The code for an HTTP status of 400 and above.
    pub(crate) const fn from_status(status: u16) -> Self {
        match status {
            400 | 422 => Self::Usage,
            401 | 403 => Self::Unauthorized,
            404 | 410 => Self::NotFound,
            409 | 412 | 428 => Self::Conflict,
            408 | 504 => Self::Timeout,
            _ => Self::Failure,
        }
    }
}

/// What went wrong: the thing, the cause and the way out.
#[derive(Debug)]
pub(crate) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    exit: Exit,
    problem: Value,
    /// For people instead of the problem's words.
    picture: Option<String>,
    stdout_closed: bool,
}

impl Failure {
    /// A local problem; `title` names the thing and what happened to it.
    pub(crate) fn new(exit: Exit, code: &str, title: impl Into<String>) -> Self {
        let problem = json!({"type": "about:blank", "title": title.into(), "code": code});
        Self(Box::new(Inner {
            exit,
            problem,
            picture: None,
            stdout_closed: false,
        }))
    }

    /// Wrong arguments.
    pub(crate) fn usage(title: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", title)
    }

    /// A failed file operation; `what` reads like "cannot read ./function.toml".
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(Exit::Failure, "io", what.to_string()).cause(error)
    }

    /// A problem document as the server or a sidecar sent it.
    pub(crate) fn from_problem(status: u16, mut problem: Value) -> Self {
        if let Some(map) = problem.as_object_mut() {
            map.entry("status").or_insert(json!(status));
        }
        Self(Box::new(Inner {
            exit: Exit::from_status(status),
            problem,
            picture: None,
            stdout_closed: false,
        }))
    }

    /// Whoever read stdout went away: not worth a message.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        let mut failure = Self::io("cannot write to stdout", error);
        failure.0.stdout_closed = error.kind() == io::ErrorKind::BrokenPipe;
        failure
    }

    /// Adds why.
    #[must_use]
    pub(crate) fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.problem["detail"] = json!(cause.to_string());
        self
    }

    /// Adds the way out.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.problem["hint"] = json!(hint.into());
        self
    }

    /// Adds where exactly, for example a line of a file.
    #[must_use]
    pub(crate) fn at(mut self, pointer: &str, detail: &str) -> Self {
        self.0.problem["errors"] = json!([{"pointer": pointer, "detail": detail}]);
        self
    }

    /// Adds a member, for programs.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.0.problem[key] = value;
        self
    }

    /// Shows people this instead: the same, with the lines of a file it is about.
    #[must_use]
    pub(crate) fn picture(mut self, picture: String) -> Self {
        self.0.picture = Some(picture).filter(|p| !p.is_empty());
        self
    }

    /// The process's exit code.
    pub(crate) const fn exit(&self) -> Exit {
        self.0.exit
    }

    /// True when the same may work a moment later: nobody answered, or an answer says so.
    pub(crate) fn is_passing(&self) -> bool {
        let problem = &self.0.problem;
        let busy = problem["status"]
            .as_u64()
            .is_some_and(|s| s == 429 || s >= 500);
        let unheard = matches!(self.0.exit, Exit::Unreachable | Exit::Timeout);
        unheard || busy || problem["code"] == "transport"
    }

    /// True when stdout's reader has gone (`gateless ls | head -1`).
    pub(crate) const fn stdout_closed(&self) -> bool {
        self.0.stdout_closed
    }

    /// The problem document, with the exit code in it.
    pub(crate) fn document(&self) -> Value {
        let mut document = self.0.problem.clone();
        if let Some(map) = document.as_object_mut() {
            map.insert("exit_code".into(), json!(self.0.exit as u8));
        }
        document
    }
}

/// What the SDK says, in the same shape as everything else.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = error.code().to_owned();
        let new = |exit, title: String| Self::new(exit, &code, title);
        match error {
            Error::Problem(problem) => Self::from_problem(problem.status, problem.document),
            Error::Unreachable { whom, cause } => {
                new(Exit::Unreachable, format!("cannot reach {whom}")).cause(cause)
            }
            Error::Timeout { whom } => new(Exit::Timeout, format!("{whom} did not answer in time")),
            Error::Transport { whom, cause } => {
                new(Exit::Failure, format!("the exchange with {whom} broke off")).cause(cause)
            }
            Error::BadAnswer { whom, cause } => new(
                Exit::Failure,
                format!("{whom} did not answer with what was asked for"),
            )
            .cause(cause)
            .hint("is this the management API's address, and not a sidecar's?"),
            Error::CallFailed { id, state, reason } => {
                new(Exit::Failure, format!("call {id} is {state}")).cause(reason)
            }
            Error::CallUnfinished { id, state } => {
                new(Exit::Timeout, format!("call {id} is not finished"))
                    .cause(format!("it is {state}, and goes on"))
            }
            Error::NoSidecar => new(Exit::Failure, "the server knows no sidecar".into())
                .hint("start one with `gateless sidecar`, or name one with --sidecar"),
            Error::Invalid(what) => Self::usage(what),
            other => new(Exit::Failure, other.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(picture) = &self.0.picture {
            return f.write_str(picture);
        }
        let text = |key: &str| self.0.problem[key].as_str().filter(|t| !t.is_empty());
        // A server's title is its status in words; what happened is in its detail.
        let words = match (text("title"), text("detail")) {
            (_, Some(detail)) if self.0.problem["status"].is_u64() => (detail, None),
            (title, detail) => (title.unwrap_or("the request failed"), detail),
        };
        write!(f, "error: {}", words.0)?;
        if let Some(cause) = words.1 {
            write!(f, "\n  cause: {}", cause.trim_end().replace('\n', "\n    "))?;
        }
        for error in self.0.problem["errors"].as_array().into_iter().flatten() {
            let part = |key: &str| error[key].as_str().unwrap_or_default();
            write!(f, "\n  at {}: {}", part("pointer"), part("detail"))?;
        }
        let hint = match self.0.problem["status"].is_u64() {
            true => hints::hint(text("code").unwrap_or_default(), text("hint")),
            false => text("hint"),
        };
        if let Some(hint) = hint {
            write!(f, "\n  try: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_thing_cause_and_way_out() {
        let failure = Failure::new(Exit::Unreachable, "unreachable", "no server at X")
            .cause("connection refused")
            .hint("gateless up");
        assert_eq!(
            failure.to_string(),
            "error: no server at X\n  cause: connection refused\n  try: gateless up"
        );
        assert_eq!(failure.document()["exit_code"], 7);
    }

    #[test]
    fn a_servers_problem_is_kept_and_its_status_decides_the_exit_code() {
        for (status, exit) in [
            (404, Exit::NotFound),
            (412, Exit::Conflict),
            (428, Exit::Conflict),
            (401, Exit::Unauthorized),
            (403, Exit::Unauthorized),
            (504, Exit::Timeout),
            (422, Exit::Usage),
            (500, Exit::Failure),
        ] {
            let failure = Failure::from_problem(status, json!({"title": "t", "code": "c"}));
            assert_eq!(failure.exit(), exit, "{status}");
            assert_eq!(failure.document()["code"], "c");
            assert_eq!(failure.document()["status"], status);
        }
    }
}
