//! Requests components make to other functions: through this sidecar's own router, in process.
//!
//! Same doors, gates and holds as any call from this host; only the socket is left out.
//! Requests to anywhere else go back to the engine, which has the function's list of hosts.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use gateless_core::authority::Authority;
use gateless_core::egress::Egress;
use gateless_core::name::FunctionName;
use gateless_core::policy::Identity;
use gateless_wasm::{Body, Caller, Outgoing, OutgoingError, Routed};
use http::{Request, Response, Uri, header};
use http_body_util::BodyExt;

use super::{Edge, route};
use crate::call::headers::{self, Speaker};
use crate::clock;
use crate::endpoint::body::Inbound;

/// Routes components' outgoing requests. Made before the edge it leads to.
pub(crate) struct Router {
    edge: OnceLock<(Weak<Edge>, String)>,
    egress: Arc<Egress>,
}

impl Router {
    /// One that lets requests out of the cluster to these addresses.
    pub(crate) fn new(egress: Arc<Egress>) -> Self {
        let edge = OnceLock::new();
        Self { edge, egress }
    }

    /// From now on requests are routed; `local` is `host:port` of the local listener.
    pub(crate) fn open(&self, edge: &Arc<Edge>, local: String) {
        // Set once, at the start.
        self.edge.set((Arc::downgrade(edge), local)).ok();
    }
}

/// Whether the authority is this sidecar's or a function's name under its domain.
fn is_ours(uri: &Uri, local: &str, domain: &str) -> bool {
    let Some(authority) = uri.authority() else {
        return false;
    };
    let under = |authority: Authority<'_>| authority.under(domain).is_some();
    uri.scheme() == Some(&http::uri::Scheme::HTTP)
        && (authority.as_str() == local
            || Authority::parse(authority.as_str().as_bytes()).is_ok_and(under))
}

impl Outgoing for Router {
    fn permits(&self, address: SocketAddr) -> bool {
        self.egress.check(address).is_ok()
    }

    fn route(&self, from: Caller, mut request: Request<Body>) -> Routed {
        let Some((edge, local)) = self.edge.get() else {
            return Routed::Outside(Box::new(request));
        };
        let Some(edge) = edge.upgrade() else {
            return Routed::Taken(Box::pin(async { Err(OutgoingError::Unavailable) }));
        };
        if !is_ours(request.uri(), local, &edge.proxy.domain) {
            return Routed::Outside(Box::new(request));
        }
        // The host is the one that is called, whatever the component says besides.
        if let Some(authority) = request.uri().authority()
            && let Ok(host) = authority.as_str().parse()
        {
            request.headers_mut().insert(header::HOST, host);
        }
        headers::strip(request.headers_mut(), Speaker::Function);
        let hops = from.extensions.get().copied();
        let headers::Hops(hops) = hops.unwrap_or_default();
        request.extensions_mut().insert(headers::Hops(hops + 1));
        if let Some(deadline) = from.deadline {
            let left = deadline.saturating_duration_since(clock::instant_now().into_std());
            let left = left.as_millis().to_string();
            headers::set(request.headers_mut(), headers::TIMEOUT_MS, &left);
        }
        let function = FunctionName::new(&from.identity.namespace, &from.identity.function).ok();
        Routed::Taken(Box::pin(async move {
            let request = request.map(|body| Inbound::Boxed(Box::pin(body)));
            let response: Response<_> = route::within(
                &edge,
                request,
                Identity::Function(function),
                Some(route::HERE),
            )
            .await;
            Ok(response.map(BodyExt::boxed_unsync))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, expected: bool) {
        let uri = uri.parse().expect("a URI");
        assert_eq!(is_ours(&uri, "127.0.0.1:7782", "gateless.local"), expected);
    }

    #[test]
    fn only_the_sidecar_and_names_under_its_domain_are_routed_here() {
        check("http://127.0.0.1:7782/function/hello", true);
        check("http://hello.default.gateless.local/", true);
        check("http://Hello.Default.Gateless.Local.:80/", true);
        check("http://127.0.0.1:7783/function/hello", false);
        check("http://evilgateless.local/", false);
        check("https://hello.default.gateless.local/", false);
        check("http://gateless.local.evil/", false);
    }
}
