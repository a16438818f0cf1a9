//! RFC 9113, HTTP/2: frames by hand, for a proxy must refuse what no library would send.
//!
//! Deliberately no compression: every header is a literal, and of an answer only the status is read.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::table::{Must, latin_1};
use crate::wire::Answer;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// The proxy answers faster, or not at all.
const SILENCE: Duration = Duration::from_secs(3);

type Pairs = &'static [(&'static str, &'static str)];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) clause: &'static str,
    pub(crate) name: &'static str,
    /// Before `:method` and the others, which are there unless `headers` begins with a pseudo-header.
    pub(crate) headers: Pairs,
    /// Data, if there is any; then trailers, if there are any.
    pub(crate) data: Option<&'static str>,
    pub(crate) trailers: Pairs,
    /// Instead of a request.
    pub(crate) frames: Option<&'static [u8]>,
    pub(crate) must: H2Must,
}

/// What must come of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum H2Must {
    /// The stream or the connection is reset, or the answer is a 4xx; no function sees it.
    Malformed,
    /// The connection is ended.
    ConnectionError,
    /// An answer with these, as for HTTP/1.1.
    Answers(&'static [Must]),
}

const fn row(clause: &'static str, name: &'static str, headers: Pairs, must: H2Must) -> Row {
    Row {
        clause,
        name,
        headers,
        data: None,
        trailers: &[],
        frames: None,
        must,
    }
}

const fn frames(clause: &'static str, name: &'static str, frames: &'static [u8]) -> Row {
    Row {
        frames: Some(frames),
        ..row(clause, name, &[], H2Must::ConnectionError)
    }
}

impl Row {
    const fn data(mut self, data: &'static str) -> Self {
        self.data = Some(data);
        self
    }

    const fn trailers(mut self, trailers: Pairs) -> Self {
        self.trailers = trailers;
        self
    }

    /// Everything to send after the preface.
    pub(crate) fn bytes(&self, host: &str) -> Vec<u8> {
        if let Some(frames) = self.frames {
            return frames.to_vec();
        }
        let usual = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/function/raw/"),
            (":authority", host),
        ];
        let given = self
            .headers
            .iter()
            .any(|(name, _)| name.starts_with(':') && *name != ":x");
        let usual = if given { &[][..] } else { &usual[..] };
        let all = usual.iter().chain(self.headers);
        let ends = self.data.is_none() && self.trailers.is_empty();
        let mut bytes = frame(HEADERS, END_HEADERS | flag(ends), 1, &block(all));
        if let Some(data) = self.data {
            let ends = self.trailers.is_empty();
            bytes.extend(frame(DATA, flag(ends), 1, &latin_1(data)));
        }
        if !self.trailers.is_empty() {
            let trailers = block(self.trailers.iter());
            bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers));
        }
        bytes
    }
}

fn flag(ends: bool) -> u8 {
    if ends { END_STREAM } else { 0 }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Literals without indexing.
pub(crate) fn block<'a>(pairs: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in pairs {
        bytes.push(0);
        for text in [name, value] {
            let text = latin_1(text);
            put_length(&mut bytes, text.len());
            bytes.extend(text);
        }
    }
    bytes
}

/// RFC 7541, 5.1, with seven bits and no Huffman code.
fn put_length(bytes: &mut Vec<u8>, length: usize) {
    let byte = |n: usize| u8::try_from(n).unwrap_or_default();
    if length < 127 {
        bytes.push(byte(length));
        return;
    }
    bytes.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push(byte(rest % 128 + 128));
        rest /= 128;
    }
    bytes.push(byte(rest));
}

/// What came back on the first stream.
#[derive(Debug, Default)]
pub(crate) struct H2Answer {
    /// As an answer over HTTP/1.1; headers are not read.
    pub(crate) answer: Answer,
    /// The stream was reset with this code.
    pub(crate) reset: Option<u32>,
    /// The connection was ended with this code.
    pub(crate) goaway: Option<u32>,
}

/// Sends what follows the preface and reads until the stream or the connection ends.
pub(crate) fn exchange(address: &str, bytes: &[u8]) -> io::Result<H2Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[]))?;
    stream.write_all(bytes).ok();
    let mut got = H2Answer::default();
    while let Some((kind, flags, id, payload)) = read_frame(&mut stream) {
        match kind {
            SETTINGS if flags & 1 == 0 => stream.write_all(&frame(SETTINGS, 1, 0, &[])).ok(),
            PING if flags & 1 == 0 => stream.write_all(&frame(PING, 1, 0, &payload)).ok(),
            GOAWAY => {
                got.goaway = payload.get(4..8).map(code);
                return Ok(got);
            }
            RST_STREAM => {
                got.reset = payload.get(..4).map(code);
                return Ok(got);
            }
            HEADERS if id == 1 && got.answer.status == 0 => {
                got.answer.status = status(&payload);
                None
            }
            DATA if id == 1 => {
                got.answer.body.extend(payload);
                None
            }
            _ => None,
        };
        if id == 1 && matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
            got.answer.complete = true;
            return Ok(got);
        }
    }
    got.answer.closed = true;
    Ok(got)
}

