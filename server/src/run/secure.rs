//! What the API does about TLS: it believes its own, and may let nobody do without.
//!
//! A request that came over TLS that ends here says so as one from a proxy would, so that there is one place that decides
//! about it, [`is_https`]. With the redirect, browsers are told to come no other way from then on.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use gateless_common::header::FORWARDED_PROTO;
use gateless_common::problem::Code;
use gateless_listen::Scheme;
use http::header::{FORWARDED, HOST, LOCATION, STRICT_TRANSPORT_SECURITY};
use http::{HeaderValue, StatusCode};

use crate::http::is_https;
use crate::http::problem::Problem;

/// For a year (RFC 6797). Browsers then use TLS at every port of the host name, so it is said only where nothing is to be had
/// without.
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// `redirect`: the port with TLS, if everybody is to come there.
pub(super) fn layer(router: Router, redirect: Option<u16>) -> Router {
    router.layer(from_fn(move |request: Request, next: Next| {
        answer(request, next, redirect)
    }))
}

async fn answer(mut request: Request, next: Next, redirect: Option<u16>) -> Response {
    let own = request.extensions().get::<Scheme>() == Some(&Scheme::Https);
    let headers = request.headers_mut();
    // What a proxy in front says goes further back.
    if own && !headers.contains_key(FORWARDED) {
        let proto = HeaderValue::from_static(Scheme::Https.as_str());
        headers.entry(FORWARDED_PROTO).or_insert(proto);
    }
    if let Some(port) = redirect
        && !own
        && !is_https(headers)
    {
        return elsewhere(&request, port);
    }
    let mut response = next.run(request).await;
    if own && redirect.is_some() {
        let headers = response.headers_mut();
        headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
    response
}

fn elsewhere(request: &Request, port: u16) -> Response {
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let location = gateless_tls::location(host, request.uri(), port);
    match location.and_then(|location| HeaderValue::try_from(location).ok()) {
        Some(location) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response(),
        None => Problem::new(
            Code::InvalidParameter,
            "the request names no host that could be asked over https",
        )
        .into_response(),
    }
}
