//! Sessions of browsers: an opaque id in a cookie that scripts cannot read; what it stands for is kept on the server.
//!
//! A cookie counts only where no authorization header is and only below `/v1/`, for requests that the browser says come from
//! this server's own pages. Over https its name has the prefix `__Host-`; over http there is one only on the server's own
//! machine. Deliberately no token in a cookie: who gets hold of one has a session that ends, and no more.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use gateless_common::header;
use gateless_common::problem::Code;
use gateless_common::session::{HOST_NAME, NAME, is_loopback, values};
use http::header::{FORWARDED, HOST, HeaderName, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::audit::Who;
use super::extract::Body;
use super::openapi::Problems;
use super::problem::Problem;
use crate::auth::policy::Right;
use crate::auth::{Error, Principal, Role};
use crate::clock;
use crate::domain::{self, FieldError};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(create_session, get_session, delete_session))
        .routes(routes!(create_session_link))
}

/// Whom a browser is to act for: a token or a code, one of both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionRequest {
    /// A token as `POST /v1/tokens` gives it.
    #[schema(example = "eyJhbGciOiJFZERTQSJ9...")]
    token: Option<String>,
    /// A code as `POST /v1/session/link` gives it.
    #[serde(default)]
    code: Option<String>,
}

/// What one browser can begin a session with, once.
#[derive(Serialize, ToSchema)]
struct SessionLink {
    /// The dashboard takes it from the address: `/#login=CODE`.
    #[schema(example = "0198f2b0c4d57e3f9a1b2c3d4e5f6071.9f3c1a5b7d2e4f60")]
    code: String,
    /// When it stops being good, if nobody used it.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
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
    /// Its role.
    role: Role,
    /// What its holder may do, in the namespaces it is good for.
    rights: Vec<Right>,
    /// When the token stops being valid, or the session ends at the latest; one that is not used for two hours ends then.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

#[utoipa::path(
    post, path = "/v1/session", tag = "session", security(()),
    operation_id = "createSession", summary = "Begin a browser's session",
    description = "For browsers: a session that acts for the token, its id in an HttpOnly cookie. It ends after two hours \
        without use, after twelve in any case, and with the token; a token's ninth session ends the one used least recently. \
        Over http only on the server's own machine. Programs send the token as a bearer token.",
    request_body = SessionRequest,
    responses(
        (status = 204, description = "The cookie is set.",
            headers(("set-cookie" = String, description = "The session."))),
        Problems,
    ),
)]
async fn create_session(
    State(api): State<Api>,
    who: Option<Extension<Who>>,
    headers: HeaderMap,
    Body(request): Body<SessionRequest>,
) -> Result<Response, Problem> {
    let now = clock::now();
    let scheme = Scheme::of(&headers);
    if scheme == Scheme::Open {
        return Err(Problem::new(
            Code::SessionNeedsHttps,
            "over http, anybody on the way could take the session",
        )
        .hint(
            "come over https, or from the server's own machine: ssh -L 7780:localhost:7780 HOST",
        ));
    }
    let (id, principal) = match (&request.token, &request.code) {
        (Some(token), None) => api.auth.begin_session(token.trim(), now).await?,
        (None, Some(code)) => api.auth.follow_link(code.trim(), now).await?,
        _ => {
            let detail = "there must be a token or a code, and not both";
            return Err(domain::Error::Invalid(vec![FieldError::new("/token", detail)]).into());
        }
    };
    if let Some(Extension(who)) = who {
        who.is(&principal);
    }
    end(&api, scheme, &headers).await?;
    let left = principal.expires_at().as_second() - now.as_second();
    let cookie = cookie(scheme, &id, left.max(0));
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

#[utoipa::path(
    post, path = "/v1/session/link", tag = "session",
    operation_id = "createSessionLink", summary = "Make a code that begins one session",
    description = "For a link to the dashboard that needs no token typed: /#login=CODE. It is good once, for five minutes, \
        and a token has one at a time. It takes the token itself: a session makes none.",
    responses((status = 201, description = "The code, shown this once.", body = SessionLink), Problems),
)]
async fn create_session_link(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
) -> Result<(StatusCode, Json<SessionLink>), Problem> {
    let (code, expires_at) = api.auth.link(&principal, clock::now()).await?;
    Ok((StatusCode::CREATED, Json(SessionLink { code, expires_at })))
}

#[utoipa::path(
    get, path = "/v1/session", tag = "session",
    operation_id = "getSession", summary = "Who the token or session is of",
    description = "For the token or cookie the request came with.",
    responses((status = 200, description = "Who asks.", body = SessionBody), Problems),
)]
async fn get_session(Extension(principal): Extension<Principal>) -> Json<SessionBody> {
    let token = &principal.token;
    Json(SessionBody {
        token_id: token.id.clone(),
        namespace: token.namespace.clone(),
        role: token.role,
        rights: Right::of(token),
        expires_at: principal.expires_at(),
    })
}

