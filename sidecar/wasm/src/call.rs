//! One call, up to the head of its response. The rest is the body's.

use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::body::ResponseBody;
use crate::error::CallError;
use crate::guest::{Guest, Live};
use crate::host::State;
use crate::instance::Instance;
use crate::meter::Call;
use crate::modules::Loaded;
use crate::outgoing::{BoxError, to_wasi};
use crate::settings::Limits;

/// Room for one call, and the module it is for.
pub struct Entry<'a> {
    instance: &'a Arc<Instance>,
    module: Arc<Loaded>,
    slot: OwnedSemaphorePermit,
    deadline: Option<Instant>,
}

impl Instance {
    /// Waits for room to serve one call, which must be over at `deadline`.
    pub async fn enter(
        self: &Arc<Self>,
        deadline: Option<Instant>,
    ) -> Result<Entry<'_>, CallError> {
        self.step_back().await;
        // Before the slot: a module that must be compiled first may keep its callers waiting, not others'.
        let module = self.module(deadline).await?;
        let slot = self.engine.slot(deadline).await?;
        Ok(Entry {
            instance: self,
            module,
            slot,
            deadline,
        })
    }

    /// Serves one request: [`Self::enter`] and [`Entry::call`].
    pub async fn call<B>(
        self: &Arc<Self>,
        request: Request<B>,
        deadline: Option<Instant>,
    ) -> Result<Response<ResponseBody>, CallError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.enter(deadline).await?.call(request).await
    }
}

impl Entry<'_> {
    /// Serves one request. The request's body is read as the guest reads it; its extensions go with the
    /// guest's outgoing requests. Everything, the response's body included, must be over at the deadline.
    ///
    /// The guest runs when this future, and then the response's body, is polled; dropping either ends it.
    /// Whoever stops polling a body for good must drop it: the guest keeps its slot until then.
    pub async fn call<B>(self, mut request: Request<B>) -> Result<Response<ResponseBody>, CallError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Self {
            instance,
            module,
            slot,
            deadline,
        } = self;
        let limits = &instance.shared.limits;
        let extensions = mem::take(request.extensions_mut());
        let call = Arc::new(Call::new(limits, deadline, extensions));
        let live = match instance.take_idle() {
            Some(mut live) => {
                live.store.data_mut().begin(call.clone());
                live
            }
            None => {
                let (engine, shared) = (instance.engine.wasm(), instance.shared.clone());
                Live::new(State::store(engine, shared, call.clone()), module)
            }
        };
        if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
            let host = HeaderValue::from_static("localhost"); // HTTP/1.0; the guest must be told something
            request.headers_mut().insert(HOST, host);
        }
        let request = request.map(|body| body.map_err(|error| to_wasi(error.into())));
        let mut guest = Guest::new(instance.clone(), live, request, call, slot);
        let (head, done) = poll_fn(|cx| poll_head(&mut guest, cx)).await?;
        let promised = check_head(&head, limits)?;
        let limit = limits.response_body_bytes;
        let (head, source) = head.into_parts();
        let body = match done {
            Some(live) => ResponseBody::whole(source, guest, live, limit)?,
            None => ResponseBody::streamed(source, guest, promised, limit),
        };
        Ok(Response::from_parts(head, body))
    }
}

/// A response's head, and the guest's instance if it is through already.
type Head = (Response<HyperOutgoingBody>, Option<Live>);

fn poll_head(guest: &mut Guest, cx: &mut Context<'_>) -> Poll<Result<Head, CallError>> {
    let done = match guest.poll(cx) {
        Poll::Ready(result) => Some(result?),
        Poll::Pending => None,
    };
    match (guest.call().take_answer(), done) {
        (Some(Ok(head)), done) => Poll::Ready(Ok((head, done))),
        (Some(Err(code)), _) => Poll::Ready(Err(CallError::Answered(code))),
        (None, Some(_)) => Poll::Ready(Err(CallError::NoResponse)),
        (None, None) => Poll::Pending,
    }
}

/// Holds a head to its limits; returns the length it promises.
fn check_head<B>(head: &Response<B>, limits: &Limits) -> Result<Option<u64>, CallError> {
    let headers = head.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > limits.response_headers as usize
        || bytes > limits.response_header_bytes as usize
    {
        return Err(CallError::ResponseHeaders {
            count: limits.response_headers,
            bytes: limits.response_header_bytes,
        });
    }
    let promised = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if promised.is_some_and(|length| length > limits.response_body_bytes) {
        return Err(CallError::ResponseTooLarge {
            limit: limits.response_body_bytes,
        });
    }
    Ok(promised)
}
