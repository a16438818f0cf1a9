//! Calls of functions for people who try them out: through a live sidecar's public listener, like any
//! caller's.
//!
//! Not a path of calls: one answer of bounded size, whole, and nothing is tried twice once it was sent.
//! Who builds on functions calls a sidecar.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gateless_common::{header, time};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::functions::Name;
use super::{Result, Service};
use crate::clock;
use crate::sidecars::Sidecar;

/// Of an answer, what is kept: 1 MiB.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// How long a call may take.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The function's own deadline passes first, so that its sidecar's words come back.
const GRACE: Duration = Duration::from_millis(500);

/// A call to make.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Of the call.
    pub method: Method,
    /// Path and query below the function, beginning with `/`.
    pub path: String,
    /// As the caller would send them.
    pub headers: HeaderMap,
    /// Whole.
    pub body: Bytes,
    /// Whether it is to be queued.
    pub is_async: bool,
    /// At most [`MAX_TIMEOUT`].
    pub timeout: Duration,
}

/// What came back.
#[derive(Debug)]
pub struct Invoked {
    /// The sidecar it went through.
    pub sidecar: String,
    /// Where it was sent.
    pub url: String,
    /// Of the answer.
    pub status: StatusCode,
    /// Of the answer.
    pub headers: HeaderMap,
    /// At most [`MAX_ANSWER_BYTES`] of it.
    pub body: Bytes,
    /// Whether there was more.
    pub truncated: bool,
    /// Until the last byte that was read.
    pub took: Duration,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Nobody to send it to.
    #[error("no sidecar is connected")]
    NoSidecar,
    /// Not one of them took it.
    #[error("sidecar {sidecar} at {url} cannot be reached: {cause}")]
    Unreachable {
        /// The last one tried.
        sidecar: String,
        /// Its public URL.
        url: String,
        /// Why.
        cause: String,
    },
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The answer broke off.
    #[error("the answer of sidecar {sidecar} broke off: {cause}")]
    Broken {
        /// Whose.
        sidecar: String,
        /// Why.
        cause: String,
    },
    /// Path and host make no URL.
    #[error("{0:.200} is no URL")]
    Url(String),
}

/// Connections to sidecars' public listeners.
pub(super) struct Entrances(Client<HttpConnector, Full<Bytes>>);

impl Default for Entrances {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(5))
            .pool_max_idle_per_host(4)
            .retry_canceled_requests(false)
            .build(connector);
        Self(client)
    }
}

impl Service {
    /// Calls a function through a connected sidecar; `Err` in the answer: nothing came back.
    ///
    /// # Errors
    /// [`super::Error::NotFound`] when the function is not there.
    pub async fn invoke(
        &self,
        name: Name<'_>,
        call: &Invocation,
    ) -> Result<Result<Invoked, Failed>> {
        self.function_record(name).await?;
        let within = call.timeout.min(MAX_TIMEOUT);
        let limit = within + GRACE;
        Ok(
            match tokio::time::timeout(limit, self.relay(name, call, within)).await {
                Ok(done) => done,
                Err(_) => Err(Failed::Timeout(within)),
            },
        )
    }

    async fn relay(
        &self,
        (namespace, name): Name<'_>,
        call: &Invocation,
        within: Duration,
    ) -> Result<Invoked, Failed> {
        let mut last = Failed::NoSidecar;
        for sidecar in self.entrances() {
            let base = sidecar.hello.public_url.trim_end_matches('/');
            let kind = if call.is_async {
                "async-function"
            } else {
                "function"
            };
            let url = format!("{base}/{kind}/{name}.{namespace}{}", call.path);
            let request = request(&url, call, within)?;
            let began = clock::instant();
            match self.entrances.0.request(request).await {
                Ok(answer) => {
                    let (parts, body) = answer.into_parts();
                    let (body, truncated) = read(body).await.map_err(|cause| Failed::Broken {
                        sidecar: sidecar.node_id.clone(),
                        cause,
                    })?;
                    return Ok(Invoked {
                        sidecar: sidecar.node_id,
                        url,
                        status: parts.status,
                        headers: parts.headers,
                        body,
                        truncated,
                        took: clock::instant() - began,
                    });
                }
                // Nothing was sent: another entrance is as good.
                Err(error) if error.is_connect() => {
                    last = Failed::Unreachable {
                        sidecar: sidecar.node_id,
                        url: base.to_owned(),
                        cause: deepest(&error),
                    };
                }
                Err(error) => {
                    return Err(Failed::Broken {
                        sidecar: sidecar.node_id,
                        cause: deepest(&error),
                    });
                }
            }
        }
        Err(last)
    }

    /// Connected sidecars in an order of chance, those that give up their instances last.
    fn entrances(&self) -> Vec<Sidecar> {
        let mut all = self.registry.list();
        all.retain(|sidecar| sidecar.connected && !sidecar.hello.public_url.is_empty());
        all.sort_by_cached_key(|sidecar| (sidecar.draining, rand::random::<u32>()));
        all.truncate(3);
        all
    }
}

fn request(url: &str, call: &Invocation, within: Duration) -> Result<Request<Full<Bytes>>, Failed> {
    let uri: Uri = url.parse().map_err(|_| Failed::Url(url.to_owned()))?;
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = call.headers.clone();
    if !call.is_async {
        let millis = time::millis(within);
        request
            .headers_mut()
            .insert(header::TIMEOUT_MS, millis.into());
    }
    Ok(request)
}

async fn read(mut body: Incoming) -> Result<(Bytes, bool), String> {
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| deepest(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = MAX_ANSWER_BYTES - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room || (kept.len() == MAX_ANSWER_BYTES && !body.is_end_stream()) {
            return Ok((kept.freeze(), true));
        }
    }
    Ok((kept.freeze(), false))
}

fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
