//! The measure of the warm path: the least a reverse proxy made with hyper can do.
//!
//! `bare_proxy LISTEN UPSTREAM [own|legacy]` replaces the request's target by its path, forwards head and
//! body as they are and streams the answer back. No routing, limits, headers, metrics or
//! timeouts. Connections are reused by `own`, a stack behind a mutex (the default, as it is the
//! faster one), or by `legacy`, the client of hyper-util.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

struct Own {
    upstream: Authority,
    idle: Mutex<Vec<SendRequest<Incoming>>>,
}

enum Upstream {
    Own(Own),
    Legacy(Box<Client<HttpConnector, Incoming>>, Authority),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let listen: SocketAddr = words.next().context("LISTEN is missing")?.parse()?;
    let upstream: Authority = words.next().context("UPSTREAM is missing")?.parse()?;
    let upstream = match words.next().as_deref() {
        None | Some("own") => Upstream::Own(Own {
            upstream,
            idle: Mutex::default(),
        }),
        Some("legacy") => {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            let client = Client::builder(TokioExecutor::new()).build(connector);
            Upstream::Legacy(Box::new(client), upstream)
        }
        Some(other) => bail!("unknown pool {other}"),
    };
    let upstream = Arc::new(upstream);
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let upstream = upstream.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let upstream = upstream.clone();
                async move { upstream.forward(request).await }
            });
            let builder = hyper::server::conn::http1::Builder::new();
            builder
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

impl Upstream {
    async fn forward(&self, mut request: Request<Incoming>) -> anyhow::Result<Response<Incoming>> {
        let path = request.uri().path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        match self {
            Self::Own(own) => {
                *request.uri_mut() = Uri::from(path);
                own.send(request).await
            }
            Self::Legacy(client, upstream) => {
                let mut parts = http::uri::Parts::default();
                parts.scheme = Some(Scheme::HTTP);
                parts.authority = Some(upstream.clone());
                parts.path_and_query = Some(path);
                *request.uri_mut() = Uri::from_parts(parts)?;
                Ok(client.request(request).await?)
            }
        }
    }
}

impl Own {
    async fn send(&self, request: Request<Incoming>) -> anyhow::Result<Response<Incoming>> {
        let mut sender = match self.checkout() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let response = sender.send_request(request).await?;
        // Not ready before the body is through; checkout skips it until then.
        self.idle().push(sender);
        Ok(response)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<Incoming>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checkout(&self) -> Option<SendRequest<Incoming>> {
        let mut idle = self.idle();
        let at = idle.iter().rposition(SendRequest::is_ready)?;
        Some(idle.swap_remove(at))
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Incoming>> {
        let stream = TcpStream::connect(self.upstream.as_str()).await?;
        stream.set_nodelay(true)?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
