//! Conditional changes: `If-Match`, `If-None-Match`, `dry_run`, and etags.
//!
//! An etag is the function's (or secret's) version in quotes. PATCH requires `If-Match` (428), as a
//! patch of something unseen is a mistake; everywhere else it is optional.

use axum::extract::FromRequestParts;
use gateless_common::problem::Code;
use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::Query;
use super::problem::Problem;
use crate::service::commit::Precondition;
use crate::service::functions::How;

/// How a change is to be made.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct DryRun {
    /// Check and answer as if it were done, but change nothing.
    pub(super) dry_run: bool,
}

/// Headers that make a change conditional.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only describes the headers for the OpenAPI document"
)]
pub(super) struct IfMatch {
    /// Etags, one of which it must have now, or `*`: it must exist.
    #[param(rename = "If-Match", required = false, nullable = false)]
    if_match: Option<String>,
}

/// The header that makes a put a create.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only describes the headers for the OpenAPI document"
)]
pub(super) struct IfNoneMatch {
    /// `*`: it must not exist.
    #[param(
        rename = "If-None-Match",
        required = false,
        nullable = false,
        pattern = r"^\*$"
    )]
    if_none_match: Option<String>,
}

/// The header that makes a POST safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only describes the headers for the OpenAPI document"
)]
pub(super) struct IdempotencyKey {
    /// A second request with the same key gets the first one's answer, for 24 hours.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        nullable = false,
        min_length = 1,
        max_length = 255
    )]
    idempotency_key: Option<String>,
}

/// A change's conditions and whether it is a dry run.
pub(super) struct Change(pub(super) How);

impl<S: Send + Sync> FromRequestParts<S> for Change {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(DryRun { dry_run }) = Query::from_request_parts(parts, state).await?;
        let precondition = precondition(&parts.headers)?;
        Ok(Self(How {
            precondition,
            dry_run,
        }))
    }
}

impl Change {
    /// Refuses a change that says nothing of what it is made on.
    pub(super) fn require_if_match(self) -> Result<How, Problem> {
        let precondition = &self.0.precondition;
        if precondition.versions.is_some() || precondition.exists {
            return Ok(self.0);
        }
        Err(Problem::new(
            Code::PreconditionRequired,
            "this change needs an if-match header",
        )
        .hint("get it, send its etag as if-match; if-match: * accepts any"))
    }
}

fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let mut precondition = Precondition::default();
    if let Some(value) = single(headers, &IF_MATCH)? {
        if value == "*" {
            precondition.exists = true;
        } else {
            // An etag that is none of ours (a weak one, say) matches nothing.
            let versions = value.split(',').filter_map(|etag| {
                let number = etag.trim().strip_prefix('"')?.strip_suffix('"')?;
                number.parse().ok()
            });
            precondition.versions = Some(versions.collect());
        }
    }
    match single(headers, &IF_NONE_MATCH)? {
        None => {}
        Some("*") => precondition.absent = true,
        Some(_) => {
            return Err(Problem::parameter(
                "If-None-Match",
                "only * has a meaning on a change",
            ));
        }
    }
    Ok(precondition)
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Problem::parameter(name.as_str(), "may occur once"));
    }
    let text = first.map(|value| value.to_str().map(str::trim)).transpose();
    text.map_err(|_| Problem::parameter(name.as_str(), "must be visible ASCII"))
}
