//! The host a guest sees: all of WASI 0.2, or of 0.2 and 0.3, with clocks, random numbers, environment, standard streams and
//! HTTP; file systems are empty and sockets refuse. One linker serves every component.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::p2::bindings::cli::environment;
use wasmtime_wasi::p3::bindings::cli::environment as environment_0_3;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, RequestOptions};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::instance::Shared;
use crate::limits::Limiter;
use crate::lines::{Lines, Stream};
use crate::meter::{Call, CpuTimeUsedUp};
use crate::outgoing::Hooks;
use crate::world::Wasi;

/// Handles to host resources one guest may hold. With the bounds on fields and bodies it also bounds what
/// a guest can make the host remember: 512 sets of fields of 64 KiB, say.
const MAX_RESOURCES: usize = 512;

/// Handles of any kind in the guest's own tables: to host resources, to its own, to streams and futures.
const MAX_HANDLES: usize = 10_000;

/// Tasks, streams and futures the host keeps for a guest of WASI 0.3; a stream takes a few.
const MAX_CONCURRENT: usize = 4_096;

/// Bytes of strings and lists one call from the guest to the host may copy.
const HOSTCALL_BYTES: usize = 8 << 20;

/// Random bytes for one asking.
const MAX_RANDOM: u64 = 1 << 20;

/// Handles a guest may still hold between two calls: its standard streams, and a few it may cache.
const MAX_KEPT_RESOURCES: usize = 32;

/// What a store knows.
pub(crate) struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    pub(crate) limiter: Limiter,
    lines: [Lines; 2],
}

impl State {
    /// A store for one instance of a component, to begin with `call`.
    pub(crate) fn store(engine: &Engine, shared: Arc<Shared>, call: Arc<Call>) -> Store<Self> {
        let limits = shared.limits;
        let lines =
            [Stream::Stdout, Stream::Stderr].map(|stream| Lines::new(stream, shared.log.clone()));
        let mut wasi = WasiCtx::builder();
        wasi.stdout(lines[0].clone())
            .stderr(lines[1].clone())
            .allow_tcp(false)
            .allow_udp(false)
            .max_random_size(MAX_RANDOM);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let mut http = WasiHttpCtx::new();
        // Counted with what a field costs in memory, which is about as much as a short field itself.
        http.set_field_size_limit(limits.response_header_bytes as usize * 2);
        let state = Self {
            table,
            wasi: wasi.build(),
            http,
            hooks: Hooks { shared, call },
            limiter: Limiter::new(&limits),
            lines,
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(MAX_HANDLES);
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(MAX_CONCURRENT);
        }
        store.epoch_deadline_callback(on_tick);
        store
    }

    /// Another call in the same instance.
    pub(crate) fn begin(&mut self, call: Arc<Call>) {
        self.hooks.call = call;
    }

    /// A call is over: what it printed without a line's end is printed.
    pub(crate) fn finish(&self) {
        for lines in &self.lines {
            lines.flush();
        }
    }

    pub(crate) fn call(&self) -> &Call {
        &self.hooks.call
    }

    /// Whether another call may follow: nothing was refused, nothing goes on, nothing piles up.
    pub(crate) fn is_reusable(&mut self) -> bool {
        let quiet = self.call().outgoing_now() == 0 && !self.call().was_refused_outgoing();
        let within = !self.limiter.memory_refused && !self.limiter.table_refused;
        quiet && within && self.table.iter_mut().count() <= MAX_KEPT_RESOURCES
    }
}

/// The epoch moved on while the guest computed, or while it waited and it only notices now.
fn on_tick(store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data();
    let now = state.call().in_poll();
    if state.call().is_used_up_with(now) {
        return Err(CpuTimeUsedUp.into());
    }
    let turn = state.hooks.shared.turn;
    Ok(if Duration::from_nanos(now) < turn {
        UpdateDeadline::Continue(1)
    } else {
        UpdateDeadline::Yield(1)
    })
}

/// The one linker.
pub(crate) fn linker(engine: &Engine, wasi: Wasi) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    linker.allow_shadowing(true);
    environment::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    let mut handler = linker.instance("wasi:http/outgoing-handler@0.2.12")?;
    handler.func_wrap("handle", handle)?;
    if wasi == Wasi::V0_3 {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        environment_0_3::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    }
    linker.allow_shadowing(false);
    Ok(linker)
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// The environment is copied only for guests that ask for it; wasi's own context would want a copy a store.
impl environment::Host for State {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.hooks.shared.env.clone())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl environment_0_3::Host for State {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        environment::Host::get_environment(self)
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn get_initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

/// `wasi:http/outgoing-handler.handle`, but what is past the limits is refused at once: wasi's own starts
/// a task for each request first, and a guest that asks for a hundred fills the runtime's queues with
/// them, so that its neighbours wait for a tenth of a second.
fn handle(
    mut store: StoreContextMut<'_, State>,
    (request, options): (
        Resource<HostOutgoingRequest>,
        Option<Resource<RequestOptions>>,
    ),
) -> wasmtime::Result<(Result<Resource<HostFutureIncomingResponse>, ErrorCode>,)> {
    let state = store.data_mut();
    let limits = state.hooks.shared.limits;
    if !state.call().may_begin_outgoing(&limits) {
        state.table.delete(request)?;
        return Ok((Err(ErrorCode::ConnectionLimitReached),));
    }
    match state.http().handle(request, options) {
        Ok(response) => Ok((Ok(response),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}
