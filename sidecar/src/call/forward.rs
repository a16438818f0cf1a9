//! One attempt: write the request for its endpoint, send it, read the answer's head.

use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, Version};

use std::future::{Future, pending, poll_fn};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use gateless_core::balancer::Outcome;
use gateless_core::config::{Limits, Protocol};
use gateless_core::hold::{Class, Origin};
use gateless_core::time::Time;

use super::answer::{Held, Tracked};
use super::broken::{Blamed, Broken};
use super::headers::Speaker;
use super::leave::Exchange;
use super::payload::{SMALL, UPLOAD_STALL};
use super::request::Call;
use super::send::{Proxy, Way, is_h2};
use super::trail::Trail;
use super::{headers, relay, upgrade};
use crate::call::error::{Error, Phase};
use crate::clock;
use crate::endpoint::alarm::Alarm;
use crate::endpoint::body::{Body, Inbound};
use crate::endpoint::patience::{Cut, Patience, Upload};
use crate::endpoint::pool::{Conn, Connected, How, Pool};
use crate::endpoint::unprocessed::Unprocessed;
use crate::runtime::{Endpoint, Lease, Relay};

/// What came of one attempt.
pub(super) enum Sent {
    /// A response head.
    Answer(Box<Answer>),
    /// The peer's gate refused: the function saw nothing.
    Refused(Lease),
    /// The connection failed; `seen` when the function may have seen the call.
    Failed {
        lease: Lease,
        seen: bool,
        /// It had served others, and may have ended just before.
        stale: bool,
        by: Blamed,
        error: String,
    },
    /// It was not processed, as its connection says; the endpoint is none the worse for it.
    Unprocessed {
        lease: Lease,
        why: Unprocessed,
        error: String,
    },
    /// The peer that was to pass it on cannot reach its host either.
    NoWay,
    /// Its host fell silent, and nobody can tell how far it came.
    Lost(Lease),
}

/// A response head and what its call still keeps.
pub(super) struct Answer {
    /// When the head came.
    pub(super) at: Time,
    response: Response<Inbound>,
    held: Held,
    upload: Option<Arc<Upload>>,
    caller_upgrade: Option<hyper::upgrade::OnUpgrade>,
}

/// Which of its times ran out for a call without an answer.
fn too_late(call: &Call, limits: &Limits) -> Error {
    let is_over = |deadline| deadline <= clock::now();
    match call.deadline.is_some_and(is_over) {
        true => Error::Deadline(Phase::Run),
        false => Error::ResponseStart(limits.response_start_timeout.unwrap_or_default()),
    }
}

/// Sends one attempt.
///
/// # Errors
/// Those that end the call: its time ran out, its body is too large or failed.
pub(super) async fn forward(
    proxy: &Proxy,
    mut lease: Lease,
    way: Way,
    (call, trail): (&mut Call, &mut Trail),
    began: Time,
) -> Result<Sent, Error> {
    let revision = lease.revision().clone();
    let limits = revision.config.limits;
    let (body, upload) = call.lend(limits.max_request_body, &proxy.bodies);
    let size = http_body::Body::size_hint(&body).exact();
    trail.bytes_in = size;
    let long = size.is_none_or(|size| size > SMALL);
    let relay = way.relay.clone();
    let mut request = write(proxy, &lease, way, call, body, began);
    let response_start = limits.response_start_timeout.map(|limit| began + limit);
    let end = response_start.into_iter().chain(call.deadline).min();
    let endpoint = lease.endpoint().clone();
    let until = call.deadline.map(|end| clock::instant(end).into_std());
    let upgrade = call.upgrade.is_some();
    let mut how = How {
        repeatable: call.is_repeatable(),
        fresh: call.was_resent(),
        permit: lease.kept(),
    };
    let mut alarm = None;
    let sent = if let (Some(permit), Endpoint::Local { pool, .. }) = (&how.permit, &*endpoint) {
        // It goes on without this call, if it has to.
        let (pool, permit) = (pool.clone(), permit.clone());
        let (request, how) = (mem::take(&mut request), mem::take(&mut how));
        let sending = Box::pin(async move { over(&pool, request, upgrade, &how).await });
        let exchange = Exchange::new(sending, permit);
        in_time(exchange, &endpoint, end, &mut alarm).await
    } else {
        let sending = send(
            &endpoint,
            relay.as_deref(),
            &mut request,
            upgrade,
            &how,
            until,
        );
        in_time(sending, &endpoint, end, &mut alarm).await
    };
    let Some(sent) = sent else {
        if lease.is_local() && is_to_blame(&limits, clock::now().since(began)) {
            lease.set_outcome(Outcome::Failed);
        }
        return Err(too_late(call, &limits));
    };
    match sent {
        Ok((response, conn)) => {
            // A server that answers before it has read a long body closes the connection
            // just after: the next call must not meet that.
            let conn = conn.map(|mut conn| {
                if long {
                    conn.only_once();
                }
                conn
            });
            if let Some(relay) = &relay
                && relay::found_no_way(&response)
            {
                proxy.no_way(&lease, relay);
                return Ok(Sent::NoWay);
            }
            Ok(answered(
                response,
                (conn, alarm),
                lease,
                upload,
                call,
                began,
            ))
        }
        // Not the endpoint's failure, however the connection says it.
        Err(_) if let Some(cut) = upload.as_deref().and_then(Upload::cut) => Err(match cut {
            Cut::BrokenOff => Error::Body("it broke off, or is malformed".to_owned()),
            Cut::TooLarge => Error::BodyTooLarge(limits.max_request_body),
            Cut::Stalled => Error::BodyStalled(UPLOAD_STALL),
        }),
        Err(broken) => broken.end(proxy, lease, relay.as_deref(), request, call),
    }
}

