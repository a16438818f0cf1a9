//! Whom a request is for: settled once, when it comes in (RFC 9112, 3.2; RFC 9113, 8.3.1).
//!
//! From here on the Host header is the one thing that says it, to whatever routes the call and to the function.
//! Deliberately knows no function: which one a host names is core's router's to say.

use bytes::Bytes;
use gateless_core::authority::Authority;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Version, request};

use crate::call::error::Error;
use crate::call::headers;
use crate::endpoint::framing;

/// The host of a request that [`settle`] found in order.
#[derive(Debug)]
pub(super) struct Host(Option<HeaderValue>);

impl Host {
    /// `None` for a caller of HTTP/1.0 that names none.
    pub(super) fn authority(&self) -> Option<Authority<'_>> {
        Authority::parse(self.0.as_ref()?.as_bytes()).ok()
    }
}

/// Checks the request's Host and target, and makes the one that counts its Host.
///
/// # Errors
/// 400 when there is no one host it is for, 405 for CONNECT: a sidecar is no tunnel.
pub(super) fn settle<B>(request: &mut Request<B>) -> Result<Host, Error> {
    let bad = |detail: &str| Err(Error::BadRequest(detail.to_owned()));
    if *request.method() == Method::CONNECT {
        return Err(Error::Method(Method::CONNECT));
    }
    head(request)?;
    join_cookies(request);
    if request.uri().path() == "*" && *request.method() != Method::OPTIONS {
        return bad("only OPTIONS asks for *");
    }
    let mut lines = request.headers().get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return bad("the request has more than one Host");
    }
    if line.is_some_and(|line| Authority::parse(line.as_bytes()).is_err()) {
        return bad("Host is neither a host nor a host and a port");
    }
    let h2 = request.version() == Version::HTTP_2;
    let Some(target) = request.uri().authority() else {
        return match line {
            Some(line) => Ok(Host(Some(line.clone()))),
            None if request.version() <= Version::HTTP_10 => Ok(Host(None)),
            None => bad("the request has no Host"),
        };
    };
    if Authority::parse(target.as_str().as_bytes()).is_err() {
        return bad("the target's authority is neither a host nor a host and a port");
    }
    let differs = |line: &HeaderValue| {
        !line
            .as_bytes()
            .eq_ignore_ascii_case(target.as_str().as_bytes())
    };
    match line {
        None if request.version() == Version::HTTP_11 => bad("the request has no Host"),
        Some(line) if h2 && differs(line) => bad("Host and :authority differ"),
        _ => {
            let target = target.clone();
            Ok(Host(Some(insert(request.headers_mut(), target.as_str()))))
        }
    }
}

/// Whether the head is one that can be passed on over either protocol. HTTP/1.1's bounds are kept by whoever read it.
fn head<B>(request: &Request<B>) -> Result<(), Error> {
    let headers = request.headers();
    if framing::only_chunked(headers).is_err() {
        let detail = "the body has a transfer coding other than chunked";
        return Err(Error::BadRequest(detail.to_owned()));
    }
    if request.version() != Version::HTTP_2 {
        return Ok(());
    }
    framing::fits(headers).map_err(|_| Error::HeadTooLarge)?;
    // Over HTTP/1.1 it would be another value (RFC 9113, 8.2.1).
    let padded = |value: &HeaderValue| value.as_bytes().trim_ascii().len() != value.len();
    if headers.values().any(padded) {
        let detail = "the value of a header begins or ends with a space";
        return Err(Error::BadRequest(detail.to_owned()));
    }
    Ok(())
}

/// A cookie in crumbs, as HTTP/2 compresses it, is one line again (RFC 9113, 8.2.3).
fn join_cookies<B>(request: &mut Request<B>) {
    let mut crumbs = request.headers().get_all(header::COOKIE).iter();
    if request.version() != Version::HTTP_2 || crumbs.nth(1).is_none() {
        return;
    }
    let crumbs = request.headers().get_all(header::COOKIE).iter();
    let crumbs: Vec<&[u8]> = crumbs.map(HeaderValue::as_bytes).collect();
    // Two values with a separator between them are a value.
    if let Ok(joined) = HeaderValue::from_maybe_shared(Bytes::from(crumbs.join(&b"; "[..]))) {
        request.headers_mut().insert(header::COOKIE, joined);
    }
}

/// What a request that may go no further is answered; others may go one less far (RFC 9110, 7.6.2).
///
/// # Errors
/// 405 for TRACE: what is between a caller and a function is not shown.
pub(super) fn forwards<B>(request: &mut Request<B>) -> Option<Result<(), Error>> {
    if !matches!(*request.method(), Method::OPTIONS | Method::TRACE) {
        return None;
    }
    let left = headers::number(request.headers(), &header::MAX_FORWARDS)?;
    if let Some(less) = left.checked_sub(1) {
        let less = HeaderValue::from(less);
        request.headers_mut().insert(header::MAX_FORWARDS, less);
        return None;
    }
    Some(match *request.method() {
        Method::TRACE => Err(Error::Method(Method::TRACE)),
        _ => Ok(()),
    })
}

/// Has a call that another sidecar forwards say its host as one from a caller does.
pub(super) fn adopt(parts: &mut request::Parts) {
    if let Some(target) = parts.uri.authority() {
        insert(&mut parts.headers, target.as_str());
    }
}

