//! Example function: answers a POST with the SHA-256 of its body, as JSON.
//!
//! The body is digested as it streams in, so its size costs no memory. All a function needs is
//! here: HTTP on `$PORT`, and finishing what is in flight on SIGTERM. Deliberately one thread:
//! another instance is the way to more.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    // What a function prints is its log: `gateless logs checksum`.
    eprintln!("digesting what is posted to port {port}");
    let mut terminate = signal(SignalKind::terminate())?;
    let (ending, ended) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                connections.spawn(serve(stream, ended.clone()));
            }
            Some(_) = connections.join_next() => {}
            _ = terminate.recv() => break,
        }
    }
    ending.send_replace(true);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// One connection until its peer closes it, or until the call in flight at SIGTERM is answered.
async fn serve(stream: TcpStream, mut ended: watch::Receiver<bool>) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
    // Small answers must not wait for an acknowledgement.
    stream.set_nodelay(true).ok();
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = async { ended.wait_for(|ended| *ended).await.is_ok() };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        _ = ended => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        eprintln!("connection ended: {error}");
    }
}

async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::POST && request.method() != Method::PUT {
        let help = "{\"usage\":\"POST bytes to get their sha256\"}\n";
        return json(StatusCode::OK, help.into());
    }
    match digest(request.into_body()).await {
        Ok((sha256, bytes)) => json(
            StatusCode::OK,
            format!("{{\"sha256\":\"{sha256}\",\"bytes\":{bytes}}}\n"),
        ),
        Err(error) => {
            eprintln!("body broke off: {error}");
            json(
                StatusCode::BAD_REQUEST,
                "{\"error\":\"body broke off\"}\n".into(),
            )
        }
    }
}

async fn digest(mut body: Incoming) -> Result<(String, u64), hyper::Error> {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            digest.update(data);
            bytes += data.len() as u64;
        }
    }
    Ok((hex::encode(digest.finalize()), bytes))
}

fn json(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, kind);
    response
}
