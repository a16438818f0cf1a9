//! One attempt: write the request for its endpoint, send it, read the answer's head.

use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, Version};

use std::future::{pending, poll_fn};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use gateless_core::balancer::Outcome;
use gateless_core::config::Protocol;
use gateless_core::hold::{Class, Origin};
use gateless_core::time::Time;

use super::answer::{Held, Tracked};
use super::payload::{Payload, SMALL, UPLOAD_STALL, Unread};
use super::request::Call;
use super::send::{Proxy, Reservation, is_h2};
use super::timing::Timing;
use super::{headers, upgrade};
use crate::call::error::{Error, Phase};
use crate::clock;
use crate::endpoint::alarm::Alarm;
use crate::endpoint::body::{Body, Inbound};
use crate::endpoint::component::Failure;
use crate::endpoint::patience::{Cut, Patience, Upload};
use crate::endpoint::pool::{self, Conn};
use crate::runtime::{Endpoint, Lease};

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
        by: Blamed,
        error: String,
    },
}

/// What broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blamed {
    /// The instance; or nothing was sent.
    Instance,
    /// The sidecar of its host, with the call on its way.
    Peer,
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

/// Cleans the head once, for every attempt.
pub(super) fn prepare(call: &mut Call, domain: &str) {
    let asked = headers::upgrade(&call.parts.headers);
    let map = &mut call.parts.headers;
    headers::strip_hop_by_hop(map);
    headers::strip_internal(map);
    if let Some(protocol) = asked.filter(|_| call.upgrade.is_some()) {
        map.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        map.insert(header::UPGRADE, protocol);
    }
    // A caller of HTTP/1.0 may name no host, and a delivery has none: the function's own.
    if map.get(header::HOST).is_none_or(HeaderValue::is_empty) {
        let name = &call.function.config.name;
        let host = format!("{}.{}.{domain}", name.name(), name.namespace());
        headers::set(map, header::HOST, &host);
    }
    if let Some(client) = call.client {
        headers::add_forwarded(map, client);
        headers::ensure_traceparent(map);
    }
}

/// Sends one attempt.
///
/// # Errors
/// Those that end the call: its time ran out, its body is too large or failed.
pub(super) async fn forward(
    proxy: &Proxy,
    lease: Lease,
    reservation: Reservation,
    call: &mut Call,
    began: Time,
) -> Result<Sent, Error> {
    let revision = lease.revision().clone();
    let limits = revision.config.limits;
    let (body, upload) = call.payload.take(limits.max_request_body);
    let size = http_body::Body::size_hint(&body).exact();
    let long = size.is_none_or(|size| size > SMALL);
    let mut request = write(proxy, &lease, reservation, call, body, began);
    let response_start = limits.response_start_timeout.map(|limit| began + limit);
    let end = response_start.into_iter().chain(call.deadline).min();
    let endpoint = lease.endpoint().clone();
    let until = call.deadline.map(|end| clock::instant(end).into_std());
    let mut alarm = None;
    let sent = tokio::select! {
        biased;
        sent = send(&endpoint, &mut request, call.upgrade.is_some(), until) => Some(sent),
        () = elapsed(&endpoint, end, &mut alarm) => None,
    };
    let Some(sent) = sent else {
        return Err(
            if call
                .deadline
                .is_some_and(|deadline| deadline <= clock::now())
            {
                Error::Deadline(Phase::Run)
            } else {
                Error::ResponseStart(limits.response_start_timeout.unwrap_or_default())
            },
        );
    };
    match sent {
        Ok((response, conn)) => {
            // A server that answers before it has read a long body closes the connection
            // just after: the next call must not meet that.
            let conn = conn.filter(|_| !long);
            Ok(answered(
                response,
                (conn, alarm),
                lease,
                upload,
                call,
                began,
            ))
        }
        Err(_) if let Some(cut) = cut(upload.as_deref()) => Err(match cut {
            Cut::TooLarge => Error::BodyTooLarge(limits.max_request_body),
            Cut::Stalled => Error::BodyStalled(UPLOAD_STALL),
        }),
        Err(Broken::Component(Failure::Busy)) => {
            let (parts, body) = request.into_parts();
            call.parts.headers = parts.headers;
            give_back(call, body);
            Ok(Sent::Refused(lease))
        }
        Err(Broken::Component(Failure::Ended(ended))) => Err(Error::Component(ended)),
        Err(Broken::Wire(pool::Error::Unsent(request, error))) => {
            give_back(call, request.into_body());
            Ok(Sent::Failed {
                lease,
                seen: false,
                by: Blamed::Instance,
                error,
            })
        }
        Err(Broken::Wire(pool::Error::Sent(error))) if error.is_user() => {
            Err(Error::Body(error.to_string()))
        }
        Err(Broken::Wire(pool::Error::Sent(error))) => Ok(Sent::Failed {
            by: match lease.is_local() {
                true => Blamed::Instance,
                false => Blamed::Peer,
            },
            lease,
            seen: true,
            error: error.to_string(),
        }),
    }
}

