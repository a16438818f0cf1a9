//! Every failure, as one type: what the server or a sidecar said, or why there was no answer.
//!
//! Deliberately keeps a problem's document whole, so that members a newer server adds are not lost.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::{Value, json};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server or a sidecar said so.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// Nobody took the connection.
    #[error("cannot reach {whom}: {cause}")]
    Unreachable {
        /// Who was called.
        whom: String,
        /// The last cause, as "connection refused".
        cause: String,
    },
    /// No answer in time.
    #[error("{whom} did not answer in time")]
    Timeout {
        /// Who was called.
        whom: String,
    },
    /// The exchange began and broke off.
    #[error("the exchange with {whom} broke off: {cause}")]
    Transport {
        /// Who was called.
        whom: String,
        /// The last cause.
        cause: String,
    },
    /// The answer is not what it has to be.
    #[error("{whom} did not answer with what was asked for: {cause}")]
    BadAnswer {
        /// Who was called.
        whom: String,
        /// What is wrong with it.
        cause: String,
    },
    /// An async call ended without a result.
    #[error("call {id} is {state}: {reason}")]
    CallFailed {
        /// Id of the call.
        id: String,
        /// `dead` or `cancelled`.
        state: String,
        /// Why it ended, as the sidecar says it: `max_attempts`, `max_age` and so on.
        reason: String,
    },
    /// An async call was not finished in time. It goes on.
    #[error("call {id} is still {state}")]
    CallUnfinished {
        /// Id of the call.
        id: String,
        /// What it is.
        state: String,
    },
    /// The server knows no connected sidecar.
    #[error(
        "the server knows no connected sidecar; start one with `gateless sidecar`, or name one"
    )]
    NoSidecar,
    /// What the caller gave cannot be sent.
    #[error("{0}")]
    Invalid(String),
}

/// A problem document (RFC 9457).
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {}", self.code(), self.detail())]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The document as it came; made up when the answer was none.
    pub document: Value,
    /// What `retry-after` asked for.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// What an answer of 400 and above says.
    #[must_use]
    pub fn new(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let document = serde_json::from_slice(body).ok().filter(Value::is_object);
        let document = document.unwrap_or_else(|| {
            let text: String = String::from_utf8_lossy(body).chars().take(500).collect();
            let title = http::StatusCode::from_u16(status)
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or("Error");
            json!({"type": "about:blank", "title": title, "status": status, "detail": text, "code": "http"})
        });
        Self {
            status,
            document,
            retry_after: retry_after(headers),
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.document[key].as_str().filter(|text| !text.is_empty())
    }

    /// What is the matter, for programs; stable. `http` when the answer was no problem document.
    #[must_use]
    pub fn code(&self) -> &str {
        self.text("code").unwrap_or("http")
    }

    /// What is the matter, for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        self.text("detail")
            .or_else(|| self.text("title"))
            .unwrap_or("no reason given")
    }

    /// The way out, if there is one to name.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.text("hint")
    }

    /// Pointer and detail of everything that is wrong in the request.
    pub fn errors(&self) -> impl Iterator<Item = (&str, &str)> {
        let errors = self.document["errors"].as_array();
        errors.into_iter().flatten().filter_map(|error| {
            let text = |key: &str| error[key].as_str();
            Some((text("pointer")?, text("detail")?))
        })
    }

    /// Whether Gateless itself said it; a function may answer problems, too.
    #[must_use]
    pub fn is_gateless(&self) -> bool {
        self.text("type")
            .is_some_and(|kind| kind.starts_with("urn:gateless:problem:"))
    }
}

impl Error {
    /// The HTTP status, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.problem().map(|problem| problem.status)
    }

    /// What is the matter, for programs; stable.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Problem(problem) => problem.code(),
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } | Self::CallUnfinished { .. } => "timeout",
            Self::Transport { .. } => "transport",
            Self::BadAnswer { .. } => "bad_answer",
            Self::CallFailed { state, .. } if state == "cancelled" => "call_cancelled",
            Self::CallFailed { .. } => "call_dead",
            Self::NoSidecar => "no_sidecar",
            Self::Invalid(_) => "invalid",
        }
    }

    /// The problem, if it is one.
    #[must_use]
    pub const fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Why a request to `whom` got no answer, or not all of it.
    #[must_use]
    pub fn transport(whom: &str, error: &reqwest::Error) -> Self {
        // reqwest hides the reason ("connection refused") in the chain of sources.
        let mut deepest: &dyn std::error::Error = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        let (whom, cause) = (whom.to_owned(), deepest.to_string());
        if error.is_timeout() {
            Self::Timeout { whom }
        } else if error.is_connect() {
            Self::Unreachable { whom, cause }
        } else if error.is_builder() {
            Self::Invalid(cause)
        } else {
            Self::Transport { whom, cause }
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

/// So that `?` after a generated operation gives the same error as everything else.
impl From<crate::generated::Error<crate::types::Problem>> for Error {
    fn from(error: crate::generated::Error<crate::types::Problem>) -> Self {
        use crate::generated::Error as Generated;
        let whom = "the server";
        match error {
            Generated::ErrorResponse(answer) => {
                let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                let body = serde_json::to_vec(&answer.into_inner()).unwrap_or_default();
                Problem::new(status, &headers, &body).into()
            }
            Generated::UnexpectedResponse(answer) => {
                Problem::new(answer.status().as_u16(), answer.headers(), b"").into()
            }
            Generated::CommunicationError(error) | Generated::ResponseBodyError(error) => {
                Self::transport(whom, &error)
            }
            Generated::InvalidResponsePayload(_, error) => Self::BadAnswer {
                whom: whom.to_owned(),
                cause: error.to_string(),
            },
            other => Self::Invalid(other.to_string()),
        }
    }
}

/// `retry-after` in seconds; its other form, a date, needs a clock both sides share, and nobody sends it here.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_kept_whole_and_anything_else_becomes_one() {
        let body = br#"{"type":"urn:gateless:problem:x","code":"x","detail":"d","new":1,
            "errors":[{"pointer":"/a","detail":"bad"}]}"#;
        let problem = Problem::new(409, &HeaderMap::new(), body);
        assert_eq!(
            (problem.code(), problem.detail(), problem.hint()),
            ("x", "d", None)
        );
        assert_eq!(problem.document["new"], 1);
        assert_eq!(problem.errors().collect::<Vec<_>>(), [("/a", "bad")]);
        assert!(problem.is_gateless());

        let other = Problem::new(502, &HeaderMap::new(), b"<html>");
        assert_eq!((other.code(), other.detail()), ("http", "<html>"));
        assert_eq!(other.document["title"], "Bad Gateway");
        assert!(!other.is_gateless());
    }
}
