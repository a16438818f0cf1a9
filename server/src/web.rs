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

/// Whether this build has the dashboard.
pub const IS_THERE: bool = cfg!(feature = "dashboard");

/// No inline script or style, nothing from elsewhere, no frame round it.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The paths of the dashboard's screens, as `web/src/router.ts` has them; `:` begins a name.
const SCREENS: [&str; 21] = [
    "/",
    "/n/:ns/functions",
    "/n/:ns/functions/new",
    "/n/:ns/functions/:name",
    "/n/:ns/functions/:name/edit",
    "/n/:ns/calls",
    "/n/:ns/calls/:id",
    "/n/:ns/calls/:name/:id",
    "/n/:ns/records",
    "/n/:ns/records/:id",
    "/n/:ns/dead-letters",
    "/n/:ns/queues",
    "/n/:ns/triggers",
    "/n/:ns/logs",
    "/n/:ns/invoke",
    "/docs",
    "/docs/:page",
    "/sidecars",
    "/n/:ns/secrets",
    "/tokens",
    "/audit",
];

fn is_screen(path: &str) -> bool {
    let parts = |path: &'static str| path.split('/').filter(|part| !part.is_empty());
    let asked: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    SCREENS.into_iter().any(|screen| {
        let fits = |(want, part): (&str, &&str)| want.starts_with(':') || want == *part;
        parts(screen).count() == asked.len() && parts(screen).zip(&asked).all(fits)
    })
}

/// What a browser gets for a path: a file, or for a screen's the page. `None`: the path is of neither, or the request is
/// not one to read.
pub fn serve(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    #[cfg(feature = "dashboard")]
    return files::serve(path, is_screen(path), headers);
    #[cfg(not(feature = "dashboard"))]
    return absent::serve(is_screen(path), headers);
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
    fn only_a_screens_path_gets_the_page() {
        for (method, path, expected) in [
            (Method::GET, "/", true),
            (Method::HEAD, "/n/default/functions/hello", true),
            (Method::GET, "/n/default/functions/my.dotted/edit/", true),
            (Method::GET, "/sidecars", true),
            (Method::GET, "/v1", false),
            (Method::GET, "/v1/nothing", false),
            (Method::GET, "/v2/nope", false),
            (Method::GET, "/functions", false),
            (Method::GET, "/n/default", false),
            (Method::GET, "/n/default/functions/hello/edit/more", false),
            (Method::GET, "/assets/none-1234.js", false),
            (Method::GET, "/../Cargo.toml", false),
            (Method::POST, "/", false),
        ] {
            let found = serve(&method, path, &HeaderMap::new()).is_some();
            assert_eq!(found, expected, "{method} {path}");
        }
    }

    #[test]
    fn pages_are_strict() {
        let response = serve(&Method::GET, "/sidecars", &HeaderMap::new()).unwrap();
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }

    #[test]
    fn the_screens_are_those_of_the_dashboards_router() {
        let router = include_str!("../../web/src/router.ts");
        let table = router.split_once("const PATHS = {").unwrap().1;
        let table = table.split_once('}').unwrap().0;
        let mut theirs: Vec<&str> = table.split('"').skip(1).step_by(2).collect();
        let mut ours = SCREENS.to_vec();
        theirs.push("/");
        theirs.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, theirs);
    }
}
