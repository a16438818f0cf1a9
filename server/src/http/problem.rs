//! Every error as a problem document (RFC 9457): the one place where errors get a status.
//!
//! `code` is stable and for programs, `detail` names the thing and the cause, `hint` the way out.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tonic::Code;
use utoipa::ToSchema;

use crate::auth;
use crate::auth::policy::Denied;
use crate::domain::document::Fault;
use crate::domain::{self, FieldError};
use crate::service;
use crate::sidecars::clients::CallError;
use crate::store::{self, blobs};

/// Why a request failed (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "urn:gateless:problem:invalid",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "the request has 1 invalid field(s)",
    "code": "invalid",
    "hint": "correct the fields under errors; each pointer says where",
    "errors": [{"pointer": "/spec/scaling/min_scale", "detail": "must not be above max_scale (3)"}]
}))]
pub struct Problem {
    /// `urn:gateless:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is the matter, for people.
    pub detail: String,
    /// What is the matter, for programs; stable.
    pub code: Box<str>,
    /// The way out, if there is one to name.
    pub hint: Option<Box<str>>,
    /// What is wrong in the request, all at once; empty when that is not what is wrong.
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:gateless:problem:{code}").into(),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.into(),
            hint: None,
            errors: Vec::new(),
        }
    }

    /// With the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into());
        self
    }

    /// With what is wrong in the request.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// A path or query parameter that is wrong.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_parameter",
            format!("parameter {name}: {detail}"),
        )
        .errors(vec![FieldError::new(name, detail)])
    }

    /// For what only the log should explain.
    fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server failed; its log says why",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        let set = HeaderValue::from_static;
        headers.insert(CONTENT_TYPE, set("application/problem+json"));
        match (status, &*self.code) {
            (StatusCode::UNAUTHORIZED, "token_missing") => {
                headers.insert(WWW_AUTHENTICATE, set("Bearer realm=\"gateless\""));
            }
            (StatusCode::UNAUTHORIZED, _) => {
                let value = set("Bearer realm=\"gateless\", error=\"invalid_token\"");
                headers.insert(WWW_AUTHENTICATE, value);
            }
            (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, _) => {
                headers.insert(RETRY_AFTER, set("1"));
            }
            _ => {}
        }
        response
    }
}

impl From<service::Error> for Problem {
    fn from(error: service::Error) -> Self {
        use service::Error as E;
        let text = error.to_string();
        match error {
            E::NotFound { kind, .. } => {
                let code = format!("{kind}_not_found");
                Self::new(StatusCode::NOT_FOUND, &code, text)
                    .hint("check the name and the namespace; the list route shows what there is")
            }
            E::Precondition { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", text)
                    .hint("get it again, make the change on what it is now, and send its etag")
            }
            E::Contended(_) => Self::new(StatusCode::CONFLICT, "contended", text).hint("try again"),
            E::InUse { .. } => Self::new(StatusCode::CONFLICT, "secret_in_use", text)
                .hint("remove it from the functions' specs first"),
            E::SidecarAway { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "sidecar_unreachable", text)
                    .hint("a sidecar that is not there runs no instances; tell it when it is back")
            }
            E::WrongState { .. } => Self::new(StatusCode::CONFLICT, "wrong_state", text)
                .hint("the invocation's state says what can be done with it"),
            E::Domain(error) => error.into(),
            E::Store(error) => error.into(),
            E::Artifact(error) => error.into(),
            E::Sidecar(error) => error.into(),
            E::Record { .. } => Self::internal(&text),
        }
    }
}

