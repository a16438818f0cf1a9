//! Every error as a problem document (RFC 9457): the one place where errors get a status.
//!
//! `code` is stable and for programs, `detail` names the thing and the cause, `hint` the way out.

use axum::response::{IntoResponse, Response};
use gateless_common::problem::Code;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tonic::Code as Grpc;
use utoipa::ToSchema;

use crate::auth;
use crate::auth::policy::Denied;
use crate::domain::document::Fault;
use crate::domain::quota::Exceeded;
use crate::domain::{self, FieldError};
use crate::identity;
use crate::secrets_key;
use crate::service::{self, Kind};
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
    pub code: &'static str,
    /// The way out, if there is one to name.
    pub hint: Option<Box<str>>,
    /// What is wrong in the request, all at once; empty when that is not what is wrong.
    pub errors: Vec<FieldError>,
}

/// The code of an answer that is a problem, for who records it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal(pub(super) &'static str);

impl Problem {
    /// A problem without a hint.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: code.urn().into(),
            title: status(code).canonical_reason().unwrap_or("Error"),
            status: code.status(),
            detail: detail.into(),
            code: code.as_str(),
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
            Code::InvalidParameter,
            format!("parameter {name}: {detail}"),
        )
        .errors(vec![FieldError::new(name, detail)])
    }

    /// For what only the log should explain.
    fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(Code::Internal, "the server failed; its log says why")
    }
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        response.extensions_mut().insert(Refusal(self.code));
        let headers = response.headers_mut();
        let set = HeaderValue::from_static;
        headers.insert(CONTENT_TYPE, set("application/problem+json"));
        match (status, self.code) {
            (StatusCode::UNAUTHORIZED, code) if code == Code::TokenMissing.as_str() => {
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
            E::Exists { .. } => Self::new(Code::Exists, text),
            E::NotFound { kind, .. } => Self::new(not_found(kind), text)
                .hint("check the name and the namespace; the list route shows what there is"),
            E::Precondition { .. } => Self::new(Code::PreconditionFailed, text)
                .hint("get it again, make the change on what it is now, and send its etag"),
            E::Contended(_) => Self::new(Code::Contended, text).hint("try again"),
            E::InUse { .. } => {
                Self::new(Code::SecretInUse, text).hint("remove it from the functions' specs first")
            }
            E::AddressTaken { .. } => Self::new(Code::AddressTaken, text)
                .hint("choose another name for the tag or the function"),
            E::FunctionDeleted(_) => Self::new(Code::FunctionDeleted, text).hint(
                "apply a function of that name first; until then they can be listed and purged",
            ),
            E::SidecarAway { .. } => Self::new(Code::SidecarUnreachable, text)
                .hint("a sidecar that is not there runs no instances; tell it when it is back"),
            E::CallLost { .. } => Self::new(Code::CallLost, text)
                .hint("make the call again, if it is not known to be done"),
            E::WrongState { .. } => Self::new(Code::WrongState, text)
                .hint("the invocation's state says what can be done with it"),
            E::Fleet(_) => Self::new(Code::NoCatalogueToRestore, text)
                .hint("GET /v1/catalogue shows what each sidecar has"),
            E::Quota(error) => error.into(),
            E::Domain(error) => error.into(),
            E::Store(error) => error.into(),
            E::Artifact(error) => error.into(),
            E::Sidecar(error) => error.into(),
            E::Record { .. } => Self::internal(&text),
        }
    }
}

fn not_found(kind: Kind) -> Code {
    match kind {
        Kind::Function => Code::FunctionNotFound,
        Kind::Revision => Code::RevisionNotFound,
        Kind::Secret => Code::SecretNotFound,
        Kind::Key => Code::KeyNotFound,
        Kind::Trigger => Code::TriggerNotFound,
        Kind::Artifact => Code::ArtifactNotFound,
        Kind::Invocation => Code::InvocationNotFound,
        Kind::Record => Code::CallNotOnRecord,
        Kind::Sidecar => Code::SidecarNotFound,
    }
}

