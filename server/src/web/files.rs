//! The dashboard's files, embedded when the server is built, and what a browser gets for a path.
//!
//! Public: they hold no data, which comes through the API with a session. Deliberately no templates:
//! what `make web` built is what is sent.

use std::borrow::Cow;

use axum::response::Response;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::page;
use crate::etag;

/// `build.rs` has seen to it that they are there.
#[derive(RustEmbed)]
#[folder = "../web/dist"]
struct Dist;

const INDEX: &str = "index.html";
/// Vite puts a hash of the content into the names of what is in there.
const HASHED: &str = "assets/";

/// A file of the dashboard, or for the path of a screen its front page. `None`: it is neither.
pub(super) fn serve(path: &str, screen: bool, headers: &HeaderMap) -> Option<Response> {
    let path = path.trim_start_matches('/');
    let name = match Dist::get(path) {
        Some(_) => path,
        None if screen => INDEX,
        None => return None,
    };
    let file = Dist::get(name)?;
    let etag = etag::strong(hex::encode(&file.metadata.sha256_hash()[..16]));
    let cache = match name.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let cache = HeaderValue::from_static(cache);
    if etag.is_known(headers) {
        let mut response = page(cache, Cow::Borrowed(&[]));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
        etag.put(response.headers_mut());
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
    etag.put(headers);
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Some(response)
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
    use http::header::CACHE_CONTROL;

    use super::*;

    #[test]
    fn screens_are_the_front_page_and_unknown_files_are_not_there() {
        let response = serve("/sidecars", true, &HeaderMap::new()).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
        assert!(serve("/assets/none-1234.js", false, &HeaderMap::new()).is_none());
        assert!(serve("/../Cargo.toml", false, &HeaderMap::new()).is_none());
    }
}
