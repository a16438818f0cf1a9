//! A call's errors as a caller of gRPC gets them: an answer of headers only, with gRPC's status (gRPC over HTTP/2, Responses).
//!
//! Deliberately no table of its own beside `error`: a code has its HTTP status there, and gRPC's follows from both.

use std::fmt::Write as _;

use gateless_common::header as names;
use gateless_common::problem::Code;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response};

use crate::endpoint::body::Body;

/// What a caller of gRPC or gRPC-Web sends and wants; `None` for all others.
#[must_use]
pub fn kind(method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
    if *method != Method::POST {
        return None;
    }
    let kind = headers.get(header::CONTENT_TYPE)?;
    let rest = kind.as_bytes().strip_prefix(b"application/grpc")?;
    matches!(rest.first(), None | Some(b'+' | b'-' | b';' | b' ')).then(|| kind.clone())
}

/// An answer without a message.
pub(super) fn answer(kind: HeaderValue, code: Code, detail: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert("grpc-status", HeaderValue::from(status_of(code)));
    if let Ok(message) = HeaderValue::try_from(encoded(detail)) {
        headers.insert("grpc-message", message);
    }
    headers.insert(names::CODE, HeaderValue::from_static(code.as_str()));
    response
}

/// gRPC's status of a problem. What another instance may answer well is UNAVAILABLE, which clients try again.
fn status_of(code: Code) -> u16 {
    match (code, code.status()) {
        (
            Code::QueueFull
            | Code::BodyTooLarge
            | Code::HeadTooLarge
            | Code::TooManyCalls
            | Code::RateLimited
            | Code::WasmMemory
            | Code::WasmResponseSize
            | Code::WasmResponseHeaders
            | Code::WasmOutgoing,
            _,
        ) => 8,
        // What a component did by itself it does again.
        (
            Code::WasmTables
            | Code::WasmInstances
            | Code::WasmTrap
            | Code::WasmExit
            | Code::WasmNoResponse
            | Code::WasmError,
            _,
        ) => 13,
        (_, 400) => 3,
        (_, 404 | 405 | 415 | 501) => 12,
        (_, 504) => 4,
        (_, 403) => 7,
        (_, 401) => 16,
        (_, 409 | 410 | 422) => 9,
        (_, 413 | 431) => 8,
        (_, 429 | 502 | 503) => 14,
        _ => 13,
    }
}

/// `grpc-message` is percent-encoded.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => write!(encoded, "%{byte:02X}").unwrap_or_default(),
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use gateless_common::problem::Side;

    use super::*;

    #[test]
    fn callers_of_grpc_are_known_by_what_they_send() {
        let known = |method, kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            super::kind(&method, &headers).is_some()
        };
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc-web+proto",
            "application/grpc;a=b",
        ] {
            assert!(known(Method::POST, kind), "{kind}");
            assert!(!known(Method::GET, kind), "{kind}");
        }
        for kind in ["application/grpcx", "application/json", ""] {
            assert!(!known(Method::POST, kind), "{kind}");
        }
        assert!(super::kind(&Method::POST, &HeaderMap::new()).is_none());
    }

    #[test]
    fn every_code_of_calls_has_a_status_that_says_whether_to_try_again() {
        for code in Code::ALL
            .iter()
            .filter(|code| code.side() != Side::Management)
        {
            let grpc = status_of(*code);
            let again = matches!(code.status(), 429 | 502 | 503) && !matches!(grpc, 8 | 13);
            assert_eq!(grpc == 14, again, "{code:?}");
            assert!(grpc != 0 && grpc != 2, "{code:?}");
        }
        let of = status_of;
        assert_eq!(of(Code::DeadlineExceeded), 4);
        assert_eq!(of(Code::WasmCpuTime), 4);
        assert_eq!(of(Code::FunctionNotFound), 12);
        assert_eq!(of(Code::FunctionClusterOnly), 7);
        assert_eq!(of(Code::Overflow), 14);
        assert_eq!(of(Code::InstanceFailed), 14);
        assert_eq!(of(Code::BodyTooLarge), 8);
        assert_eq!(of(Code::WasmTrap), 13);
    }

    #[test]
    fn answer_has_headers_only_and_a_message_of_printable_ascii() {
        let kind = HeaderValue::from_static("application/grpc+proto");
        let response = answer(kind, Code::DeadlineExceeded, "100 % ü\n");
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(headers["content-type"], "application/grpc+proto");
        assert_eq!(headers["grpc-status"], "4");
        assert_eq!(headers["grpc-message"], "100 %25 %C3%BC%0A");
        assert_eq!(headers["x-gateless-code"], "deadline_exceeded");
        assert!(http_body::Body::is_end_stream(response.body()));
    }
}