fn code(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |code, byte| code << 8 | u32::from(*byte))
}

fn read_frame(stream: &mut TcpStream) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = code(&head[..3]);
    let mut payload = vec![0; usize::try_from(length).ok()?];
    stream.read_exact(&mut payload).ok()?;
    Some((head[3], head[4], code(&head[5..9]), payload))
}

/// The first header of an answer, in any of the ways RFC 7541 has for it; 0 if it is none.
fn status(block: &[u8]) -> u16 {
    const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let resized = block
        .iter()
        .position(|byte| byte & 0xe0 != 0x20)
        .unwrap_or(0);
    match block.get(resized..).unwrap_or_default() {
        [indexed @ 0x88..=0x8e, ..] => STATIC[usize::from(indexed - 0x88)],
        [0x48 | 0x08 | 0x18, length, rest @ ..] => {
            let value = &rest[..usize::from(length & 0x7f).min(rest.len())];
            let text = if length & 0x80 == 0 {
                value.to_vec()
            } else {
                unhuffman(value)
            };
            String::from_utf8_lossy(&text).parse().unwrap_or(0)
        }
        _ => 0,
    }
}

/// Digits only: 0 to 2 have five bits, the others six.
fn unhuffman(bytes: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1))
        .collect();
    let number = |at: usize, n: usize| {
        let bits = bits.get(at..at + n)?;
        Some(bits.iter().fold(0, |number, bit| number << 1 | bit))
    };
    let (mut at, mut text) = (0, Vec::new());
    while text.len() < 3 {
        match (number(at, 5), number(at, 6)) {
            (Some(short @ 0..=2), _) => (text.push(b'0' + short), at += 5),
            (_, Some(long @ 25..=31)) => (text.push(b'3' + long - 25), at += 6),
            _ => break,
        };
    }
    text
}

use H2Must::{Answers, Malformed};
use Must::{Answer as Status, Line, Sees, SeesBody};

const GET: Pairs = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/function/raw/"),
    (":authority", "a"),
];

