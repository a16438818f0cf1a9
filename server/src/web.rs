//! The dashboard, for browsers: the files in the binary, or, without the feature `dashboard`, a page that says how to get it.
//!
//! A bare `cargo build` has no dashboard, so that it needs no Node. Holds what every page has, whatever is on it; deliberately no
//! data, which comes through the API with a session.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

#[cfg(any(not(feature = "dashboard"), test))]
mod absent;
#[cfg(feature = "dashboard")]
mod files;

/// No inline script or style, nothing from elsewhere, no frame round it.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Whether a request is for the dashboard when no route of the API takes it.
pub fn is_page(method: &Method, path: &str) -> bool {
    let read = method == Method::GET || method == Method::HEAD;
    let api = path == "/v1" || path.starts_with("/v1/") || path.starts_with("/system/");
    read && !api
}

/// What a browser gets for a path. `None`: it is the name of a file that is not there.
pub fn serve(path: &str, headers: &HeaderMap) -> Option<Response> {
    #[cfg(feature = "dashboard")]
    return files::serve(path, headers);
    #[cfg(not(feature = "dashboard"))]
    return absent::serve(path, headers);
}

fn page(cache: HeaderValue, data: Cow<'static, [u8]>) -> Response {
    let body = match data {
        Cow::Borrowed(data) => Body::from(data),
        Cow::Owned(data) => Body::from(data),
    };
    let mut response = Response::new(body);
    let set = HeaderValue::from_static;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, cache);
    headers.insert(CONTENT_TYPE, set("text/html; charset=utf-8"));
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers.insert(HeaderName::from_static(name), set(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_never_taken_for_a_page() {
        for (method, path, expected) in [
            (Method::GET, "/", true),
            (Method::HEAD, "/functions/default/hello", true),
            (Method::GET, "/v1", false),
            (Method::GET, "/v1/nothing", false),
            (Method::GET, "/v10", true),
            (Method::POST, "/", false),
        ] {
            assert_eq!(is_page(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn pages_are_strict() {
        let response = serve("/functions", &HeaderMap::new()).unwrap();
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
}
