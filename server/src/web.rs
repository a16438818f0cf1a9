//! The dashboard's files, embedded when the server is built, and how browsers may treat them.
//!
//! Public: they hold no data, which comes through the API with a session. Deliberately no templates:
//! what `make web` built is what is sent.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

/// Nothing is missing when it was not built: then there are no files.
#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Dist;

const INDEX: &str = "index.html";
/// Vite puts a hash of the content into the names of what is in there.
const HASHED: &str = "assets/";
/// No inline script or style, nothing from elsewhere, no frame round it.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><title>Gateless</title>\
     <p>This server was built without its dashboard. Run <code>make web</code>, then build it again.</p>\
     <p>The API is at <a href=\"/v1/openapi.json\">/v1/openapi.json</a> and needs a token.</p></html>\n";

/// Whether a request is for the dashboard when no route of the API takes it.
pub fn is_page(method: &Method, path: &str) -> bool {
    let read = method == Method::GET || method == Method::HEAD;
    let api = path == "/v1" || path.starts_with("/v1/") || path.starts_with("/system/");
    read && !api
}

/// A file of the dashboard, or its front page: the paths of its screens are its own. `None`: it is the
/// name of a file that is not there.
pub fn serve(path: &str, headers: &HeaderMap) -> Option<Response> {
    let path = path.trim_start_matches('/');
    let screen = !path.rsplit('/').next().unwrap_or_default().contains('.');
    let name = match Dist::get(path) {
        Some(_) => path,
        None if screen => INDEX,
        None => return None,
    };
    let Some(file) = Dist::get(name) else {
        return Some(page(
            HeaderValue::from_static("no-store"),
            Cow::Borrowed(NOT_BUILT.as_bytes()),
        ));
    };
    let etag = HeaderValue::from_str(&format!(
        "\"{}\"",
        hex::encode(&file.metadata.sha256_hash()[..16])
    ));
    let etag = etag.unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    let cache = match name.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let cache = HeaderValue::from_static(cache);
    if is_same(headers, &etag) {
        let mut response = page(cache, Cow::Borrowed(&[]));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
        response.headers_mut().insert(ETAG, etag);
        return Some(response);
    }
    let kind = kind(name, &file);
    let (encoding, data) = match compressed(name, headers) {
        Some((encoding, file)) => (Some(encoding), file.data),
        None => (None, file.data),
    };
    let mut response = page(cache, data);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(ETAG, etag);
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Some(response)
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

fn is_same(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let list = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let mut known = list.into_iter().flat_map(|list| list.split(','));
    known.any(|known| known.trim().trim_start_matches("W/").as_bytes() == etag.as_bytes())
}

fn kind(name: &str, file: &EmbeddedFile) -> HeaderValue {
    let kind = file.metadata.mimetype();
    let text = kind.starts_with("text/") || kind == "application/javascript";
    let kind = match text {
        true => format!("{kind}; charset=utf-8"),
        false if name.ends_with(".map") => "application/json".to_owned(),
        false => kind.to_owned(),
    };
    HeaderValue::from_str(&kind)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

/// The file as it was compressed when it was built, if it was and the browser takes it.
fn compressed(name: &str, headers: &HeaderMap) -> Option<(&'static str, EmbeddedFile)> {
    let accepted = headers.get(ACCEPT_ENCODING)?.to_str().ok()?;
    let takes = |encoding: &str| {
        accepted.split(',').any(|one| {
            let mut parts = one.split(';').map(str::trim);
            let refused = |q: &str| matches!(q, "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            parts.next() == Some(encoding) && !parts.next().is_some_and(refused)
        })
    };
    [("br", "br"), ("gzip", "gz")]
        .into_iter()
        .filter(|(encoding, _)| takes(encoding))
        .find_map(|(encoding, ending)| Some((encoding, Dist::get(&format!("{name}.{ending}"))?)))
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
    fn pages_are_strict_and_unknown_files_are_not_there() {
        let response = serve("/functions", &HeaderMap::new()).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert!(serve("/assets/none-1234.js", &HeaderMap::new()).is_none());
        assert!(serve("/../Cargo.toml", &HeaderMap::new()).is_none());
    }
}
