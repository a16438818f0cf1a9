//! What a callback says: the answer's own headers and body, and beside them what became of the call.
//!
//! Knows nothing of how it is sent.

use bytes::Bytes;
use gateless_common::header as names;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};

use crate::queue::types::{Callback, Header};

/// Headers of an answer that go along, and their bytes together.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 16 * 1024;
/// Headers of an answer that would say something of the request instead.
const OF_REQUESTS: [HeaderName; 4] = [
    header::FORWARDED,
    header::HOST,
    names::IDEMPOTENCY_KEY,
    names::TRACEPARENT,
];
/// The answer's headers and body, and then what is said of the call, which no function can say itself.
pub(super) fn of(url: &str, callback: &Callback) -> Result<Request<Bytes>, http::Error> {
    let result = callback.result.as_ref();
    let body = result.map(|r| r.body.clone()).unwrap_or_default();
    let mut request = Request::post(url).body(body)?;
    let headers = request.headers_mut();
    let kept = result.map_or(&[][..], |result| &result.headers);
    let complete = forward(kept, headers);
    // Without an answer there is no status; 502 is what a sync caller would have seen.
    let status = result.map_or(502, |r| r.status);
    let seconds = format!("{:.6}", callback.took.as_secs_f64());
    let function = &callback.function;
    let name = format!("{}.{}", function.name(), function.namespace());
    headers.insert(
        names::CALL_ID,
        HeaderValue::try_from(callback.id.to_string())?,
    );
    headers.insert(names::FUNCTION_NAME, HeaderValue::try_from(name)?);
    headers.insert(names::FUNCTION_STATUS, status.into());
    headers.insert(names::DURATION_SECONDS, HeaderValue::try_from(seconds)?);
    headers.insert(names::CALL_STATE, HeaderValue::from_static(callback.state));
    headers.insert(names::ATTEMPT, callback.attempt.into());
    let yes = HeaderValue::from_static("true");
    if result.is_some_and(|r| r.truncated) {
        headers.insert(names::RESULT_TRUNCATED, yes.clone());
    }
    if !complete {
        headers.insert(names::HEADERS_TRUNCATED, yes);
    }
    Ok(request)
}

/// Adds an answer's headers to a request, up to the bounds; false when some did not fit. Those of one hop
/// and of the platform are not kept with an answer; left out here is what means something else in a request.
fn forward(kept: &[Header], headers: &mut HeaderMap) -> bool {
    let mut bytes = 0;
    for (name, value) in kept {
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_maybe_shared(value.clone()),
        ) else {
            continue;
        };
        if name.as_str().starts_with("x-forwarded-") || OF_REQUESTS.contains(&name) {
            continue;
        }
        bytes += name.as_str().len() + value.len();
        if bytes > HEADER_BYTES || headers.len() >= HEADERS {
            return false;
        }
        headers.append(name, value);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateless_core::name::{FunctionName, NodeId};
    use gateless_core::time::Time;

    use super::*;
    use crate::queue::types::{CallId, CallResult};

    fn callback(headers: Vec<Header>) -> Callback {
        Callback {
            id: CallId::new(Time::from_millis(1), NodeId::new("0badcafe")),
            function: FunctionName::new("default", "hello").unwrap(),
            url: "http://x/".into(),
            principal: gateless_core::policy::Maker::Anonymous.into(),
            attempt: 2,
            state: "succeeded",
            result: Some(CallResult {
                status: 201,
                headers,
                body: Bytes::from_static(b"made"),
                truncated: false,
            }),
            finished: Time::default(),
            took: Duration::from_millis(5),
        }
    }

    fn pair(name: &str, value: &str) -> Header {
        (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()))
    }

    #[test]
    fn an_answers_headers_go_along_and_what_is_said_of_the_call_is_ours_alone() {
        let given = vec![
            pair("content-type", "text/plain"),
            pair("etag", "\"1\""),
            pair("x-own", "a"),
            pair("x-own", "b"),
            pair("host", "elsewhere"),
            pair("x-forwarded-for", "10.0.0.1"),
            pair("x-function-status", "200"),
            pair("x-function-name", "another.ns"),
            pair("x-duration-seconds", "9"),
        ];
        let sent = of("http://x/", &callback(given)).unwrap();
        let all = |name: &str| -> Vec<&str> {
            let values = sent.headers().get_all(name).iter();
            values.map(|value| value.to_str().unwrap()).collect()
        };
        assert_eq!(all("content-type"), ["text/plain"]);
        assert_eq!(all("etag"), ["\"1\""]);
        assert_eq!(all("x-own"), ["a", "b"]);
        assert_eq!(all("x-function-status"), ["201"]);
        assert_eq!(all("x-function-name"), ["hello.default"]);
        assert_eq!(all("x-duration-seconds"), ["0.005000"]);
        assert_eq!(all("x-gateless-attempt"), ["2"]);
        for absent in ["host", "x-forwarded-for", "x-gateless-headers-truncated"] {
            assert_eq!(all(absent), [""; 0], "{absent}");
        }
    }

    #[test]
    fn headers_that_are_too_many_or_too_large_are_left_out_and_that_is_said() {
        let many = (0..HEADERS + 1)
            .map(|n| pair(&format!("x-{n}"), "v"))
            .collect();
        let large = vec![
            pair("x-large", &"v".repeat(HEADER_BYTES)),
            pair("x-small", "v"),
        ];
        for given in [many, large] {
            let sent = of("http://x/", &callback(given)).unwrap();
            assert!(sent.headers().contains_key("x-gateless-headers-truncated"));
            assert!(sent.headers().len() < HEADERS + 10);
            assert_eq!(sent.headers()["x-function-status"], "201");
        }
    }
}
