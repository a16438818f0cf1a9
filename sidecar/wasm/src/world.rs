//! The worlds a component can be of: a handler of WASI 0.2 or of 0.3, and how each is called.
//!
//! A call of 0.2 is over when the function returns, its response written before. One of 0.3 returns a
//! response whose body is a stream that the guest's tasks write while it is read: the call goes on until
//! the body is delivered or dropped and no task is left that wants to run.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use gateless_common::wasi::{HANDLER_0_2, HANDLER_0_3};
use http::Request;
use http_body::Body;
use tokio::sync::oneshot;
use wasmparser::{Parser, Payload};
use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p3;
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};
use wasmtime_wasi_http::{Error as WasiError, WasiHttpView};

use crate::host::State;
use crate::meter::Call;
use crate::outgoing::keep;

/// The version of WASI whose `wasi:http` handler is called. One engine is for one of them: what wasmtime
/// keeps about the tasks of 0.3 would cost every call of 0.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wasi {
    V0_2,
    /// Its components may import interfaces of 0.2, too.
    V0_3,
}

impl Wasi {
    /// What a component must export, up to the patch version.
    pub(crate) fn handler(self) -> &'static str {
        match self {
            Self::V0_2 => HANDLER_0_2,
            Self::V0_3 => HANDLER_0_3,
        }
    }

    /// What a file is for, without judging it: whatever has no handler of 0.3 is for 0.2, where it is
    /// told what is wrong with it.
    pub(crate) fn of(component: &[u8]) -> Self {
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(component) {
            match payload {
                Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
                Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
                Ok(Payload::ComponentExportSection(exports)) if depth == 0 => {
                    let mut names = exports.into_iter().flatten().map(|export| export.name.name);
                    if names.any(|name| name.starts_with(Self::V0_3.handler())) {
                        return Self::V0_3;
                    }
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        Self::V0_2
    }
}

/// A component, linked.
pub(crate) enum Pre {
    V0_2(ProxyPre<State>),
    V0_3(ServicePre<State>),
}

/// An instance of it.
pub(crate) enum Handler {
    V0_2(Proxy),
    V0_3(Service),
}

impl Pre {
    pub(crate) fn new(wasi: Wasi, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(match wasi {
            Wasi::V0_2 => Self::V0_2(ProxyPre::new(pre)?),
            Wasi::V0_3 => Self::V0_3(ServicePre::new(pre)?),
        })
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Handler> {
        Ok(match self {
            Self::V0_2(pre) => Handler::V0_2(pre.instantiate_async(store).await?),
            Self::V0_3(pre) => Handler::V0_3(pre.instantiate_async(store).await?),
        })
    }
}

impl Handler {
    /// Serves one call; the answer goes to `call`.
    pub(crate) async fn handle<B>(
        &self,
        store: &mut Store<State>,
        request: Request<B>,
        call: Arc<Call>,
    ) -> wasmtime::Result<()>
    where
        B: Body<Data = Bytes, Error = WasiError> + Send + 'static,
    {
        match self {
            Self::V0_2(proxy) => {
                let mut http = store.data_mut().http();
                let request = http.new_incoming_request(Scheme::Http, request)?;
                let answer = http.new_response_outparam_from_callback(move |answer| {
                    call.set_answer(answer.map_err(|code| format!("{code:?}")));
                })?;
                let handler = proxy.wasi_http_incoming_handler();
                handler.call_handle(store, request, answer).await
            }
            Self::V0_3(service) => serve(service, store, request, call).await,
        }
    }
}

async fn serve<B>(
    service: &Service,
    store: &mut Store<State>,
    request: Request<B>,
    call: Arc<Call>,
) -> wasmtime::Result<()>
where
    B: Body<Data = Bytes, Error = WasiError> + Send + 'static,
{
    let (request, read) = p3::Request::from_http(store.data_mut().http().hooks, request);
    let served = store.run_concurrent(async |accessor| {
        match service.handle(accessor, request).await? {
            Ok(response) => {
                let response = accessor.with(|store| response.into_http(store, read))?;
                let (gone, delivered) = oneshot::channel::<()>();
                call.set_answer(Ok(response.map(|body| keep(body, gone))));
                // Told by dropping it, whether it was read to its end or not.
                delivered.await.ok();
            }
            Err(code) => call.set_answer(Err(format!("{code:?}"))),
        }
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        Ok(())
    });
    served.await?
}
