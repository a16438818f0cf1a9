//! The backend every measurement calls: answers `hello` to anything on `$PORT`.
//!
//! One thread, HTTP/1.1 and h2c, keep-alive, nothing else: it must start fast and never be
//! what limits a proxy. With port 0 it takes a free one and prints its address.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port = std::env::var("PORT").context("PORT is not set")?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?));
    let listener = TcpListener::bind(address).await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let serving = async move {
            let service = service_fn(answer);
            let builder = auto::Builder::new(TokioExecutor::new());
            // A connection that breaks is the caller's business.
            builder
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        };
        tokio::spawn(serving);
    }
}

async fn answer(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(b"hello"))))
}