/// Whether an instance that said nothing for so long has failed, as a gateway's timeout is a failure for Envoy's outlier
/// detection: it had half of the time that any call may take. A caller in a hurry, and time spent in line, say nothing of
/// it. Of an instance elsewhere its own host judges.
fn is_to_blame(limits: &Limits, silent: Duration) -> bool {
    let most = limits.timeout.into_iter();
    let most = most.chain(limits.response_start_timeout).min();
    most.is_some_and(|most| silent >= most / 2)
}

fn answered(
    response: Response<Inbound>,
    (conn, alarm): (Option<Conn>, Option<Alarm>),
    mut lease: Lease,
    upload: Option<Arc<Upload>>,
    call: &mut Call,
    began: Time,
) -> Sent {
    let refused = !lease.is_local() && response.headers().contains_key(headers::REFUSED);
    if refused {
        if let Some(conn) = conn
            && http_body::Body::is_end_stream(response.body())
        {
            conn.finish();
        }
        return Sent::Refused(lease);
    }
    if !lease.is_local()
        && let Some(how) = response.headers().get(headers::FAILED)
    {
        if how == relay::LOST {
            return Sent::Lost(lease);
        }
        return Sent::Failed {
            lease,
            seen: true,
            stale: false,
            by: Blamed::Instance,
            error: "on another host".to_owned(),
        };
    }
    let at = clock::now();
    lease.endpoint().heard();
    lease.set_outcome(Outcome::Answered(at.since(began)));
    let held = Held { lease, conn, alarm };
    Sent::Answer(Box::new(Answer {
        at,
        response,
        held,
        upload,
        caller_upgrade: call.upgrade.take(),
    }))
}

/// When `end` comes; never, without one. Takes the alarm only when it is first asked: a component
/// mostly answers before.
async fn elapsed(endpoint: &Endpoint, end: Option<Time>, alarm: &mut Option<Alarm>) {
    let Some(end) = end else {
        return pending().await;
    };
    let alarm = alarm.get_or_insert_with(|| endpoint.alarms().take(clock::instant(end)));
    poll_fn(|cx| alarm.poll(cx)).await;
}

/// What comes of `sending`; `None` when `end` comes before.
async fn in_time<F: Future>(
    sending: F,
    endpoint: &Endpoint,
    end: Option<Time>,
    alarm: &mut Option<Alarm>,
) -> Option<F::Output> {
    tokio::select! {
        biased;
        sent = sending => Some(sent),
        () = elapsed(endpoint, end, alarm) => None,
    }
}

async fn send(
    endpoint: &Endpoint,
    relay: Option<&Relay>,
    request: &mut Request<Body>,
    upgrade: bool,
    how: &How,
    until: Option<std::time::Instant>,
) -> Result<(Response<Inbound>, Option<Conn>), Broken> {
    let pool = match endpoint {
        Endpoint::Local { pool, .. } => pool,
        Endpoint::Remote { pool, .. } => relay.map_or(pool, |relay| &relay.pool),
        Endpoint::Component { component, .. } => {
            let answered = component.call(request, until).await;
            return answered
                .map(|response| (response, None))
                .map_err(Broken::Component);
        }
    };
    over(pool, mem::take(request), upgrade, how).await
}

/// Over a connection of `pool`.
async fn over(
    pool: &Arc<Pool>,
    request: Request<Body>,
    upgrade: bool,
    how: &How,
) -> Result<(Response<Inbound>, Option<Conn>), Broken> {
    let sent = if upgrade {
        let sent = Box::pin(pool.send_upgrade(request, how)).await;
        sent.map(|(answer, conn)| (answer, Some(conn)))
    } else if request.version() == Version::HTTP_2 {
        let sent = Box::pin(pool.send_h2(request)).await;
        sent.map(|answer| (answer, None))
    } else {
        let sent = pool.send_h1(request, how).await;
        sent.map(|(answer, conn)| (answer, Some(conn)))
    };
    sent.map(|(answer, conn)| (Inbound::answer(answer), conn))
        .map_err(Broken::Wire)
}