impl From<domain::Error> for Problem {
    fn from(error: domain::Error) -> Self {
        use domain::Error as E;
        let text = error.to_string();
        match error {
            E::Invalid(errors) => Self::new(Code::Invalid, text)
                .hint("correct the fields under errors; each pointer says where")
                .errors(errors),
            E::UnknownRevision { .. } => Self::new(Code::RevisionNotFound, text)
                .hint("the function's /revisions route lists them"),
            E::NothingToRollBackTo { .. } => Self::new(Code::NothingToRollBackTo, text)
                .hint("name a revision, or apply the spec you want"),
            E::NeverReady { .. } => Self::new(Code::NeverReady, text)
                .hint("the function's Ready condition says what keeps it from starting"),
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        let text = error.to_string();
        match error {
            E::Conflict { .. } => Self::new(Code::Contended, text).hint("try again"),
            E::Invalid { .. } => Self::new(Code::TooLarge, text),
            E::ReadOnly { .. } => Self::new(Code::CatalogueReadOnly, text)
                .hint("calls are not affected; see /readyz and the server's log"),
            E::NoSpace { .. } => Self::new(Code::NoSpace, text)
                .hint("free some space in the server's data folder, then retry"),
            E::Closed => Self::new(Code::ShuttingDown, text).hint("retry when the server is back"),
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
            E::DigestMismatch { .. } => Self::new(Code::DigestMismatch, text)
                .hint("the path must name the sha256 of the very bytes in the body"),
            E::TooLarge { .. } => Self::new(Code::BodyTooLarge, text),
            E::Body { .. } => Self::new(Code::UploadBroken, text),
            E::Store(error) => error.into(),
        }
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error.status.code() {
            Grpc::NotFound => Self::new(Code::InvocationNotFound, text),
            Grpc::FailedPrecondition => Self::new(Code::WrongState, text)
                .hint("the invocation's state says what can be done with it"),
            Grpc::InvalidArgument => Self::new(Code::InvalidParameter, text),
            Grpc::ResourceExhausted => Self::new(Code::TooManyRequests, text),
            Grpc::Unavailable | Grpc::DeadlineExceeded | Grpc::Cancelled => {
                Self::new(Code::SidecarUnreachable, text)
                    .hint("the call is on that sidecar's disk and goes on when it is back")
            }
            _ => Self::new(Code::SidecarFailed, text),
        }
    }
}

impl From<auth::Error> for Problem {
    fn from(error: auth::Error) -> Self {
        use auth::Error as E;
        let text = error.to_string();
        let (code, hint) = match error {
            E::Missing => (Code::TokenMissing, "send authorization: Bearer TOKEN"),
            E::Invalid(_) => (
                Code::TokenInvalid,
                "ask an administrator for a token of this server",
            ),
            E::Expired => (Code::TokenExpired, "ask an administrator for a new one"),
            E::Revoked => (Code::TokenRevoked, "ask an administrator for a new one"),
            E::SessionEnded => (Code::SessionEnded, "sign in again"),
            E::OfSession => (Code::TokenNeeded, "send authorization: Bearer TOKEN"),
            E::TooMany { .. } => (Code::TooManyTokens, "revoke those nobody uses"),
            E::Unknown(_) => (Code::TokenNotFound, "GET /v1/tokens lists them"),
            E::Contended => (Code::Contended, "try again"),
            E::Store(error) => return error.into(),
            E::Keys(_) | E::NoKeys | E::Sign(_) => return Self::internal(&text),
        };
        Self::new(code, text).hint(hint)
    }
}

impl From<Exceeded> for Problem {
    fn from(exceeded: Exceeded) -> Self {
        let text = exceeded.to_string();
        let error = FieldError::new(format!("quota/{}", exceeded.of), text.clone());
        Self::new(Code::QuotaExceeded, text)
            .hint("delete what is not needed, or ask an admin of the cluster for more; gateless ns quota shows what there is")
            .errors(vec![error])
    }
}

impl From<identity::Error> for Problem {
    fn from(error: identity::Error) -> Self {
        use identity::Error as E;
        let text = error.to_string();
        let (code, hint) = match error {
            E::TooManyTokens => (Code::TooManyTokens, "revoke those nobody uses"),
            E::UnknownToken(_) => (Code::TokenNotFound, "GET /v1/join-tokens lists them"),
            E::UnknownNode(_) => (Code::SidecarNotFound, "GET /v1/sidecars lists them"),
            E::State(_) => (Code::WrongState, "GET /v1/identity says how it is"),
            E::Contended => (Code::Contended, "try again"),
            E::Store(error) => return error.into(),
            E::BadToken
            | E::Taken(_)
            | E::Removed(_)
            | E::TooManyNodes
            | E::Request(_)
            | E::Settings(_)
            | E::Record(_)
            | E::File { .. } => return Self::internal(&text),
        };
        Self::new(code, text).hint(hint)
    }
}

impl From<secrets_key::Error> for Problem {
    fn from(error: secrets_key::Error) -> Self {
        use secrets_key::Error as E;
        let text = error.to_string();
        match error {
            E::Store(error) => error.into(),
            E::State(_)
            | E::Wrong { .. }
            | E::Gone { .. }
            | E::Malformed { .. }
            | E::Command { .. } => Self::new(Code::WrongState, text)
                .hint("GET /v1/secrets-key says which keys there are"),
            E::File { .. } => Self::internal(&text),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::Namespace { .. } => Code::WrongNamespace,
            Denied::Role { .. } => Code::RoleNotEnough,
        };
        Self::new(code, denied.to_string()).hint("ask an administrator for a token that may")
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
                    Code::MalformedJson,
                    format!("the body is not JSON: {detail}"),
                )
                .errors(vec![FieldError::new("", detail)])
            }
            Fault::Field(error) => domain::Error::Invalid(vec![error]).into(),
        }
    }
}
