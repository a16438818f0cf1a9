//! tonic's channels over connections whose other end proved who it is.

use std::io;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::tls::{Expect, Identity, Stream, connect_pinned};

/// Connects when first used, and again whenever it was lost, each time to who is expected.
#[must_use]
pub fn channel(endpoint: &Endpoint, identity: &Identity, expect: Expect) -> Channel {
    let identity = identity.clone();
    endpoint.connect_with_connector_lazy(service_fn(move |uri: Uri| {
        let (identity, expect) = (identity.clone(), expect.clone());
        async move {
            let stream = dial(&uri).await?;
            let connected = identity.connect(stream, &expect).await;
            wrapped(connected)
        }
    }))
}

/// To a server that is known by the fingerprint of its authority, for somebody who has no certificate.
#[must_use]
pub fn join_channel(endpoint: &Endpoint, fingerprint: &str) -> Channel {
    let fingerprint = fingerprint.to_owned();
    endpoint.connect_with_connector_lazy(service_fn(move |uri: Uri| {
        let fingerprint = fingerprint.clone();
        async move {
            let stream = dial(&uri).await?;
            wrapped(connect_pinned(stream, &fingerprint).await)
        }
    }))
}

fn wrapped(
    connected: Result<Stream<TcpStream>, crate::Error>,
) -> io::Result<TokioIo<Stream<TcpStream>>> {
    let connected = connected.map_err(|error| match error {
        crate::Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::PermissionDenied, error),
    });
    connected.map(TokioIo::new)
}

async fn dial(uri: &Uri) -> io::Result<TcpStream> {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(443);
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
