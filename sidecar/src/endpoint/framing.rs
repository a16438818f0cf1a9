//! Where a message ends, and whether all of it came: what the HTTP library leaves to its user (RFC 9112, 6.3; RFC 9113, 8.1).
//!
//! One place for both ways a message comes, and for the bounds of heads and trailers, which are the same over either
//! protocol. Deliberately nothing of how a message is read.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, Version};
use http_body::Frame;

/// Of a message's head, and of its trailers: fields; bytes of their names and values, and the four between and behind them.
pub use gateless_listen::http::{MAX_HEAD_BYTES, MAX_HEADERS};

/// A head that an HTTP/2 library reads at most: it drops what is beyond, of trailers without a word. Far more than what is
/// passed on, so that what is too large is seen to be so.
pub const MAX_HEADER_LIST: u32 = 256 << 10;

/// Why an answer cannot be passed on.
pub type Fault = &'static str;

/// Makes sure that an answer ends where its head says, and that the head says it once.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check<B>(response: &mut Response<B>, may_switch: bool) -> Result<(), Fault> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS && !may_switch {
        return Err("it switches to a protocol that nobody asked for");
    }
    let h2 = response.version() == Version::HTTP_2;
    let headers = response.headers_mut();
    if h2 {
        fits(headers).map_err(|_| "its head is too large")?;
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        only_chunked(headers).map_err(|_| "it has a transfer coding other than chunked")?;
        if headers.contains_key(header::CONTENT_LENGTH) {
            return Err("it has both a length and a transfer coding");
        }
    }
    one_length(headers)
}

/// Whether the connection ends with an answer, as its other end says (RFC 9112, 9.3).
pub(super) fn closes<B>(response: &Response<B>) -> bool {
    let says = |option: &str| {
        let lines = response.headers().get_all(header::CONNECTION).iter();
        let lines = lines.filter_map(|line| line.to_str().ok());
        let mut options = lines.flat_map(|line| line.split(','));
        options.any(|one| one.trim().eq_ignore_ascii_case(option))
    };
    says("close") || (response.version() < Version::HTTP_11 && !says("keep-alive"))
}

/// Whether a message is chunked and nothing else: another coding would lose its label here.
///
/// # Errors
/// When it is not.
pub(crate) fn only_chunked(headers: &HeaderMap) -> Result<(), Fault> {
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = |line: &HeaderValue| {
        line.as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked")
    };
    match lines.next() {
        Some(line) if !chunked(line) || lines.next().is_some() => {
            Err("a transfer coding other than chunked")
        }
        _ => Ok(()),
    }
}

/// Whether a head or trailers are within the bounds.
///
/// # Errors
/// When they are not.
pub(crate) fn fits(headers: &HeaderMap) -> Result<(), Fault> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    if headers.len() > MAX_HEADERS || headers.iter().map(line).sum::<usize>() > MAX_HEAD_BYTES {
        return Err("too many or too large headers");
    }
    Ok(())
}

/// Trailers within the bounds, or a frame of data.
///
/// # Errors
/// When they are beyond.
pub(super) fn check_frame(frame: Frame<Bytes>) -> Result<Frame<Bytes>, super::body::Error> {
    match frame.trailers_ref().map(fits) {
        Some(Err(_)) => Err("the trailers are too large".into()),
        _ => Ok(frame),
    }
}

/// A list of equal lengths says what one of them says (RFC 9110, 8.6).
fn one_length(headers: &mut HeaderMap) -> Result<(), Fault> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else {
        return Ok(());
    };
    if lines.next().is_none() && !first.as_bytes().contains(&b',') {
        return Ok(());
    }
    let lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let mut all = lines.flat_map(|line| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
    });
    let one = all.next().unwrap_or_default();
    let is_number = !one.is_empty() && one.iter().all(u8::is_ascii_digit);
    if !is_number || all.any(|other| other != one) {
        return Err("it has lengths that differ");
    }
    let one = HeaderValue::from_bytes(one).map_err(|_| "its length is no number")?;
    headers.insert(header::CONTENT_LENGTH, one);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, version: Version, lines: &[(&str, &str)]) -> Response<()> {
        let mut response = Response::builder().status(status).version(version);
        for (name, value) in lines {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap()
    }

    #[track_caller]
    fn check_lengths(lines: &[(&str, &str)], expected: Option<&[&str]>) {
        let mut response = answer(200, Version::HTTP_11, lines);
        let checked = check(&mut response, false).ok().map(|()| {
            let lengths = response.headers().get_all("content-length").iter();
            lengths
                .map(|length| length.to_str().unwrap())
                .collect::<Vec<_>>()
        });
        assert_eq!(checked.as_deref(), expected);
    }

    #[test]
    fn an_answer_says_once_where_it_ends() {
        check_lengths(&[], Some(&[]));
        check_lengths(&[("content-length", "2")], Some(&["2"]));
        check_lengths(&[("content-length", "2, 2")], Some(&["2"]));
        check_lengths(
            &[("content-length", "2"), ("content-length", "2 ,2")],
            Some(&["2"]),
        );
        for different in ["2, 3", "2,", ",2", "2, +2", "2, 02"] {
            check_lengths(&[("content-length", different)], None);
        }
        check_lengths(&[("content-length", "2"), ("content-length", "3")], None);
        check_lengths(&[("transfer-encoding", " Chunked ")], Some(&[]));
        for both in ["chunked", "gzip, chunked"] {
            check_lengths(
                &[("content-length", "2"), ("transfer-encoding", both)],
                None,
            );
        }
    }

    #[test]
    fn a_coding_that_would_lose_its_label_is_refused() {
        for coding in [
            "gzip",
            "gzip, chunked",
            "chunked, gzip",
            "chunked, chunked",
            "xchunked",
            "",
        ] {
            check_lengths(&[("transfer-encoding", coding)], None);
        }
        let twice = [
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "chunked"),
        ];
        check_lengths(&twice, None);
    }

    #[test]
    fn a_switch_of_protocols_is_for_who_asked() {
        let mut response = answer(101, Version::HTTP_11, &[]);
        assert!(check(&mut response, false).is_err());
        assert!(check(&mut response, true).is_ok());
    }

    #[test]
    fn heads_and_trailers_have_the_same_bounds() {
        let many = |count: usize, value: &str| {
            let mut headers = HeaderMap::new();
            for n in 0..count {
                let name: HeaderName = format!("x-{n}").parse().unwrap();
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
            headers
        };
        let large = "v".repeat(MAX_HEAD_BYTES);
        for (headers, expected) in [
            (many(MAX_HEADERS, "v"), true),
            (many(MAX_HEADERS + 1, "v"), false),
            (many(1, &large[7..]), true),
            (many(1, &large[6..]), false),
        ] {
            assert_eq!(fits(&headers).is_ok(), expected);
            assert_eq!(
                check_frame(Frame::trailers(headers.clone())).is_ok(),
                expected
            );
            let mut response = answer(200, Version::HTTP_2, &[]);
            *response.headers_mut() = headers;
            assert_eq!(check(&mut response, false).is_ok(), expected);
        }
    }
}