/// The request as its endpoint must see it.
fn write(
    proxy: &Proxy,
    lease: &Lease,
    way: Way,
    call: &mut Call,
    body: Body,
    now: Time,
) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = call.parts.method.clone();
    *request.headers_mut() = match &**lease.endpoint() {
        // Given back if it is not run, and never sent again otherwise.
        Endpoint::Component { .. } => mem::take(&mut call.parts.headers),
        Endpoint::Local { .. } | Endpoint::Remote { .. } => call.parts.headers.clone(),
    };
    if let Some(deadline) = call.deadline {
        headers::set_time_left(request.headers_mut(), deadline.since(now));
    }
    let over_h2 = match &**lease.endpoint() {
        Endpoint::Local { .. } => {
            lease.revision().config.protocol == Protocol::H2c && call.upgrade.is_none()
        }
        Endpoint::Component { .. } => {
            if let Some(hops) = call.parts.extensions.get::<headers::Hops>() {
                request.extensions_mut().insert(*hops);
            }
            false
        }
        Endpoint::Remote { .. } => {
            add_peer_headers(proxy, lease, way, call, &mut request);
            is_h2(call.parts.version) && call.upgrade.is_none()
        }
    };
    let path = call.parts.uri.path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    if over_h2 {
        *request.version_mut() = Version::HTTP_2;
        let host = request.headers_mut().remove(header::HOST);
        let host = host
            .as_ref()
            .and_then(|host| Authority::try_from(host.as_bytes()).ok());
        let authority = host.or_else(|| match &**lease.endpoint() {
            Endpoint::Local { pool, .. } | Endpoint::Remote { pool, .. } => {
                pool.address().parse().ok()
            }
            Endpoint::Component { .. } => None,
        });
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = authority;
        uri.path_and_query = Some(path);
        *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    } else {
        *request.uri_mut() = Uri::from(path);
    }
    request
}

/// What a peer must know of a forwarded call.
fn add_peer_headers(
    proxy: &Proxy,
    lease: &Lease,
    way: Way,
    call: &Call,
    request: &mut Request<Body>,
) {
    let map = request.headers_mut();
    headers::set(map, headers::REVISION, &lease.revision().name().to_string());
    if call.class == Class::Async {
        map.insert(headers::CLASS, HeaderValue::from_static("async"));
    }
    if call.hops().0 > 0 {
        map.insert(headers::HOPS, HeaderValue::from(call.hops().0));
    }
    if let Some(permit) = way.permit {
        headers::set(map, headers::PERMIT, &permit);
    }
    if way.relay.is_some()
        && let Some(node) = lease.node()
    {
        headers::set(map, headers::RELAY_TO, node.as_str());
        headers::set(map, headers::NODE, proxy.registry.node().as_str());
    }
}

impl Answer {
    /// The response as the caller shall see it.
    pub(super) fn finish(
        self,
        call: &mut Call,
        trail: &mut Trail,
        forwarded: Time,
    ) -> Response<Body> {
        let Self {
            at,
            mut response,
            held,
            upload,
            caller_upgrade,
        } = self;
        let queued = if held.lease.is_local() {
            None // an instance has no say in this
        } else {
            trail.instance = response.headers().get(headers::INSTANCE).cloned();
            headers::number(response.headers(), &headers::QUEUE_US)
        };
        let timing = &mut trail.timing;
        let connected = response.extensions().get::<Connected>();
        timing.connect = connected.map_or(Duration::ZERO, |connected| connected.0);
        timing.answered(forwarded, at, Duration::from_micros(queued.unwrap_or(0)));
        let revision = held.lease.revision().clone();
        let limits = revision.config.limits;
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !switching {
            headers::strip_hop_by_hop(response.headers_mut());
        }
        headers::strip(response.headers_mut(), Speaker::Function);
        annotate(&mut response, call, trail, revision.label());
        if switching && let Some(caller) = caller_upgrade {
            let instance = hyper::upgrade::on(&mut response);
            let over = call.until_over();
            upgrade::join((caller, over), instance, held, limits.idle_timeout);
            return response.map(|_| Body::empty());
        }
        let (mut parts, incoming) = response.into_parts();
        parts.version = Version::HTTP_11;
        let body = match incoming {
            // Its instance is through with it: the permit goes back now.
            Inbound::Whole(bytes) => {
                held.finish();
                Body::Full(bytes)
            }
            Inbound::Wire(_) | Inbound::Boxed(_) | Inbound::Replayed(_) => {
                let deadline = call.deadline.map(clock::instant);
                let idle = limits.idle_timeout;
                let patience = Patience::new(clock::instant(at), deadline, idle, upload);
                Body::Boxed(Box::pin(Tracked::new(incoming, held, patience)))
            }
        };
        Response::from_parts(parts, body)
    }
}

fn annotate(response: &mut Response<Inbound>, call: &Call, trail: &Trail, revision: HeaderValue) {
    let (map, timing) = (response.headers_mut(), &trail.timing);
    if call.origin() == Origin::Peer {
        if let Some(instance) = trail.instance_here() {
            headers::set(map, headers::INSTANCE, instance.as_str());
        }
        let queued = (timing.queue + timing.hold).as_micros();
        headers::set(map, headers::QUEUE_US, &queued.to_string());
        return;
    }
    map.insert(headers::REVISION, revision);
    let cold = if timing.cold { "true" } else { "false" };
    map.insert(headers::COLD_START, HeaderValue::from_static(cold));
    timing.write(map);
}
