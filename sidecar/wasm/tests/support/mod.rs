//! What every test of this crate needs: the guest component (built once, by cargo), tiny components of a
//! few lines, an engine whose compiled code outlives the test, and a router of functions.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, each using some"
)]

mod guest;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use futures_util::stream;
use gateless_wasm::{
    Body, CallError, Caller, Engine, Identity, Instance, InstanceSpec, Limits, Outgoing,
    OutgoingError, ResponseBody, Routed, Settings, Stream,
};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

/// The guest of `tests/guest`.
pub(crate) fn guest() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| build("guest", "gateless_wasm_guest"))
        .clone()
}

/// The guest of `tests/guest-0.3`, which is one of WASI 0.3.
pub(crate) fn guest_0_3() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| build("guest-0.3", "gateless_wasm_guest_0_3"))
        .clone()
}

fn build(folder: &str, name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm-guest");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    guest::build(&source.join(folder), &target, name)
}

/// A component of one core module with these fields, and `body` as its handler.
pub(crate) fn tiny(fields: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "wasi:http/types@0.2.0" (instance $types
                (export "incoming-request" (type (sub resource)))
                (export "response-outparam" (type (sub resource)))))
            (alias export $types "incoming-request" (type $request))
            (alias export $types "response-outparam" (type $out))
            (core module $m {fields} (func (export "handle") (param i32 i32) {body}))
            (core instance $i (instantiate $m))
            (func $handle (param "request" (own $request)) (param "response-out" (own $out))
                (canon lift (core func $i "handle")))
            (instance $handler (export "handle" (func $handle)))
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    );
    wat::parse_str(&text).unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Settings with a cache that all tests share: compiling with an unoptimized compiler takes seconds.
pub(crate) fn shared_settings() -> Settings {
    let mut settings = Settings::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm-cache"));
    settings.max_concurrent = 50;
    settings.max_idle = 10;
    settings
}

pub(crate) fn settings(cache: &Path) -> Settings {
    let mut settings = shared_settings();
    settings.cache_dir = cache.to_owned();
    settings
}

/// What a function printed.
pub(crate) type Printed = Arc<Mutex<Vec<(Stream, String)>>>;

/// A spec for `component`, with what it prints.
pub(crate) fn spec(component: &Path) -> (InstanceSpec, Printed) {
    let printed = Printed::default();
    let sink = printed.clone();
    let spec = InstanceSpec {
        component: component.to_owned(),
        sha256: sha256(&std::fs::read(component).unwrap()),
        env: vec![("COLOUR".to_owned(), "green".to_owned())],
        limits: Limits::default(),
        allowed_hosts: Vec::new(),
        reuse: None,
        log: Arc::new(move |stream, line: &str| {
            sink.lock().unwrap().push((stream, line.to_owned()));
        }),
        identity: Identity {
            namespace: "default".to_owned(),
            function: "guest".to_owned(),
            revision: "guest-1".to_owned(),
            instance: "i".to_owned(),
        },
    };
    (spec, printed)
}

/// Functions by authority.
#[derive(Default)]
pub(crate) struct Router {
    pub(crate) functions: Mutex<HashMap<String, Arc<Instance>>>,
    pub(crate) routed: AtomicUsize,
    /// Whether requests for outside may go to loopback, and nowhere else.
    pub(crate) near: AtomicBool,
}

impl Outgoing for Router {
    fn route(&self, _: Caller, request: Request<Body>) -> Routed {
        let authority = request.uri().authority().unwrap().to_string();
        let Some(function) = self.functions.lock().unwrap().get(&authority).cloned() else {
            return Routed::Outside(Box::new(request));
        };
        self.routed.fetch_add(1, Ordering::Relaxed);
        Routed::Taken(Box::pin(async move {
            let response = function.call(request, None).await;
            let response = response.map_err(|e| OutgoingError::Other(e.to_string()))?;
            Ok(response.map(BodyExt::boxed_unsync))
        }))
    }

    fn permits(&self, address: SocketAddr) -> bool {
        self.near.load(Ordering::Relaxed) && address.ip().is_loopback()
    }
}

/// An engine over the shared cache, with its router.
pub(crate) fn engine() -> (Engine, Arc<Router>) {
    let router = Arc::new(Router::default());
    let engine = Engine::open(shared_settings(), router.clone()).unwrap();
    (engine, router)
}

/// The guest with these limits.
pub(crate) fn start_with(engine: &Engine, change: impl FnOnce(&mut InstanceSpec)) -> Arc<Instance> {
    let (mut spec, _) = spec(&guest());
    change(&mut spec);
    engine.start(spec).unwrap()
}

pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://guest.default{path}");
    Request::get(uri).body(Empty::new()).unwrap()
}

/// The head of a response.
pub(crate) async fn head(
    instance: &Arc<Instance>,
    path: &str,
) -> Result<Response<ResponseBody>, CallError> {
    instance.call(get(path), None).await
}

/// The text of a response, or what went wrong before or while it came.
pub(crate) async fn text(instance: &Arc<Instance>, path: &str) -> Result<String, CallError> {
    let body = head(instance, path).await?.into_body().collect().await;
    let body = body.map_err(|error| error.downcast_ref::<CallError>().unwrap().clone())?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

/// A call of `/echo`, after three pieces: the rest of its request's body, and of its answer's.
pub(crate) async fn echo_in_step(
    instance: &Arc<Instance>,
) -> (mpsc::Sender<Result<Frame<Bytes>, Infallible>>, ResponseBody) {
    let (sender, receiver) = mpsc::channel(1);
    let frames = stream::unfold(receiver, |mut receiver: mpsc::Receiver<_>| async move {
        let frame = receiver.recv().await?;
        Some((frame, receiver))
    });
    let request = Request::post("http://guest/echo").body(StreamBody::new(Box::pin(frames)));
    let response = instance.call(request.unwrap(), None).await.unwrap();
    let mut body = response.into_body();
    // Each answer is there before the next piece is sent: nothing waits for the whole.
    for piece in ["one", "two", "three"] {
        sender.send(Ok(Frame::data(piece.into()))).await.unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    (sender, body)
}
