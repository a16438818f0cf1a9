//! The gate in front of every route: a token, and whether its role may. Closed by default.

use std::borrow::Cow;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;

use super::problem::Problem;
use super::{Api, session};
use crate::auth::policy;
use crate::auth::{Error, Principal};
use crate::web;

/// Checks the token and puts the [`crate::auth::Principal`] into the request.
pub(super) async fn check(
    State(api): State<Api>,
    path: Option<MatchedPath>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    // A route that is not there needs a token too, so that nobody can map the API without one.
    let need = match &path {
        Some(path) => policy::need(request.method(), path.as_str()),
        None if web::is_page(request.method(), request.uri().path()) => None,
        None => Some(policy::Need::Token),
    };
    let Some(need) = need else {
        if session::is_foreign(request.method(), request.headers()) {
            return Err(session::cross_site());
        }
        return Ok(next.run(request).await);
    };
    let principal = principal(&api, &request)?;
    let parameters = parameters.as_ref().ok();
    let namespace = parameters.and_then(|parameters| {
        let found = parameters.iter().find(|(key, _)| *key == "namespace");
        found.map(|(_, value)| value)
    });
    let in_namespace = path.is_some_and(|path| path.as_str().contains("{namespace}"));
    if in_namespace && namespace.is_none() {
        return Err(Problem::parameter("namespace", "must be a DNS label"));
    }
    policy::check(&principal.token, need, namespace)?;
    request.extensions_mut().insert(principal);
    Ok(next.run(request).await)
}

/// Who asks: by the authorization header, or where there is none by the session's cookie.
fn principal(api: &Api, request: &Request) -> Result<Principal, Problem> {
    let headers = request.headers();
    if let (None, Some(token)) = (headers.get(AUTHORIZATION), session::token(headers)) {
        let principal = api.auth.check(token, Timestamp::now())?;
        return match session::is_own(request.method(), headers) {
            true => Ok(principal),
            false => Err(session::cross_site()),
        };
    }
    Ok(api.auth.check(&token(headers)?, Timestamp::now())?)
}

/// The token: as such, or as the password of any user, which is how `faas-cli` sends one.
fn token(headers: &HeaderMap) -> Result<Cow<'_, str>, Error> {
    let header = headers.get(AUTHORIZATION).ok_or(Error::Missing)?;
    let text = header.to_str().ok();
    let parts = text.and_then(|value| value.split_once(' '));
    let found = parts.and_then(|(scheme, rest)| {
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Cow::Borrowed(rest.trim()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        let (_, password) = pair.split_once(':')?;
        Some(Cow::Owned(password.to_owned()))
    });
    found.ok_or(Error::Invalid(
        "the authorization header is neither Bearer TOKEN nor Basic with the token as password",
    ))
}