#[utoipa::path(
    delete, path = "/v1/session", tag = "session", security(()),
    operation_id = "deleteSession", summary = "End a browser's session",
    description = "On every server at once, with the streams it opened; the token stays valid for others that have it.",
    responses((status = 204, description = "The session has ended, the cookie is gone."), Problems),
)]
async fn delete_session(
    State(api): State<Api>,
    who: Option<Extension<Who>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let scheme = Scheme::of(&headers);
    if let (Some(Extension(who)), Some(principal)) = (who, whose(&api, &headers)) {
        who.is(&principal);
    }
    end(&api, scheme, &headers).await?;
    let cookie = cookie(scheme, "", 0);
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

/// Whose session the browser has, if it is good.
fn whose(api: &Api, headers: &HeaderMap) -> Option<Principal> {
    let id = id(headers).ok()??;
    api.auth.check_session(id, clock::now()).ok()
}

/// Ends the session that the browser has.
async fn end(api: &Api, scheme: Scheme, headers: &HeaderMap) -> Result<(), Error> {
    for id in values(headers, scheme.cookie()) {
        if let Ok(id) = std::str::from_utf8(id) {
            api.auth.end_session(id).await?;
        }
    }
    Ok(())
}

/// How a browser came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// Over https, as this server's own listener or a proxy in front of it says.
    Https,
    /// Over http, and no further than its own machine.
    Loopback,
    /// Over http, for everybody on the way to read.
    Open,
}

impl Scheme {
    fn of(headers: &HeaderMap) -> Self {
        if is_https(headers) {
            return Self::Https;
        }
        // Every browser names the host.
        let host = headers
            .get(HOST)
            .map(|host| host.to_str().unwrap_or_default());
        match host.is_none_or(is_loopback) {
            true => Self::Loopback,
            false => Self::Open,
        }
    }

    fn cookie(self) -> &'static str {
        match self {
            Self::Https => HOST_NAME,
            Self::Loopback | Self::Open => NAME,
        }
    }
}

fn cookie(scheme: Scheme, id: &str, seconds: i64) -> HeaderValue {
    let name = scheme.cookie();
    // The prefix asks for all of the host. Elsewhere other servers on this machine need not be sent it.
    let scope = match scheme {
        Scheme::Https => "Path=/; Secure",
        Scheme::Loopback | Scheme::Open => "Path=/v1",
    };
    let text = format!("{name}={id}; {scope}; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// Whether the browser came over https, as this server's own listener or a proxy in front of it says.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let first = |list: HeaderName| text(list).and_then(|text| text.split(',').next());
    first(header::FORWARDED_PROTO).is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
        || first(FORWARDED).is_some_and(|hop| {
            let mut parts = hop.split(';').map(str::trim);
            parts.any(|part| part.eq_ignore_ascii_case("proto=https"))
        })
}

/// The session's id, if the request has one.
///
/// # Errors
/// Several: one of them was set by somebody else, who would like to choose whom the browser acts for.
pub(super) fn id(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut found = values(headers, Scheme::of(headers).cookie());
    let (first, second) = (found.next(), found.next());
    if second.is_some() {
        return Err(Error::Invalid(
            "the request has several session cookies; clear them and sign in again",
        ));
    }
    Ok(first.map(|id| std::str::from_utf8(id).unwrap_or_default()))
}

/// Whether a request may act for a session: its browser says that one of this server's own pages makes it. A browser that
/// says nothing may only read.
pub(super) fn is_own(method: &Method, headers: &HeaderMap) -> bool {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe {
        return says_own(headers) == Some(true);
    }
    // `none`: the person typed the address. Reading says no `origin`.
    let site = headers.get("sec-fetch-site");
    site.is_none_or(|site| site == "same-origin" || site == "none")
}

/// Whether a request is known to come from another site's page.
pub(super) fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    !safe && says_own(headers) == Some(false)
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
        "a session counts only for this server's own pages",
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
            let site = list.iter().find(|(name, _)| *name == "sec-fetch-site");
            let elsewhere = site.is_some_and(|(_, site)| site.ends_with("-site"));
            assert_eq!(is_own(&Method::GET, &headers), !elsewhere, "{list:?}");
            assert!(!is_foreign(&Method::GET, &headers), "{list:?}");
        }
    }

    #[test]
    fn one_cookie_of_the_right_name_counts() {
        let https = ("x-forwarded-proto", "https");
        let found = |list: &[(&'static str, &'static str)]| {
            id(&headers(list)).map(|id| id.map(str::to_owned))
        };
        let is = |id: &str| Some(id.to_owned());
        let plain = ("cookie", "a=b; gateless_session=x");
        assert_eq!(found(&[plain]).unwrap(), is("x"));
        assert_eq!(found(&[plain, https]).unwrap(), None);
        let prefixed = ("cookie", "__Host-gateless_session=y; gateless_session=x");
        assert_eq!(found(&[prefixed, https]).unwrap(), is("y"));
        let planted = ("cookie", "gateless_session=x; gateless_session=y");
        assert!(found(&[planted]).is_err());
    }

    #[test]
    fn a_cookie_is_as_narrow_as_browsers_can_keep_it() {
        for (list, expected) in [
            (
                ("host", "127.0.0.1:7780"),
                "gateless_session=i; Path=/v1; Max-Age=9; HttpOnly; SameSite=Strict",
            ),
            (
                ("x-forwarded-proto", "https"),
                "__Host-gateless_session=i; Path=/; Secure; Max-Age=9; HttpOnly; SameSite=Strict",
            ),
            (
                ("forwarded", "for=1;proto=https"),
                "__Host-gateless_session=i; Path=/; Secure; Max-Age=9; HttpOnly; SameSite=Strict",
            ),
        ] {
            let value = cookie(Scheme::of(&headers(&[list])), "i", 9);
            assert_eq!(value, expected, "{list:?}");
        }
    }
}
