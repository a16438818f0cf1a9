//! A call from outside or from this host: which function it names, which revision, sync or async.

use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use gateless_core::hold::Caller;
use gateless_core::policy::{Admitted, Identity};
use gateless_core::router;
use gateless_listen::Scheme;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::Edge;
use super::cors::{self, Foreign};
use super::doors::{ConnectInfo, Door};
use super::host::{self, Host};
use super::life;
use super::local::Connection;
use super::openfaas;
use super::prove::{self, Proven};
use crate::call::error::Error;
use crate::call::origin::Client;
use crate::call::{Call, Payload, grpc, headers, limits, origin, pick};
use crate::clock;
use crate::endpoint::body::{Body, Inbound};
use crate::endpoint::watchdog;
use crate::runtime::Function;

/// The address of what is in this process.
pub(super) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Who makes a call.
struct Sender {
    identity: Identity,
    /// Who goes into `forwarded`.
    client: Client,
    /// Where it comes from, or where whoever it is made for is; `None`: nobody knows.
    source: Option<IpAddr>,
    /// Tells which function it is, where it is one that came by a connection.
    local: Option<Arc<Connection>>,
}

/// Whether the host names a function, whose paths are its own.
pub(super) fn is_named(edge: &Edge, host: &Host) -> bool {
    router::route(host.authority(), "/", &edge.proxy.domain).is_ok()
}

/// A call from outside or from a function here.
pub(super) async fn outside(
    edge: &Arc<Edge>,
    mut request: Request<Incoming>,
    host: &Host,
    client: SocketAddr,
    (door, info): (Door, &ConnectInfo),
) -> Result<Response<Body>, Error> {
    let on_upgrade = headers::upgrade(request.headers()).map(|_| hyper::upgrade::on(&mut request));
    let client = client.ip();
    let source = match door {
        Door::Public => origin::source(request.headers(), client, &edge.trusted),
        Door::Local | Door::Peer | Door::Metrics => client,
    };
    let sender = Sender {
        identity: match door {
            Door::Public | Door::Metrics => Identity::Anonymous,
            Door::Local => Identity::Function(None),
            Door::Peer => Identity::Sidecar(None),
        },
        client: Client {
            address: client,
            scheme: info.scheme,
        },
        source: Some(source),
        local: info.local.clone(),
    };
    route(edge, Inbound::request(request), host, sender, on_upgrade).await
}

/// A call that comes from this process, without a connection: by whom, and where that one is, if it is known.
pub(crate) async fn within(
    edge: &Arc<Edge>,
    mut request: Request<Inbound>,
    identity: Identity,
    source: Option<IpAddr>,
) -> Response<Body> {
    let sender = Sender {
        identity,
        client: Client {
            address: HERE,
            scheme: Scheme::Http,
        },
        source,
        local: None,
    };
    let answered = match host::settle(&mut request) {
        // It is a task here that reads the answer, not the connection of the caller that led to it.
        Ok(host) => watchdog::apart(route(edge, request, &host, sender, None)).await,
        Err(refused) => Err(refused),
    };
    answered.unwrap_or_else(Error::into_response)
}

