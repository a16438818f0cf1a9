//! The peer door: gRPC of other sidecars and the server, and calls other sidecars forward.
//!
//! Who is at the other end, the connection has proven; what each may ask is the table here.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use gateless_core::hold::{Caller, Class};
use gateless_core::name::{NodeId, RevisionName};
use gateless_core::policy::Identity;
use gateless_identity::{Peer, Role};
use http::header::HeaderValue;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tonic::Status;

use super::{Edge, host};
use crate::call::error::{Error, Own};
use crate::call::relay::{LOST, NO_WAY};
use crate::call::{Call, Payload, grpc, headers};
use crate::clock;
use crate::endpoint::body::{Body, Inbound};

/// Whether somebody in a role may ask this of a sidecar. What nobody thought of, nobody may.
fn may(role: Role, path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    match (parts.next(), parts.next()) {
        (Some("gateless.v1.PeerService" | "gateless.v1.CopyService"), _) => role == Role::Sidecar,
        (Some("gateless.v1.SidecarAdmin"), Some(method)) => match method {
            "ShareTriggers" | "AcceptCalls" | "FindKeys" => role == Role::Sidecar,
            // What somebody asks at whichever sidecar: the status and result of a call, and which calls are on record.
            "GetCall" | "GetCallResult" | "ListRecords" => true,
            _ => role == Role::Server,
        },
        (Some(service), _) if service.starts_with("gateless.v1.") => false,
        // A call: the server makes none.
        _ => role == Role::Sidecar,
    }
}

/// A request on the peer listener: gRPC, or a call another sidecar forwards.
pub(super) async fn answer(
    edge: &Arc<Edge>,
    peer: &Peer,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let path = request.uri().path();
    let (is_grpc, may) = (path.starts_with("/gateless.v1."), may(peer.id.role, path));
    if is_grpc {
        if !may {
            let refused = Status::permission_denied(format!("{} may not ask this", peer.id));
            return refused.into_http::<tonic::body::Body>().map(Body::boxed);
        }
        request.extensions_mut().insert(Some(peer.clone()));
        return Box::pin(edge.grpc(request)).await;
    }
    if !may {
        return Error::from(Own::NotAPeer).into_response();
    }
    let node = NodeId::new(peer.id.name());
    let on_upgrade = headers::upgrade(request.headers()).map(|_| hyper::upgrade::on(&mut request));
    let kind = grpc::kind(request.method(), request.headers());
    edge.forwarded.notify_one();
    let relayed = request.headers().get(headers::RELAY_TO);
    let relayed = relayed.and_then(|node| node.to_str().ok().map(NodeId::new));
    let answered = match relayed {
        Some(to) => Box::pin(edge.proxy.relay(&to, request)).await,
        None => forwarded(edge, &node, request, on_upgrade).await,
    };
    match answered {
        Ok(response) => response,
        Err(error) => {
            // The caller's sidecar decides whether to try elsewhere.
            let yes = HeaderValue::from_static("1");
            let marker = match &error {
                Error::Gate(_) | Error::Instance { seen: false, .. } => {
                    Some((headers::REFUSED, yes))
                }
                Error::NoWay(_) => Some((headers::REFUSED, NO_WAY)),
                Error::Instance { seen: true, .. } | Error::Peer { .. } => {
                    Some((headers::FAILED, yes))
                }
                Error::HostLost(_) => Some((headers::FAILED, LOST)),
                _ => None,
            };
            let mut response = error.respond(kind);
            if let Some((name, how)) = marker {
                response.headers_mut().insert(name, how);
            }
            response
        }
    }
}

async fn forwarded(
    edge: &Arc<Edge>,
    node: &NodeId,
    request: Request<Incoming>,
    upgrade: Option<OnUpgrade>,
) -> Result<Response<Body>, Error> {
    let arrived = clock::now();
    let (mut parts, incoming) = Inbound::request(request).into_parts();
    let payload = Payload::new(incoming);
    let text = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let name: RevisionName = text(headers::REVISION)
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| Error::BadRequest("a forwarded call names its revision".into()))?;
    let holder = text(headers::NODE).map_or_else(|| node.clone(), NodeId::new);
    let class = if text(headers::CLASS) == Some("async") {
        Class::Async
    } else {
        Class::Sync
    };
    let permit = text(headers::PERMIT).map(|id| edge.reservations.take(id));
    // A permit that ran out is a refusal: the body has not been touched.
    let no_instance = || Error::Gate(gateless_core::dispatch::Refusal::NoInstance);
    let permit = match permit {
        Some(taken) => Some(taken.ok_or_else(no_instance)?),
        None => None,
    };
    let registry = &edge.proxy.registry;
    let function = registry.function(name.function()).ok_or_else(no_instance)?;
    let revision = registry.revision(&name).ok_or_else(no_instance)?;
    let wished = headers::number(&parts.headers, &headers::TIMEOUT_MS).map(Duration::from_millis);
    let hops = headers::number(&parts.headers, &headers::HOPS);
    if let Some(hops) = hops.and_then(|hops| u32::try_from(hops).ok()) {
        parts.extensions.insert(headers::Hops(hops));
    }
    let caller = Caller(edge.fairness.hash_one(node));
    let identity = Identity::Sidecar(Some(node.clone()));
    let mut call = Call::new(function, identity, parts, payload, caller);
    call.holder = Some(holder);
    (call.class, call.arrived) = (class, arrived);
    (call.upgrade, call.permit) = (upgrade, permit);
    // The caller's sidecar counts the function's own timeout, from the arrival there.
    call.limit_time(None, wished);
    call.parts.headers.remove(headers::REVISION);
    host::adopt(&mut call.parts);
    let mut admitted = edge.proxy.admit(call)?;
    edge.proxy.send(&revision, &mut admitted).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_ask_what_is_its_business_and_nobody_anything_else() {
        let both = |path: &str| (may(Role::Server, path), may(Role::Sidecar, path));
        assert_eq!(both("/gateless.v1.PeerService/Link"), (false, true));
        assert_eq!(both("/gateless.v1.PeerService/Reserve"), (false, true));
        for method in ["ShareTriggers", "AcceptCalls", "FindKeys"] {
            let path = format!("/gateless.v1.SidecarAdmin/{method}");
            assert_eq!(both(&path), (false, true), "{path}");
        }
        for method in ["GetCallResult", "ListRecords"] {
            let path = format!("/gateless.v1.SidecarAdmin/{method}");
            assert_eq!(both(&path), (true, true), "{path}");
        }
        for method in [
            "SetDraining",
            "Logs",
            "PurgeDeadLetters",
            "PurgeHistory",
            "ListCalls",
            "New",
        ] {
            let path = format!("/gateless.v1.SidecarAdmin/{method}");
            assert_eq!(both(&path), (true, false), "{path}");
        }
        // The whole catalogue, with every namespace's secrets: of the peers' service for peers, else for the server.
        for method in ["GetCatalogue", "FetchArtifact"] {
            let (admin, peer) = ("SidecarAdmin", "PeerService");
            assert_eq!(
                both(&format!("/gateless.v1.{admin}/{method}")),
                (true, false)
            );
            assert_eq!(
                both(&format!("/gateless.v1.{peer}/{method}")),
                (false, true)
            );
        }
        assert_eq!(both("/gateless.v1.Other/Method"), (false, false));
        assert_eq!(both("/function/hello"), (false, true));
    }
}