impl From<domain::Error> for Problem {
    fn from(error: domain::Error) -> Self {
        use domain::Error as E;
        let text = error.to_string();
        match error {
            E::Invalid(errors) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", text)
                .hint("correct the fields under errors; each pointer says where")
                .errors(errors),
            E::UnknownRevision { .. } => {
                Self::new(StatusCode::NOT_FOUND, "revision_not_found", text)
                    .hint("the function's /revisions route lists them")
            }
            E::NothingToRollBackTo { .. } => {
                Self::new(StatusCode::CONFLICT, "nothing_to_roll_back_to", text)
                    .hint("name a revision, or apply the spec you want")
            }
            E::NeverReady { .. } => Self::new(StatusCode::CONFLICT, "never_ready", text)
                .hint("the function's Ready condition says what keeps it from starting"),
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        let text = error.to_string();
        match error {
            E::Conflict { .. } => {
                Self::new(StatusCode::CONFLICT, "contended", text).hint("try again")
            }
            E::Invalid { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_large", text),
            E::ReadOnly { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "catalogue_read_only", text)
                    .hint("calls are not affected; see /readyz and the server's log")
            }
            E::NoSpace { .. } => Self::new(StatusCode::INSUFFICIENT_STORAGE, "no_space", text)
                .hint("free some space in the server's data folder, then retry"),
            E::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", text)
                .hint("retry when the server is back"),
            other => Self::internal(&other),
        }
    }
}

impl From<blobs::Error> for Problem {
    fn from(error: blobs::Error) -> Self {
        use blobs::Error as E;
        let text = error.to_string();
        match error {
            E::InvalidDigest => Self::parameter("sha256", text),
            E::DigestMismatch { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "digest_mismatch", text)
                    .hint("the path must name the sha256 of the very bytes in the body")
            }
            E::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text),
            E::Body { .. } => Self::new(StatusCode::BAD_REQUEST, "upload_broken", text),
            E::Store(error) => error.into(),
        }
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error.status.code() {
            Code::NotFound => Self::new(StatusCode::NOT_FOUND, "invocation_not_found", text),
            Code::FailedPrecondition => Self::new(StatusCode::CONFLICT, "wrong_state", text)
                .hint("the invocation's state says what can be done with it"),
            Code::InvalidArgument => Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", text),
            Code::ResourceExhausted => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", text)
            }
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "sidecar_unreachable", text)
                    .hint("the call is on that sidecar's disk and goes on when it is back")
            }
            _ => Self::new(StatusCode::BAD_GATEWAY, "sidecar_failed", text),
        }
    }
}

impl From<auth::Error> for Problem {
    fn from(error: auth::Error) -> Self {
        use auth::Error as E;
        let text = error.to_string();
        let (status, code, hint) = match error {
            E::Missing => (
                StatusCode::UNAUTHORIZED,
                "token_missing",
                "send authorization: Bearer TOKEN",
            ),
            E::Invalid(_) => (
                StatusCode::UNAUTHORIZED,
                "token_invalid",
                "ask an administrator for a token of this server",
            ),
            E::Expired => (
                StatusCode::UNAUTHORIZED,
                "token_expired",
                "ask an administrator for a new one",
            ),
            E::Revoked => (
                StatusCode::UNAUTHORIZED,
                "token_revoked",
                "ask an administrator for a new one",
            ),
            E::TooMany { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_tokens",
                "revoke those nobody uses",
            ),
            E::Unknown(_) => (
                StatusCode::NOT_FOUND,
                "token_not_found",
                "GET /v1/tokens lists them",
            ),
            E::Contended => (StatusCode::CONFLICT, "contended", "try again"),
            E::Store(error) => return error.into(),
            E::Keys(_) | E::NoKeys | E::Sign(_) => return Self::internal(&text),
        };
        Self::new(status, code, text).hint(hint)
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::Namespace { .. } => "wrong_namespace",
            Denied::Role { .. } => "role_not_enough",
        };
        Self::new(StatusCode::FORBIDDEN, code, denied.to_string())
            .hint("ask an administrator for a token that may")
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax {
                line,
                column,
                detail,
            } => {
                let detail = format!("{detail} (line {line}, column {column})");
                Self::new(
                    StatusCode::BAD_REQUEST,
                    "malformed_json",
                    format!("the body is not JSON: {detail}"),
                )
                .errors(vec![FieldError::new("", detail)])
            }
            Fault::Field(error) => domain::Error::Invalid(vec![error]).into(),
        }
    }
}