async fn route(
    edge: &Arc<Edge>,
    request: Request<Inbound>,
    host: &Host,
    sender: Sender,
    on_upgrade: Option<OnUpgrade>,
) -> Result<Response<Body>, Error> {
    let arrived = clock::now();
    let (mut parts, incoming) = request.into_parts();
    // First of all: a refusal below must not be lost over a body nobody reads.
    let payload = Payload::new(incoming);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let route = router::route(host.authority(), path, &edge.proxy.domain)?;
    let (function, tagged) = find(edge, &route)?;
    let is_async = route.is_async;
    let rest = router::normalize(route.rest);
    if rest != path {
        parts.uri = rest
            .parse()
            .map_err(|_| Error::BadRequest("the path is malformed".into()))?;
    }
    let known = function.clone();
    let cors = known.config.access.cors.as_ref();
    let page = cors.and_then(|cors| Some((cors, Foreign::of(cors, &parts.headers)?)));
    let kind = cors.and_then(|_| grpc::kind(&parts.method, &parts.headers));
    if let Some((cors, page)) = &page
        && let Some(answer) =
            page.preflight(cors, &known.config.name, &parts.method, &parts.headers)
    {
        return answer;
    }
    let Sender {
        mut identity,
        client,
        source,
        local,
    } = sender;
    if let Some(local) = local.filter(|_| wants_function(&known, &parts.headers)) {
        identity = Identity::Function(Box::pin(local.function(&edge.callers)).await);
    }
    headers::set_caller_function(&mut parts.headers, &known.config.access, &identity);
    let (mut proof, mut refused) = (None, None);
    match prove::prove(&known.config, &mut parts.headers) {
        Proven::Now(proven) => proof = proven,
        Proven::ByToken(issuer) => {
            let (issuers, function) = (&edge.issuers, &known.config);
            let proving = prove::by_token(issuers, function, issuer, &mut parts.headers);
            match Box::pin(proving).await {
                Ok(proven) => proof = proven,
                Err(error) => refused = Some(error),
            }
        }
    }
    let caller = match &proof {
        Some(proof) => edge.fairness.hash_one(&*proof.key),
        None => source.map_or(0, |source| edge.turn_of(source)),
    };
    let from_outside = identity == Identity::Anonymous;
    let mut call = Call::new(function, identity, parts, payload, Caller(caller));
    (call.client, call.source, call.proof) = (Some(client), source, proof);
    (call.arrived, call.upgrade) = (arrived, on_upgrade);
    call.has_own_address = from_outside && source.is_some_and(|at| edge.is_one_caller(at));
    let admitted = match refused {
        Some(refused) => Err(edge.proxy.turn_away(&call, refused)),
        None => edge.proxy.admit(call),
    };
    let left = admitted.as_ref().ok().and_then(Admitted::left);
    let answered = match admitted {
        Err(refused) => Err(refused),
        Ok(call) if is_async => answer(&known, call, |call| Box::pin(edge.accept(call))).await,
        Ok(call) => answer(&known, call, |call| send(edge, call, tagged)).await,
    };
    let mut answered =
        answered.inspect_err(|error| known.metrics().refused(error.row().0.as_str()));
    if cors.is_some() {
        // A page has to be able to read why its call was refused, too.
        let answer = answered.unwrap_or_else(|error| error.respond(kind));
        answered = Ok(with_headers(answer, |headers| match page {
            Some((cors, page)) => page.permit(cors, headers),
            None => cors::vary(headers),
        }));
    }
    Ok(match left {
        Some(left) => with_headers(answered?, |headers| limits::show(headers, left)),
        None => answered?,
    })
}

fn with_headers(mut answer: Response<Body>, set: impl FnOnce(&mut HeaderMap)) -> Response<Body> {
    set(answer.headers_mut());
    answer
}

/// Answers a call for as long as what its caller proved holds.
async fn answer<F: Future<Output = Result<Response<Body>, Error>>>(
    function: &Function,
    call: Admitted<Call>,
    answering: impl FnOnce(Admitted<Call>) -> F,
) -> Result<Response<Body>, Error> {
    let proof = call.get().proof.clone();
    life::bound(function, proof, answering(call)).await
}

/// Whether it has to be known which function calls: the called one tells them apart, or one that is called back may.
fn wants_function(called: &Function, request: &HeaderMap) -> bool {
    called.config.access.tells_functions_apart() || request.contains_key(headers::CALLBACK_URL)
}

/// Picks the revision and waits for its answer, or for as long as the caller prefers to wait.
async fn send(
    edge: &Arc<Edge>,
    mut admitted: Admitted<Call>,
    tagged: Option<usize>,
) -> Result<Response<Body>, Error> {
    let call = admitted.get_mut();
    let index = tagged.or_else(|| pick(&call.function.config, &call.parts.headers));
    let Some(revision) = index.and_then(|index| call.function.revision(index)) else {
        let error = Error::NoRevision(call.function.config.name.clone());
        return Err(edge.proxy.turn_away(call, error));
    };
    let revision = revision.clone();
    let wishes = headers::wishes(&call.parts.headers);
    call.limit_time(revision.config.limits.timeout, wishes.timeout);
    match wishes.respond_async {
        Some(wait) => Box::pin(edge.prefer_async(&revision, admitted, wait)).await,
        None => edge.proxy.send(&revision, &mut admitted).await,
    }
}

/// The function, or the one a tag stands in front of.
fn find(edge: &Edge, route: &router::Route<'_>) -> Result<(Arc<Function>, Option<usize>), Error> {
    if let Some(function) = edge.proxy.registry.function(&route.name) {
        return Ok((function, None));
    }
    if let Some(name) = openfaas::in_our_words(&route.name)
        && let Some(function) = edge.proxy.registry.function(&name)
    {
        return Ok((function, None));
    }
    for (tag, name) in router::tag_candidates(&route.name) {
        if let Some(function) = edge.proxy.registry.function(&name)
            && let Some(index) = router::tagged_revision(&function.config, tag)
        {
            return Ok((function, Some(index)));
        }
    }
    let name = route.name.clone();
    Err(match edge.catalogue.has_catalogue() {
        true => Error::UnknownFunction(name),
        false => Error::NoCatalogue(name),
    })
}
