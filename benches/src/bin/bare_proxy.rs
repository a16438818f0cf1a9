//! The measure of the warm path: the least a reverse proxy made with hyper can do.
//!
//! `bare_proxy LISTEN UPSTREAM`: forwards every request to one upstream through hyper-util's
//! pooled client and strips nothing. No routing, limits, headers, metrics or timeouts.

use std::net::SocketAddr;

use anyhow::Context as _;
use http::Uri;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let listen: SocketAddr = args.next().context("LISTEN is missing")?.parse()?;
    let upstream = args.next().context("UPSTREAM is missing")?;
    let listener = TcpListener::bind(listen).await?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Incoming>();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        tokio::spawn(async move {
            let service = service_fn(move |mut request: hyper::Request<Incoming>| {
                let uri = Uri::builder().scheme("http").authority(upstream.as_str());
                let path = request
                    .uri()
                    .path_and_query()
                    .map_or("/", |path| path.as_str());
                let uri = uri.path_and_query(path).build();
                let client = client.clone();
                async move {
                    *request.uri_mut() = uri?;
                    Ok::<_, anyhow::Error>(client.request(request).await?)
                }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            builder
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}
