//! Who comes without TLS where everybody is to come with it.
//!
//! Deliberately no decision on whose word counts: what others may not say is gone when a request comes here.

use gateless_common::header::FORWARDED_PROTO;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};

use crate::call::error::Error;
use crate::call::grpc;
use crate::endpoint::body::Body;

/// Where a request is sent that came without TLS; `None`: a proxy in front says that its caller came with it.
pub(super) fn redirect<B>(request: &Request<B>, port: u16) -> Option<Response<Body>> {
    let headers = request.headers();
    let proto = headers.get(FORWARDED_PROTO);
    if proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https")) {
        return None;
    }
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let location = gateless_tls::location(host, request.uri(), port);
    let location = location.and_then(|location| HeaderValue::try_from(location).ok());
    let Some(location) = location else {
        let kind = grpc::kind(request.method(), headers);
        let detail = "the request names no host that could be asked over https";
        return Some(Error::BadRequest(detail.to_owned()).respond(kind));
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}
