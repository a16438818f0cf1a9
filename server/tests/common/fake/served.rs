//! A config service as the server serves it, for sidecars that a test makes.

use std::net::SocketAddr;
use std::sync::Arc;

use gateless_identity::fixture::incoming;
use gateless_identity::{Expect, channel};
use gateless_proto::v1::config_service_client::ConfigServiceClient;
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

use super::super::{Joined, Server};

/// Where a config service is, and who may speak to it.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    joined: Joined,
}

/// Serves a config service on a free port until the token is cancelled.
pub(crate) async fn serve_config(server: &Server) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = gateless_server::grpc::routes(
        Arc::clone(&server.service),
        Arc::clone(&server.identities),
        Arc::clone(&server.metrics),
        server.shutdown.clone(),
    );
    let stop = server.shutdown.clone().cancelled_owned();
    let incoming = incoming(listener, server.identities.identity().clone());
    let builder = tonic::transport::Server::builder().add_routes(routes);
    tokio::spawn(builder.serve_with_incoming_shutdown(incoming, stop));
    let joined = server.joined();
    Served { address, joined }
}

impl Served {
    /// Where it listens.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap()
    }

    /// A client of the config service for a sidecar that has joined.
    pub(crate) async fn connect(&self, node: &str) -> ConfigServiceClient<Channel> {
        let identity = self.joined.node(node).await;
        ConfigServiceClient::new(channel(&self.endpoint(), &identity, Expect::Server))
    }
}
