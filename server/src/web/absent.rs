//! What a browser gets from a server that was built without its dashboard.

use std::borrow::Cow;

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::page;

const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Gateless</title>\
     <h1>No dashboard in this binary</h1>\
     <p>It was built without the cargo feature <code>dashboard</code>. In the repository, <code>make build</code> builds it with one, \
     <code>make dist</code> the binary that is shipped. By hand: <code>make web</code>, then \
     <code>cargo build -p gateless --features dashboard</code>.</p>\
     <p>Everything else is here: <code>gateless ls</code>, <code>gateless top</code> and the other commands, and the API, \
     described at <a href=\"/v1/openapi.json\">/v1/openapi.json</a>.</p></html>\n";

/// Not found, for programs that look whether it is there; said to people on every screen's path.
pub(super) fn serve(screen: bool, _headers: &HeaderMap) -> Option<Response> {
    if !screen {
        return None;
    }
    let cache = HeaderValue::from_static("no-store");
    let mut response = page(cache, Cow::Borrowed(PAGE.as_bytes()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    Some(response)
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn every_screen_says_how_to_get_the_dashboard_and_no_file_is_there() {
        let response = serve(true, &HeaderMap::new()).unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("make build") && body.contains("--features dashboard"));
        assert!(serve(false, &HeaderMap::new()).is_none());
    }
}