fn cut(upload: Option<&Upload>) -> Option<Cut> {
    upload.and_then(Upload::cut)
}

/// What was not sent was not read either, and can be sent again.
fn give_back(call: &mut Call, body: Body) {
    match body {
        Body::Full(bytes) => call.payload = Payload::Whole(bytes.unwrap_or_default()),
        Body::Limited(limited) => call.payload = Payload::Stream(Unread::new(limited.into_inner())),
        Body::Boxed(_) => {}
    }
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
            conn.reuse();
        }
        return Sent::Refused(lease);
    }
    if !lease.is_local() && response.headers().contains_key(headers::FAILED) {
        return Sent::Failed {
            lease,
            seen: true,
            by: Blamed::Instance,
            error: "on another host".to_owned(),
        };
    }
    let at = clock::now();
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

/// Why there is no answer.
enum Broken {
    Wire(pool::Error),
    Component(Failure),
}

async fn send(
    endpoint: &Endpoint,
    request: &mut Request<Body>,
    upgrade: bool,
    until: Option<std::time::Instant>,
) -> Result<(Response<Inbound>, Option<Conn>), Broken> {
    let pool = match endpoint {
        Endpoint::Local { pool, .. } | Endpoint::Remote { pool, .. } => pool,
        Endpoint::Component { component, .. } => {
            let answered = component.call(request, until).await;
            return answered
                .map(|response| (response, None))
                .map_err(Broken::Component);
        }
    };
    let request = mem::take(request);
    let sent = if upgrade {
        let sent = Box::pin(pool.send_upgrade(request)).await;
        sent.map(|answer| (answer, None))
    } else if request.version() == Version::HTTP_2 {
        let sent = Box::pin(pool.send_h2(request)).await;
        sent.map(|answer| (answer, None))
    } else {
        let sent = pool.send_h1(request).await;
        sent.map(|(answer, conn)| (answer, Some(conn)))
    };
    sent.map(|(answer, conn)| (answer.map(Inbound::Wire), conn))
        .map_err(Broken::Wire)
}

/// The request as its endpoint must see it.
fn write(
    proxy: &Proxy,
    lease: &Lease,
    reservation: Reservation,
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
        let left = deadline.since(now).as_millis();
        let left = HeaderValue::from(u64::try_from(left).unwrap_or(u64::MAX));
        request.headers_mut().insert(headers::TIMEOUT_MS, left);
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
            add_peer_headers(proxy, lease, reservation, call, &mut request);
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
    reservation: Reservation,
    call: &Call,
    request: &mut Request<Body>,
) {
    let map = request.headers_mut();
    headers::set(map, headers::CLUSTER, proxy.cluster_secret.expose());
    headers::set(map, headers::NODE, proxy.registry.node().as_str());
    headers::set(map, headers::REVISION, &lease.revision().name().to_string());
    if call.class == Class::Async {
        map.insert(headers::CLASS, HeaderValue::from_static("async"));
    }
    if call.hops().0 > 0 {
        map.insert(headers::HOPS, HeaderValue::from(call.hops().0));
    }
    if let Some(permit) = reservation.0 {
        headers::set(map, headers::PERMIT, &permit);
    }
}

impl Answer {
    /// The response as the caller shall see it.
    pub(super) fn finish(
        self,
        call: &Call,
        timing: &mut Timing,
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
            headers::number(response.headers(), &headers::QUEUE_US)
        };
        timing.answered(forwarded, at, Duration::from_micros(queued.unwrap_or(0)));
        let revision = held.lease.revision().clone();
        let limits = revision.config.limits;
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !switching {
            headers::strip_hop_by_hop(response.headers_mut());
        }
        headers::strip_internal(response.headers_mut());
        annotate(&mut response, call, timing, revision.label());
        if switching && let Some(caller) = caller_upgrade {
            let instance = hyper::upgrade::on(&mut response);
            upgrade::join(caller, instance, held, limits.idle_timeout);
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
            Inbound::Wire(_) | Inbound::Boxed(_) => {
                let deadline = call.deadline.map(clock::instant);
                let idle = limits.idle_timeout;
                let patience = Patience::new(clock::instant(at), deadline, idle, upload);
                Body::Boxed(Box::pin(Tracked::new(incoming, held, patience)))
            }
        };
        Response::from_parts(parts, body)
    }
}

fn annotate(response: &mut Response<Inbound>, call: &Call, timing: &Timing, revision: HeaderValue) {
    let map = response.headers_mut();
    if call.origin() == Origin::Peer {
        let queued = (timing.queue + timing.hold).as_micros();
        headers::set(map, headers::QUEUE_US, &queued.to_string());
        return;
    }
    map.insert(headers::REVISION, revision);
    let cold = if timing.cold { "true" } else { "false" };
    map.insert(headers::COLD_START, HeaderValue::from_static(cold));
    timing.write(map);
}
