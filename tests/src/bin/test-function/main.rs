//! The function every end-to-end test deploys: one program that can behave well or badly in
//! every way a test needs, over HTTP/1.1 and h2c alike.
//!
//! It proves what it saw: each request with an `x-test-id`, or of a trigger, becomes one line in
//! `$SEEN_FILE`.
//! Deliberately no draining on SIGTERM: that no request is lost is the platform's work.

#![allow(clippy::unwrap_used, reason = "a broken test program is a failed test")]

mod streams;

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use streams::{broken, chunks, events, streamed};
use tokio::net::TcpListener;

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    env(name)?.parse().ok()
}

/// Requests in the program now, and the most there ever were.
#[derive(Default)]
struct Load {
    now: AtomicUsize,
    most: AtomicUsize,
    served: AtomicUsize,
}

struct InFlight(Arc<Load>);

impl InFlight {
    fn enter(load: &Arc<Load>) -> (Self, usize) {
        let now = load.now.fetch_add(1, Ordering::SeqCst) + 1;
        load.most.fetch_max(now, Ordering::SeqCst);
        load.served.fetch_add(1, Ordering::SeqCst);
        (Self(load.clone()), now)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The query of a request.
struct Query(Vec<(String, String)>);

impl Query {
    fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, default: u64) -> u64 {
        self.text(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    }
}

#[tokio::main]
async fn main() {
    if env("CRASH_AT_START").is_some() {
        eprintln!("about to crash");
        eprintln!("boom: crash at start was asked for");
        std::process::exit(3);
    }
    if env("IGNORE_SIGTERM").is_some() {
        let kind = tokio::signal::unix::SignalKind::terminate();
        let mut signals = tokio::signal::unix::signal(kind).unwrap();
        tokio::spawn(async move { while signals.recv().await.is_some() {} });
    }
    append("STARTED_FILE", &format!("{}\n", std::process::id()));
    tokio::time::sleep(Duration::from_millis(
        number("START_DELAY_MS").unwrap_or_default(),
    ))
    .await;
    let port = u16::try_from(number("PORT").unwrap_or(8080)).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    eprintln!("listening on {port}");
    if let Some(ms) = number("EXIT_AFTER_LISTEN_MS") {
        // As a server that listens before it has read what it runs, and finds that it cannot.
        tokio::time::sleep(Duration::from_millis(ms)).await;
        std::process::exit(6);
    }
    if env("NEVER_ANSWERS").is_some() {
        // As a master whose workers cannot be started: connections wait where nobody takes them.
        std::future::pending::<()>().await;
    }
    let load = Arc::<Load>::default();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let load = load.clone();
        tokio::spawn(async move {
            stream.set_nodelay(true).ok();
            // Its age counts from its first request: an end before that has no word for it in any protocol.
            let first = Arc::<tokio::sync::Notify>::default();
            let begun = first.clone();
            let service = service_fn(move |request| {
                begun.notify_one();
                serve(load.clone(), request)
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            let streams = number("MAX_STREAMS").and_then(|max| u32::try_from(max).ok());
            builder
                .http2()
                .max_concurrent_streams(streams.or(Some(200)));
            let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            tokio::pin!(serving);
            let age = number("CONNECTION_AGE_MS").map(Duration::from_millis);
            let old = async {
                first.notified().await;
                tokio::time::sleep(age.unwrap_or(Duration::MAX)).await;
            };
            tokio::select! {
                _ = serving.as_mut() => return,
                () = old => {}
            }
            serving.as_mut().graceful_shutdown();
            serving.await.ok();
        });
    }
}

/// One whole line in one write: appends of several processes don't mix.
fn append(variable: &str, line: &str) {
    if let Some(path) = env(variable) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// Nothing is answered any more, as when the only thread waits for itself.
static HUNG: AtomicBool = AtomicBool::new(false);
/// Where `ONE_AT_A_TIME` is set, whoever is answered has this.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn serve(load: Arc<Load>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (in_flight, now) = InFlight::enter(&load);
    let _turn = match env("ONE_AT_A_TIME") {
        Some(_) => Some(TURN.lock().await),
        None => None,
    };
    if HUNG.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let id = test_id(&request);
    let began = since_epoch();
    if let Some(id) = &id {
        let revision = env("K_REVISION").unwrap_or_default();
        let line = format!("{id} {} {revision} {now}\n", std::process::id());
        append("SEEN_FILE", &line);
        eprintln!("request {id}");
    }
    let mut response = match request.uri().path() {
        "/work" => work(request, in_flight).await,
        _ => answer(&load, request, &in_flight).await,
    };
    if id.is_some() {
        append("BUSY_FILE", &format!("{began} {}\n", since_epoch()));
    }
    let headers = response.headers_mut();
    headers.insert("x-test-pid", HeaderValue::from(std::process::id()));
    if let Ok(value) = HeaderValue::from_str(&env("GATELESS_NODE").unwrap_or_default()) {
        headers.insert("x-test-node", value);
    }
    Ok(response)
}

/// Microseconds of the wall clock.
fn since_epoch() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_micros()
}

/// What a test calls the request by; one a trigger made, by its trigger and idempotency key.
fn test_id(request: &Request<Incoming>) -> Option<String> {
    let header = |name| request.headers().get(name)?.to_str().ok();
    let given = header("x-test-id").map(str::to_owned);
    given.or_else(|| {
        let key = header("idempotency-key").unwrap_or("-");
        Some(format!("{}={key}", header("x-gateless-trigger")?))
    })
}

async fn answer(load: &Load, request: Request<Incoming>, _: &InFlight) -> Response<Body> {
    let query = Query::of(&request);
    match request.uri().path() {
        "/echo" => echo(request),
        "/headers" => headers(&request),
        "/env" => document(&json!(
            std::env::vars().collect::<std::collections::BTreeMap<_, _>>()
        )),
        "/stats" => document(&json!({
            "now": load.now.load(Ordering::SeqCst),
            "most": load.most.load(Ordering::SeqCst),
            "served": load.served.load(Ordering::SeqCst),
        })),
        "/sleep" => {
            // Who answers without reading makes the connection useless for the next call.
            request.into_body().collect().await.ok();
            tokio::time::sleep(Duration::from_millis(query.number("ms", 0))).await;
            text("slept\n")
        }
        "/length" => length(request).await,
        "/drain" => drain(request),
        "/sse" => events(&query),
        "/chunks" => chunks(&query),
        "/ws" => upgrade(request),
        "/exit" => {
            // What it was told is told; nothing of an answer gets out.
            std::process::exit(i32::try_from(query.number("code", 1)).unwrap_or(1))
        }
        "/hang" => {
            HUNG.store(true, Ordering::SeqCst);
            std::future::pending().await
        }
        "/break" => broken(),
        "/fail" => fail(&query),
        "/call" => call(&request, &query).await,
        path if path.starts_with("/grpc.") => grpc(request).await,
        "/" => text("hello\n"),
        _ => {
            let mut response = text("no such path\n");
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

fn text(text: &'static str) -> Response<Body> {
    whole(Bytes::from_static(text.as_bytes()))
}

fn whole(bytes: Bytes) -> Response<Body> {
    let body = Full::new(bytes).map_err(|never| match never {});
    Response::new(body.boxed_unsync())
}

fn document(value: &serde_json::Value) -> Response<Body> {
    let mut response = whole(Bytes::from(value.to_string()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", kind);
    response
}

fn echo(request: Request<Incoming>) -> Response<Body> {
    let kind = request.headers().get("content-type").cloned();
    let mut response = Response::new(request.into_body().boxed_unsync());
    if let Some(kind) = kind {
        response.headers_mut().insert("content-type", kind);
    }
    response
}

/// What came in, and headers that must not get past the sidecar.
fn headers(request: &Request<Incoming>) -> Response<Body> {
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let version = format!("{:?}", request.version());
    let mut response = document(&json!({
        "method": request.method().as_str(),
        "uri": request.uri().path_and_query().map(|path| path.as_str()),
        "version": version,
        "headers": headers,
    }));
    let answer = response.headers_mut();
    for cookie in request.headers().get_all("x-test-set-cookie") {
        answer.append("set-cookie", cookie.clone());
    }
    if request.version() < http::Version::HTTP_2 {
        answer.insert("connection", HeaderValue::from_static("x-private"));
    }
    answer.insert("x-private", HeaderValue::from_static("1"));
    answer.insert("x-public", HeaderValue::from_static("1"));
    response
}

/// Works for `ms`, whatever becomes of its caller, as most programs do. `begin` has the answer begin at once.
async fn work(request: Request<Incoming>, in_flight: InFlight) -> Response<Body> {
    let query = Query::of(&request);
    let time = Duration::from_millis(query.number("ms", 0));
    let begins = query.number("begin", 0) > 0;
    let (done, works) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        request.into_body().collect().await.ok();
        tokio::time::sleep(time).await;
        drop(in_flight);
        done.send(()).ok();
    });
    let rest = stream::once(async move {
        works.await.ok();
        Frame::data(Bytes::from_static(b"done\n"))
    });
    if begins {
        let begun = stream::iter([Frame::data(Bytes::from_static(b"begun\n"))]);
        return streamed(futures_util::StreamExt::chain(begun, rest));
    }
    let mut rest = Box::pin(rest);
    futures_util::StreamExt::next(&mut rest).await;
    text("done\n")
}

/// Counts the body without keeping it.
async fn length(request: Request<Incoming>) -> Response<Body> {
    let mut body = request.into_body();
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    document(&json!({ "bytes": bytes }))
}

/// Begins its answer at once, and ends it when the request's body has come.
fn drain(request: Request<Incoming>) -> Response<Body> {
    let frames = stream::unfold(Some(request), |request| async move {
        let bytes = match request?.into_body().collect().await {
            Ok(body) => body.to_bytes().len(),
            Err(_) => return None,
        };
        let told = Bytes::from(format!("{bytes} bytes\n"));
        Some((Frame::data(told), None))
    });
    let begun = stream::iter([Frame::data(Bytes::from_static(b"begun\n"))]);
    streamed(futures_util::StreamExt::chain(begun, frames))
}

/// `Upgrade: echo`: from then on every byte comes back.
fn upgrade(mut request: Request<Incoming>) -> Response<Body> {
    let Some(protocol) = request.headers().get("upgrade").cloned() else {
        let mut response = text("an upgrade is needed\n");
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        return response;
    };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgraded.await {
            let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
            tokio::io::copy(&mut from, &mut to).await.ok();
        }
    });
    let mut response = Response::new(
        Empty::new()
            .map_err(|n: Infallible| match n {})
            .boxed_unsync(),
    );
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("connection", HeaderValue::from_static("upgrade"));
    headers.insert("upgrade", protocol);
    response
}

/// A unary gRPC method that answers its own message, with trailers.
async fn grpc(request: Request<Incoming>) -> Response<Body> {
    let message = request.into_body().collect().await.unwrap().to_bytes();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers.insert("grpc-message", HeaderValue::from_static("fine"));
    let frames = [Frame::data(message), Frame::trailers(trailers)];
    let mut response = streamed(stream::iter(frames));
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    response
}

/// Fails the first `times` requests of a `key`, over all instances and restarts.
fn fail(query: &Query) -> Response<Body> {
    let key = query.text("key").unwrap_or("key");
    let path = format!("{}.{key}", env("FAIL_FILE").unwrap());
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(b".").unwrap();
    let attempt = file.metadata().unwrap().len();
    if attempt > query.number("times", 1) {
        return document(&json!({ "attempt": attempt }));
    }
    if query.text("how") == Some("exit") {
        std::process::exit(5);
    }
    let mut response = text("failed as asked\n");
    let status = u16::try_from(query.number("status", 500)).unwrap();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Calls another function through the sidecar of this host.
async fn call(request: &Request<Incoming>, query: &Query) -> Response<Body> {
    let target = format!(
        "{}{}",
        env("GATELESS_URL").unwrap(),
        query.text("path").unwrap_or("/")
    );
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut inner = Request::builder().method(Method::GET).uri(target);
    if let Some(trace) = request.headers().get("traceparent") {
        inner = inner.header("traceparent", trace);
    }
    match client.request(inner.body(Empty::new()).unwrap()).await {
        Ok(answer) => {
            let (parts, body) = answer.into_parts();
            let mut response = Response::new(body.boxed_unsync());
            *response.status_mut() = parts.status;
            response
        }
        Err(error) => {
            eprintln!("inner call failed: {error}");
            let mut response = text("inner call failed\n");
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}
