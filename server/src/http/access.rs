//! The gate in front of every route: a token, and whether its role may. Closed by default.
//!
//! What a token opened ends with the token, here and for every route: a handler that still works is dropped, and an
//! answer that is still being sent breaks off, so that nobody takes it for whole.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http_body::{Body as _, Frame, SizeHint};

use super::audit::Who;
use super::problem::Problem;
use super::{Api, session};
use crate::auth::policy;
use crate::auth::{Error, Principal};
use crate::clock;
/// Checks the token and puts the [`crate::auth::Principal`] into the request.
pub(super) async fn check(
    State(api): State<Api>,
    path: Option<MatchedPath>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    // Below the API's own prefixes a route that is not there needs a token too, so that nobody can map
    // the API without one; every other path is a page's, or nothing.
    let need = match &path {
        Some(path) => policy::need(request.method(), path.as_str()),
        None if is_api(request.uri().path()) => Some(policy::Need::Token),
        None => None,
    };
    let Some(need) = need else {
        if session::is_foreign(request.method(), request.headers()) {
            return Err(session::cross_site());
        }
        return Ok(next.run(request).await);
    };
    let principal = principal(&api, &request)?;
    if let Some(who) = request.extensions().get::<Who>() {
        who.is(&principal);
    }
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
    let mut ended = Box::pin(api.auth.ended(&principal));
    request.extensions_mut().insert(principal);
    tokio::select! {
        // A request may revoke its own token, and is answered.
        biased;
        response = next.run(request) => Ok(response.map(|body| Guarded::around(body, ended))),
        error = &mut ended => Err(error.into()),
    }
}

/// An answer that is sent no longer than its token is good.
struct Guarded<F> {
    body: Body,
    /// `None` once it has ended.
    ended: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = Error> + Send + 'static> Guarded<F> {
    fn around(body: Body, ended: Pin<Box<F>>) -> Body {
        // One whose length is known is in memory already.
        match body.size_hint().exact() {
            Some(_) => body,
            None => Body::new(Self {
                body,
                ended: Some(ended),
            }),
        }
    }
}

impl<F: Future<Output = Error>> http_body::Body for Guarded<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // First, as a body that always has something to send would never let it come to that.
        let ended = self
            .ended
            .as_mut()
            .map(|ended| ended.as_mut().poll(context));
        if let Some(Poll::Ready(error)) = ended {
            (self.body, self.ended) = (Body::empty(), None);
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn is_api(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    matches!(first, Some("v1" | "system"))
}

/// Who asks: by the authorization header, or where there is none by the session's cookie.
fn principal(api: &Api, request: &Request) -> Result<Principal, Problem> {
    let headers = request.headers();
    // What comes through a sidecar's relay, and `faas-cli`, have tokens.
    if headers.contains_key(AUTHORIZATION) || !request.uri().path().starts_with("/v1/") {
        return Ok(api.auth.check(&token(headers)?, clock::now())?);
    }
    let id = session::id(headers)?.ok_or(Error::Missing)?;
    if !session::is_own(request.method(), headers) {
        return Err(session::cross_site());
    }
    Ok(api.auth.check_session(id, clock::now())?)
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
