//! Sessions of browsers: a token in a cookie that scripts cannot read.
//!
//! The cookie holds the very token, so revoking the token ends the session at once; it is kept for twelve
//! hours at most. A cookie counts only where no authorization header is, and changes something only when
//! the browser says that the request comes from this server's own pages.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use gateless_common::header;
use gateless_common::problem::Code;
use http::header::{COOKIE, FORWARDED, HOST, HeaderName, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::Body;
use super::openapi::Problems;
use super::problem::Problem;
use crate::auth::{Principal, Role};

const NAME: &str = "gateless_session";
/// How long a browser keeps it, in seconds.
const MAX_AGE_SECONDS: i64 = 12 * 3600;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create_session, get_session, delete_session))
}

/// Whom a browser is to act for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionRequest {
    /// A token as `POST /v1/tokens` gives it.
    #[schema(example = "eyJhbGciOiJFZERTQSJ9...")]
    token: String,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionBody {
    /// The token's id.
    token_id: String,
    /// The one namespace the token is good for; `*`: all.
    #[schema(example = "default")]
    namespace: String,
    /// What its holder may do.
    role: Role,
    /// When the token stops being valid; a session ends after twelve hours at the latest.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

#[utoipa::path(
    post, path = "/v1/session", tag = "session", security(()),
    operation_id = "createSession", summary = "Begin a browser's session",
    description = "For browsers: the token goes into an HttpOnly cookie. Programs send it as a bearer token.",
    request_body = SessionRequest,
    responses(
        (status = 204, description = "The cookie is set.",
            headers(("set-cookie" = String, description = "The session."))),
        Problems,
    ),
)]
async fn create_session(
    State(api): State<Api>,
    headers: HeaderMap,
    Body(request): Body<SessionRequest>,
) -> Result<Response, Problem> {
    let now = Timestamp::now();
    let principal = api.auth.check(request.token.trim(), now)?;
    let left = principal.token.expires_at.as_second() - now.as_second();
    let cookie = cookie(
        request.token.trim(),
        left.clamp(0, MAX_AGE_SECONDS),
        &headers,
    )?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

#[utoipa::path(
    get, path = "/v1/session", tag = "session",
    operation_id = "getSession", summary = "Who the token or session is of",
    responses((status = 200, description = "Who asks.", body = SessionBody), Problems),
)]
async fn get_session(Extension(principal): Extension<Principal>) -> Json<SessionBody> {
    let token = &principal.token;
    Json(SessionBody {
        token_id: token.id.clone(),
        namespace: token.namespace.clone(),
        role: token.role,
        expires_at: token.expires_at,
    })
}

#[utoipa::path(
    delete, path = "/v1/session", tag = "session", security(()),
    operation_id = "deleteSession", summary = "End a browser's session",
    description = "Takes the cookie away; the token stays valid for others that have it.",
    responses((status = 204, description = "The cookie is gone."), Problems),
)]
async fn delete_session(headers: HeaderMap) -> Result<Response, Problem> {
    let cookie = cookie("", 0, &headers)?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

fn cookie(token: &str, seconds: i64, headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let secure = if is_https(headers) { "; Secure" } else { "" };
    let text =
        format!("{NAME}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let value = HeaderValue::from_str(&text).map(|mut value| {
        value.set_sensitive(true);
        value
    });
    value.map_err(|_| Problem::parameter("token", "must be visible ASCII"))
}

/// Whether the browser came over https, as a proxy in front of this server says.
fn is_https(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let first = |list: HeaderName| text(list).and_then(|text| text.split(',').next());
    first(header::FORWARDED_PROTO).is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
        || first(FORWARDED).is_some_and(|hop| {
            let mut parts = hop.split(';').map(str::trim);
            parts.any(|part| part.eq_ignore_ascii_case("proto=https"))
        })
}

/// The session's token, if the request has one.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
}

/// Whether a request may change something on a session's behalf: its browser says that one of this
/// server's own pages makes it. A browser that says nothing is not believed.
pub(super) fn is_own(method: &Method, headers: &HeaderMap) -> bool {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    safe || says_own(headers) == Some(true)
}

/// Whether a request is known to come from another site's page.
pub(super) fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    !is_own(method, headers) && says_own(headers) == Some(false)
}

/// What the browser says of the page that makes the request; `None`: nothing, so it is hardly a browser.
fn says_own(headers: &HeaderMap) -> Option<bool> {
    if let Some(site) = headers.get("sec-fetch-site") {
        // No script can set it.
        return Some(site == "same-origin");
    }
    let origin = headers.get(ORIGIN)?.to_str().unwrap_or_default();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    Some(authority.is_some() && authority == host)
}

/// A request that another site's page made.
pub(super) fn cross_site() -> Problem {
    Problem::new(
        Code::CrossSite,
        "a session changes something only for this server's own pages",
    )
    .hint("programs send authorization: Bearer TOKEN instead of a cookie")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn only_own_pages_may_change_something() {
        let host = ("host", "gateless:7780");
        for (list, own, foreign) in [
            (vec![host], false, false),
            (vec![host, ("origin", "http://gateless:7780")], true, false),
            (vec![host, ("origin", "http://evil.example")], false, true),
            (vec![host, ("origin", "null")], false, true),
            (vec![("sec-fetch-site", "same-origin")], true, false),
            (vec![("sec-fetch-site", "same-site")], false, true),
            (vec![("sec-fetch-site", "none")], false, true),
            (
                vec![
                    host,
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "http://gateless:7780"),
                ],
                false,
                true,
            ),
        ] {
            let headers = headers(&list);
            assert_eq!(is_own(&Method::POST, &headers), own, "{list:?}");
            assert_eq!(is_foreign(&Method::POST, &headers), foreign, "{list:?}");
            assert!(is_own(&Method::GET, &headers), "{list:?}");
        }
    }

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let found = |cookie| token(&headers(&[("cookie", cookie)])).map(str::to_owned);
        assert_eq!(found("a=b; gateless_session=x.y.z"), Some("x.y.z".into()));
        assert_eq!(found("gateless_session2=x; b=gateless_session=y"), None);
    }

    #[test]
    fn a_cookie_is_secure_behind_https() {
        let plain = cookie("t", 9, &headers(&[])).unwrap();
        assert_eq!(
            plain,
            "gateless_session=t; Path=/; Max-Age=9; HttpOnly; SameSite=Strict"
        );
        for list in [
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=1;proto=https"),
        ] {
            let secure = cookie("t", 9, &headers(&[list])).unwrap();
            assert!(secure.to_str().unwrap().ends_with("; Secure"));
        }
    }
}
