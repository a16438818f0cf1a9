//! Clauses that take more than one message, or a function that speaks HTTP/2 in its own way.
//!
//! Deliberately with a library where only what it is given back matters.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use libtest_mimic::Failed;

use crate::h2::{DATA, END_HEADERS, END_STREAM, HEADERS, block, frame};
use crate::wire::{self, Answer};

/// Calls of a function that closes its connection after each.
const CALLS: usize = 60;
/// More than 16 KiB, which libraries take for enough.
const LARGE: usize = 17 << 10;
/// Stands for the request's stream.
const THE_STREAM: u32 = 0x7fff_ffff;
/// RFC 9113, 7.
const NO_ERROR: u32 = 0;
const RST_STREAM: u8 = 3;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) clause: &'static str,
    pub(crate) name: &'static str,
    pub(crate) run: fn(&str) -> Result<(), Failed>,
    pub(crate) open: Option<&'static str>,
}

const fn row(clause: &'static str, name: &'static str, run: fn(&str) -> Result<(), Failed>) -> Row {
    Row {
        clause,
        name,
        run,
        open: None,
    }
}

impl Row {
    const fn open(mut self, why: &'static str) -> Self {
        self.open = Some(why);
        self
    }
}

// A table: a row a clause.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row("RFC 9112, 9.6", "function_that_closes_after_each_answer_loses_no_call", closing_function),
    row("RFC 9110, 5.4", "headers_of_http_1_1_may_be_large", |door| large_head(door, false)),
    row("RFC 9110, 5.4", "headers_of_http_2_may_be_as_large", |door| large_head(door, true)),
    row("RFC 9110, 5.4", "many_headers_pass_over_http_1_1", |door| many_headers(door, false)),
    row("RFC 9110, 5.4", "many_headers_pass_over_http_2", |door| many_headers(door, true)),
    row("RFC 9110, 6.5", "large_trailers_pass_or_are_an_error", large_trailers),
    row("RFC 9113, 8.1", "answer_that_is_reset_without_an_error_looks_broken", reset_answer),
    row("RFC 9110, 15.2", "early_hints_of_an_http_2_function_reach_the_caller", early_hints)
        .open("issue 12, 27: 103 is dropped"),
    row("gRPC over HTTP/2", "callers_of_grpc_get_errors_as_grpc_has_them", grpc_error),
];

/// Functions over HTTP/2 and what each answers.
pub(crate) fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let head = |status: &str| {
        let status = block([(":status", status)].iter());
        frame(HEADERS, END_HEADERS, THE_STREAM, &status)
    };
    let data = |flags| frame(DATA, flags, THE_STREAM, b"hello");
    let large = "x".repeat(LARGE);
    let trailers = block([("x-large", large.as_str()), ("x-last", "1")].iter());
    // A frame has 16 KiB at most.
    let (first, rest) = trailers.split_at(16_000);
    let trailers = [
        frame(HEADERS, END_STREAM, THE_STREAM, first),
        frame(CONTINUATION, END_HEADERS, THE_STREAM, rest),
    ]
    .concat();
    let reset = frame(RST_STREAM, 0, THE_STREAM, &NO_ERROR.to_be_bytes());
    vec![
        ("raw-reset", [head("200"), data(0), reset].concat()),
        ("raw-trailers", [head("200"), data(0), trailers].concat()),
        (
            "raw-hints",
            [head("103"), head("200"), data(END_STREAM)].concat(),
        ),
    ]
}

const CONTINUATION: u8 = 9;

fn call(door: &str, request: &str) -> Result<Answer, Failed> {
    let whole = |bytes: &[u8]| wire::answer(bytes, false, "GET").complete;
    let (bytes, closed) = wire::exchange(door, request.as_bytes(), false, whole)?;
    Ok(wire::answer(&bytes, closed, "GET"))
}

fn holds(kept: bool, seen: &impl std::fmt::Debug) -> Result<(), Failed> {
    if kept {
        Ok(())
    } else {
        Err(format!("{seen:?}").into())
    }
}

fn closing_function(door: &str) -> Result<(), Failed> {
    let hex = wire::hex(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    let head = format!(
        "POST /function/raw/ HTTP/1.1\r\nhost: {door}\r\nx-close: 1\r\nx-answer: {hex}\r\n"
    );
    let request = format!("{head}content-length: 2\r\n\r\nhi");
    let answers = (0..CALLS).map(|_| Ok(call(door, &request)?.status));
    let answers: Vec<u16> = answers.collect::<Result<_, Failed>>()?;
    holds(answers.iter().all(|status| *status == 200), &answers)
}

/// One request of a library, and its answer's head, body and trailers.
fn request(
    door: &str,
    h2: bool,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<
    (
        http::response::Parts,
        Option<http_body_util::Collected<Bytes>>,
    ),
    Failed,
> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let client = Client::builder(TokioExecutor::new())
            .http2_only(h2)
            .http2_max_header_list_size(1 << 20)
            .build_http::<Full<Bytes>>();
        let mut request = http::Request::post(format!("http://{door}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = client.request(request.body(Full::default())?).await?;
        let (parts, body) = answer.into_parts();
        Ok((parts, body.collect().await.ok()))
    })
}

fn large_head(door: &str, h2: bool) -> Result<(), Failed> {
    let large = "x".repeat(LARGE);
    let (answer, body) = request(door, h2, "/function/raw/", &[("x-large", &large)])?;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let passed = body.windows(LARGE).any(|part| part == large.as_bytes());
    holds(answer.status == 200 && passed, &answer.status)
}

fn many_headers(door: &str, h2: bool) -> Result<(), Failed> {
    let names: Vec<String> = (0..150).map(|n| format!("x-{n}")).collect();
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let (answer, body) = request(door, h2, "/function/raw/", &headers)?;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    let passed = names
        .iter()
        .all(|name| text.contains(&format!("\r\n{name}: 1\r\n")));
    holds(answer.status == 200 && passed, &answer.status)
}

fn large_trailers(door: &str) -> Result<(), Failed> {
    let (answer, body) = request(door, true, "/function/raw-trailers/", &[("te", "trailers")])?;
    // None: the caller can tell that something is missing.
    let trailers = body.map(|body| body.trailers().cloned());
    let kept = trailers.as_ref().is_none_or(|trailers| {
        let trailers = trailers.as_ref();
        trailers.is_some_and(|trailers| {
            trailers.contains_key("x-large") && trailers.contains_key("x-last")
        })
    });
    holds(kept || answer.status == 502, &(answer.status, trailers))
}

fn reset_answer(door: &str) -> Result<(), Failed> {
    let answer = call(
        door,
        &format!("GET /function/raw-reset/ HTTP/1.1\r\nhost: {door}\r\n\r\n"),
    )?;
    holds(!answer.complete || answer.status == 502, &answer)
}

fn early_hints(door: &str) -> Result<(), Failed> {
    let answer = call(
        door,
        &format!("GET /function/raw-hints/ HTTP/1.1\r\nhost: {door}\r\n\r\n"),
    )?;
    holds(answer.status == 200 && answer.interim == [103], &answer)
}

fn grpc_error(door: &str) -> Result<(), Failed> {
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let (answer, _) = request(door, true, "/function/nobody/Some/Method", &headers)?;
    // 5 is NOT_FOUND, 12 UNIMPLEMENTED.
    let status = answer
        .headers
        .get("grpc-status")
        .map(|status| status.as_bytes().to_vec());
    let kept = answer.status == 200 && matches!(status.as_deref(), Some(b"5" | b"12"));
    holds(kept, &answer)
}