fn insert(headers: &mut HeaderMap, host: &str) -> HeaderValue {
    // Every authority is a header value; if it were none, no host would be.
    let value = HeaderValue::from_str(host).unwrap_or(HeaderValue::from_static(""));
    headers.insert(header::HOST, value.clone());
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const V10: Version = Version::HTTP_10;
    const V11: Version = Version::HTTP_11;
    const V2: Version = Version::HTTP_2;

    /// The Host the function gets; `None` when the request is refused.
    fn host(method: Method, version: Version, uri: &str, hosts: &[&str]) -> Option<String> {
        let mut request = Request::builder().method(method).version(version).uri(uri);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let mut request = request.body(()).unwrap();
        let settled = settle(&mut request).ok()?;
        let all = request.headers().get_all(header::HOST).iter();
        let all: Vec<_> = all.map(|value| value.to_str().unwrap()).collect();
        let told = settled.authority().map(|authority| authority.as_str());
        assert!(told.map_or(all.is_empty(), |told| all == [told]), "{all:?}");
        Some(all.concat())
    }

    #[track_caller]
    fn check(version: Version, uri: &str, hosts: &[&str], expected: Option<&str>) {
        let found = host(Method::GET, version, uri, hosts);
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn one_valid_host_is_needed_but_of_http_1_0() {
        check(V11, "/", &["a:80"], Some("a:80"));
        check(V11, "/", &[""], Some(""));
        check(V11, "/", &[], None);
        check(V10, "/", &[], Some(""));
        for version in [V10, V11, V2] {
            check(version, "/", &["a", "a"], None);
            check(version, "/", &["a", "b"], None);
            for host in ["a b", "a/b", "me@a", "a:b", "[a]"] {
                check(version, "/", &[host], None);
                check(version, "http://b/", &[host], None);
            }
        }
    }

    #[test]
    fn an_absolute_target_counts_and_not_the_header() {
        check(V11, "http://a.b:1/c", &["other"], Some("a.b:1"));
        check(V10, "http://a.b/c", &[], Some("a.b"));
        check(V11, "http://a.b/c", &[], None);
        check(V11, "http://me@a.b/c", &["a.b"], None);
    }

    #[test]
    fn over_http_2_the_authority_counts_and_no_host_may_differ() {
        check(V2, "http://a.b/c", &[], Some("a.b"));
        check(V2, "http://a.b/c", &["A.B"], Some("a.b"));
        check(V2, "http://a.b/c", &["other"], None);
        check(V2, "http://me@a.b/c", &[], None);
        check(V2, "/c", &["a.b"], Some("a.b"));
        check(V2, "/c", &[], None);
    }

    fn h2(lines: &[(&str, &str)]) -> (Result<(), u16>, HeaderMap) {
        let mut request = Request::builder().version(V2).uri("http://a/");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        let settled = settle(&mut request).map(drop);
        let status = settled.map_err(|error| error.status().as_u16());
        (status, request.headers().clone())
    }

    #[test]
    fn crumbs_of_a_cookie_become_one() {
        let (settled, headers) = h2(&[("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d")]);
        let cookies: Vec<_> = headers.get_all("cookie").iter().collect();
        assert_eq!(settled, Ok(()));
        assert_eq!(cookies, ["a=1; b=2; c=3; d"]);
    }

    #[test]
    fn what_http_1_1_could_not_say_is_refused_over_http_2() {
        for padded in [" 1", "1 ", "\t1"] {
            assert_eq!(h2(&[("x-a", padded)]).0, Err(400), "{padded:?}");
        }
        assert_eq!(h2(&[("x-a", "1 2"), ("x-b", "")]).0, Ok(()));
        let large = "v".repeat(framing::MAX_HEAD_BYTES);
        assert_eq!(h2(&[("x-a", &large)]).0, Err(431));
    }

    #[test]
    fn a_coding_that_would_lose_its_label_is_refused() {
        for (coding, expected) in [("chunked", true), ("gzip, chunked", false), ("gzip", false)] {
            let request = Request::post("/").header("host", "a");
            let request = request.header("transfer-encoding", coding);
            let settled = settle(&mut request.body(()).unwrap());
            assert_eq!(settled.is_ok(), expected, "{coding}");
        }
    }

    #[test]
    fn a_request_that_may_go_no_further_is_answered_here() {
        let sent = |method: Method, left: &str| {
            let request = Request::builder().method(method).uri("/");
            let mut request = request.header("max-forwards", left).body(()).unwrap();
            let answered = forwards(&mut request).map(|answer| answer.is_ok());
            let left = request.headers()["max-forwards"].to_str().unwrap();
            (answered, left.to_owned())
        };
        assert_eq!(sent(Method::OPTIONS, "0"), (Some(true), "0".to_owned()));
        assert_eq!(sent(Method::TRACE, "0"), (Some(false), "0".to_owned()));
        assert_eq!(sent(Method::OPTIONS, "2"), (None, "1".to_owned()));
        assert_eq!(sent(Method::GET, "0"), (None, "0".to_owned()));
        assert_eq!(sent(Method::OPTIONS, "soon"), (None, "soon".to_owned()));
    }

    #[test]
    fn tunnels_are_refused_and_only_options_asks_for_the_function_itself() {
        assert_eq!(host(Method::CONNECT, V11, "a:80", &["a:80"]), None);
        assert_eq!(host(Method::GET, V11, "*", &["a"]), None);
        let options = host(Method::OPTIONS, V11, "*", &["a"]);
        assert_eq!(options.as_deref(), Some("a"));
    }
}
