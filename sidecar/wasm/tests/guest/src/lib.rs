//! A component with a route for every good and bad thing a guest can do. Deliberately not an example of
//! how to write a function: see `examples/` for that.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::StreamError;

wasip2::http::proxy::export!(Guest);

struct Guest;

static CALLS: AtomicU32 = AtomicU32::new(0);

impl wasip2::exports::http::incoming_handler::Guest for Guest {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/count" => respond(out, calls.to_string().as_bytes()),
            "/echo" => echo(&request, out),
            "/headers" => respond(out, request_headers(&request).as_bytes()),
            "/env" => respond(out, environment().as_bytes()),
            "/spin" => spin(),
            "/grow" => grow(),
            "/trap" => panic!("on purpose"),
            "/late-trap" => late_trap(out),
            "/endless" => endless(out),
            "/wait" => wait(),
            "/big" => big(out, query),
            "/header-flood" => header_flood(out),
            "/field-flood" => field_flood(),
            "/call" => call(out, query),
            "/bomb" => bomb(out, query),
            "/begun" => begun(out, query),
            "/lines" => lines(out),
            "/print" => {
                println!("{query}");
                respond(out, b"printed");
            }
            "/silent" => {}
            "/exit" => std::process::exit(3),
            "/unfinished" => unfinished(out),
            "/after" => after(out),
            "/leak" => leak(out),
            _ => respond(out, b"hello"),
        }
    }
}

fn begin(out: ResponseOutparam, headers: Fields) -> OutgoingBody {
    let response = OutgoingResponse::new(headers);
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    body
}

fn respond(out: ResponseOutparam, content: &[u8]) {
    let body = begin(out, Fields::new());
    let stream = body.write().unwrap();
    for chunk in content.chunks(4096) {
        stream.blocking_write_and_flush(chunk).unwrap();
    }
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

/// Writes every chunk as it comes, and answers trailers with trailers.
fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let body = begin(out, Fields::new());
    let stream = body.write().unwrap();
    let incoming = request.consume().unwrap();
    let input = incoming.stream().unwrap();
    loop {
        match input.blocking_read(4096) {
            Ok(bytes) => stream.blocking_write_and_flush(&bytes).unwrap(),
            Err(StreamError::Closed) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    drop(input);
    drop(stream);
    let future = IncomingBody::finish(incoming);
    future.subscribe().block();
    let trailers = future.get().unwrap().unwrap().unwrap();
    OutgoingBody::finish(body, trailers).unwrap();
}

fn request_headers(request: &IncomingRequest) -> String {
    let authority = request.authority().unwrap_or_default();
    let mut lines = format!("authority={authority}\n");
    for (name, value) in request.headers().entries() {
        lines += &format!("{name}={}\n", String::from_utf8_lossy(&value));
    }
    lines
}

fn environment() -> String {
    std::env::vars()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}

fn spin() {
    let mut x = 1_u64;
    loop {
        x = std::hint::black_box(x.wrapping_mul(31));
    }
}

fn grow() {
    let mut all = Vec::new();
    loop {
        all.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn late_trap(out: ResponseOutparam) {
    let body = begin(out, Fields::new());
    let stream = body.write().unwrap();
    for _ in 0..4 {
        stream.blocking_write_and_flush(b"some").unwrap();
    }
    panic!("after the head");
}

fn endless(out: ResponseOutparam) {
    let body = begin(out, Fields::new());
    let stream = body.write().unwrap();
    while stream.blocking_write_and_flush(&[b'x'; 4096]).is_ok() {}
}

fn wait() {
    wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX / 4).block();
}

/// `query` bytes, with their length promised.
fn big(out: ResponseOutparam, query: &str) {
    let length: usize = query.parse().unwrap();
    let headers = Fields::new();
    headers
        .set("content-length", &[query.as_bytes().to_vec()])
        .unwrap();
    let body = begin(out, headers);
    let stream = body.write().unwrap();
    let mut left = length;
    while left > 0 {
        let chunk = left.min(4096);
        stream
            .blocking_write_and_flush(&[b'x'; 4096][..chunk])
            .unwrap();
        left -= chunk;
    }
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

/// Few enough bytes for one set of fields, but many of them.
fn header_flood(out: ResponseOutparam) {
    let headers = Fields::new();
    for i in 0..200 {
        headers.append(&format!("x{i}"), b"").unwrap();
    }
    let body = begin(out, headers);
    OutgoingBody::finish(body, None).unwrap();
}

/// Sets of fields until the host has enough of it.
fn field_flood() {
    let mut all = Vec::new();
    loop {
        let headers = Fields::new();
        while headers.append("x", &[b'x'; 1_000]).is_ok() {}
        all.push(headers);
    }
}

/// A GET to `query`, which is `AUTHORITY/PATH`.
fn get(query: &str) -> outgoing_handler::FutureIncomingResponse {
    try_get(query).unwrap()
}

fn try_get(query: &str) -> Result<outgoing_handler::FutureIncomingResponse, ErrorCode> {
    let (authority, path) = query.split_once('/').unwrap_or((query, ""));
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request
        .set_path_with_query(Some(&format!("/{path}")))
        .unwrap();
    outgoing_handler::handle(request, None)
}

/// How many of a hundred requests at once are begun.
fn begun(out: ResponseOutparam, query: &str) {
    let begun: Vec<_> = (0..100).filter_map(|_| try_get(query).ok()).collect();
    respond(out, begun.len().to_string().as_bytes());
}

fn call(out: ResponseOutparam, query: &str) {
    let future = get(query);
    future.subscribe().block();
    let response = match future.get().unwrap().unwrap() {
        Ok(response) => response,
        Err(code) => return respond(out, format!("error: {code:?}").as_bytes()),
    };
    let mut text = format!("{} ", response.status()).into_bytes();
    let body = response.consume().unwrap();
    let stream = body.stream().unwrap();
    while let Ok(bytes) = stream.blocking_read(4096) {
        text.extend_from_slice(&bytes);
    }
    respond(out, &text);
}

/// As many requests at once as the host allows, and one more.
fn bomb(out: ResponseOutparam, query: &str) {
    let futures: Vec<_> = (0..100).map(|_| get(query)).collect();
    for future in futures.iter().rev() {
        future.subscribe().block();
        future.get().unwrap().unwrap().unwrap();
    }
    respond(out, b"survived");
}

fn lines(out: ResponseOutparam) {
    println!("one");
    print!("two, ");
    println!("and more");
    eprint!("no end");
    std::io::stderr().flush().unwrap();
    respond(out, b"printed");
}

fn unfinished(out: ResponseOutparam) {
    let body = begin(out, Fields::new());
    std::mem::forget(body);
}

/// Goes on a little after its response is complete.
fn after(out: ResponseOutparam) {
    respond(out, b"done");
    wasip2::clocks::monotonic_clock::subscribe_duration(1_000_000).block();
    println!("after");
}

/// Leaves more handles behind with every call.
fn leak(out: ResponseOutparam) {
    for _ in 0..20 {
        std::mem::forget(Fields::new());
    }
    respond(out, b"leaked");
}
