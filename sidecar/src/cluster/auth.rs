//! How gRPC calls show the cluster secret to peers and the server, and how it is asked of them.
//!
//! Which texts are a secret, and how two are compared, is the ground's.

pub use gateless_common::secret::ClusterSecret;
use gateless_common::secret::HEADER;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

/// Adds the secret to outgoing gRPC calls.
#[derive(Clone)]
pub struct Attach {
    key: &'static str,
    value: Option<MetadataValue<Ascii>>,
}

impl Attach {
    #[must_use]
    pub fn to_sidecar(secret: &ClusterSecret) -> Self {
        Self::new(HEADER, secret.expose().to_owned())
    }

    /// Towards the server: `authorization: Bearer`.
    #[must_use]
    pub fn to_server(secret: &ClusterSecret) -> Self {
        Self::new("authorization", format!("Bearer {}", secret.expose()))
    }

    fn new(key: &'static str, text: String) -> Self {
        // Visible ASCII was checked when the secret was made, so this does not fail.
        let mut value = MetadataValue::try_from(text).ok();
        if let Some(value) = &mut value {
            value.set_sensitive(true);
        }
        Self { key, value }
    }
}

impl Interceptor for Attach {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.value {
            request.metadata_mut().insert(self.key, value.clone());
        }
        Ok(request)
    }
}

/// Refuses incoming gRPC calls without the secret.
#[derive(Clone)]
pub struct Check(ClusterSecret);

impl Check {
    /// Server side of `PeerService` and `SidecarAdmin`: `service` behind the check.
    pub fn guard<S>(secret: &ClusterSecret, service: S) -> InterceptedService<S, Self> {
        InterceptedService::new(service, Self(secret.clone()))
    }
}

impl Interceptor for Check {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        match request.metadata().get(HEADER) {
            Some(value) if self.0.matches(value.as_bytes()) => Ok(request),
            Some(_) => Err(Status::unauthenticated(
                "the cluster secret is a different one",
            )),
            None => Err(Status::unauthenticated(
                "metadata x-gateless-cluster with the cluster secret is missing",
            )),
        }
    }
}