// A table: a row a clause.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row("RFC 9113, 8.1", "request_reaches_the_function", &[], Answers(&[Status(&[200]), Line("POST / HTTP/1.1"), SeesBody("hello")])).data("hello"),
    row("RFC 9113, 8.1", "trailers_with_a_pseudo_header_are_malformed", &[], Malformed).data("hello").trailers(&[(":path", "/")]),
    row("RFC 9113, 8.1.1", "data_shorter_than_the_length_is_malformed", &[("content-length", "9")], Malformed).data("hello"),
    row("RFC 9113, 8.1.1", "data_longer_than_the_length_is_malformed", &[("content-length", "2")], Malformed).data("hello"),
    row("RFC 9113, 8.1.1", "lengths_that_differ_are_malformed", &[("content-length", "5"), ("content-length", "2")], Malformed).data("hello"),
    row("RFC 9113, 8.2.1", "name_in_upper_case_is_malformed", &[("X-A", "1")], Malformed),
    row("RFC 9113, 8.2.1", "name_with_a_space_is_malformed", &[("x a", "1")], Malformed),
    row("RFC 9113, 8.2.1", "name_with_a_colon_is_malformed", &[("x:a", "1")], Malformed),
    row("RFC 9113, 8.2.1", "value_with_a_line_end_is_malformed", &[("x-a", "1\r\nx-b: 2")], Malformed),
    row("RFC 9113, 8.2.1", "value_with_a_nul_is_malformed", &[("x-a", "1\u{0}2")], Malformed),
    row("RFC 9113, 8.2.1", "value_that_begins_with_a_space_is_malformed", &[("x-a", " 1")], Malformed),
    row("RFC 9113, 8.2.2", "connection_is_malformed", &[("connection", "close")], Malformed),
    row("RFC 9113, 8.2.2", "transfer_encoding_is_malformed", &[("transfer-encoding", "chunked")], Malformed).data("0\r\n\r\n"),
    row("RFC 9113, 8.2.2", "upgrade_is_malformed", &[("upgrade", "h2c")], Malformed),
    row("RFC 9113, 8.2.2", "te_that_is_not_trailers_is_malformed", &[("te", "gzip")], Malformed),
    row("RFC 9113, 8.2.2", "te_trailers_is_allowed", &[("te", "trailers")], Answers(&[Status(&[200])])),
    row("RFC 9113, 8.2.3", "crumbs_of_a_cookie_become_one", &[("cookie", "a=1"), ("cookie", "b=2")], Answers(&[Status(&[200]), Sees("cookie", &["a=1; b=2"])])),
    row("RFC 9113, 8.3", "pseudo_header_after_another_is_malformed", &[(":method", "GET"), (":scheme", "http"), ("x-a", "1"), (":path", "/function/raw/"), (":authority", "a")], Malformed),
    row("RFC 9113, 8.3", "unknown_pseudo_header_is_malformed", &[(":method", "GET"), (":scheme", "http"), (":path", "/function/raw/"), (":authority", "a"), (":color", "red")], Malformed),
    row("RFC 9113, 8.3", "status_in_a_request_is_malformed", &[(":method", "GET"), (":scheme", "http"), (":path", "/function/raw/"), (":authority", "a"), (":status", "200")], Malformed),
    row("RFC 9113, 8.3.1", "two_paths_are_malformed", &[(":method", "GET"), (":scheme", "http"), (":path", "/function/raw/"), (":path", "/function/raw/b"), (":authority", "a")], Malformed),
    row("RFC 9113, 8.3.1", "missing_method_is_malformed", &[(":scheme", "http"), (":path", "/function/raw/"), (":authority", "a")], Malformed),
    row("RFC 9113, 8.3.1", "missing_scheme_is_malformed", &[(":method", "GET"), (":path", "/function/raw/"), (":authority", "a")], Malformed),
    row("RFC 9113, 8.3.1", "missing_path_is_malformed", &[(":method", "GET"), (":scheme", "http"), (":authority", "a")], Malformed),
    row("RFC 9113, 8.3.1", "empty_path_is_malformed", &[(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "raw.default.gateless.local")], Malformed),
    row("RFC 9113, 8.3.1", "path_with_a_line_end_is_malformed", &[(":method", "GET"), (":scheme", "http"), (":path", "/function/raw/ HTTP/1.1\r\nx-a: 1"), (":authority", "a")], Malformed),
    row("RFC 9113, 8.3.1", "method_with_a_space_is_malformed", &[(":method", "GET /a"), (":scheme", "http"), (":path", "/function/raw/"), (":authority", "a")], Malformed),
    row("RFC 9113, 8.3.1", "function_gets_the_authority_as_host", &[(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "raw.default.gateless.local")], Answers(&[Status(&[200]), Line("GET /a HTTP/1.1"), Sees("host", &["raw.default.gateless.local"])])),
    row("RFC 9113, 8.3.1", "host_without_an_authority_counts", &[(":method", "GET"), (":scheme", "http"), (":path", "/a"), ("host", "raw.default.gateless.local")], Answers(&[Status(&[200]), Sees("host", &["raw.default.gateless.local"])])),
    row("RFC 9113, 8.3.1", "authority_and_another_host_are_refused_or_the_authority_counts", &[(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "raw.default.gateless.local"), ("host", "other")], Answers(&[Must::RefusedOr(&[Sees("host", &["raw.default.gateless.local"])])])),
    row("RFC 9113, 8.3.1", "authority_with_user_information_is_malformed", &[(":method", "GET"), (":scheme", "http"), (":path", "/function/raw/"), (":authority", "me@a")], Malformed),
    row("RFC 9113, 8.3.1", "functions_own_paths_are_its_own", &[(":method", "GET"), (":scheme", "http"), (":path", "/healthz"), (":authority", "raw.default.gateless.local")], Answers(&[Status(&[200]), Line("GET /healthz HTTP/1.1")])),
    row("RFC 9113, 8.5", "connect_is_refused", &[(":method", "CONNECT"), (":authority", "raw.default.gateless.local:80")], Malformed),
    row("RFC 9110, 4.2.3", "case_of_the_authority_is_ignored", &[(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "RAW.Default.Gateless.Local")], Answers(&[Status(&[200])])),
    row("RFC 9110, 7.6.3", "request_says_through_whom_it_came", GET, Answers(&[Status(&[200]), Must::SeesLike("via", "2", "gateless")])),
    frames("RFC 9113, 5.1", "data_on_an_idle_stream_ends_the_connection", &[0, 0, 1, DATA, END_STREAM, 0, 0, 0, 1, b'x']),
    frames("RFC 9113, 5.1.1", "stream_with_an_even_number_ends_the_connection", &[0, 0, 1, HEADERS, 5, 0, 0, 0, 2, 0x82]),
    frames("RFC 9113, 4.2", "frame_that_is_too_large_ends_the_connection", &[0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]),
    frames("RFC 9113, 4.3", "headers_that_cannot_be_decoded_end_the_connection", &[0, 0, 2, HEADERS, 5, 0, 0, 0, 1, 0xff, 0xff]),
    frames("RFC 9113, 6.1", "data_of_the_connection_itself_ends_it", &[0, 0, 1, DATA, 0, 0, 0, 0, 0, b'x']),
    frames("RFC 9113, 6.5", "settings_of_a_stream_end_the_connection", &[0, 0, 0, SETTINGS, 0, 0, 0, 0, 1]),
    frames("RFC 9113, 6.5", "settings_of_a_wrong_length_end_the_connection", &[0, 0, 5, SETTINGS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    frames("RFC 9113, 6.7", "ping_of_a_wrong_length_ends_the_connection", &[0, 0, 1, PING, 0, 0, 0, 0, 0, 0]),
    frames("RFC 9113, 6.9", "window_update_of_nothing_ends_the_connection", &[0, 0, 4, WINDOW_UPDATE, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    frames("RFC 9113, 6.10", "continuation_of_nothing_ends_the_connection", &[0, 0, 1, 9, 4, 0, 0, 0, 1, 0x82]),
    frames("RFC 9113, 8.4", "push_from_a_caller_ends_the_connection", &[0, 0, 5, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0x82]),
];
