//! {{name}}: answers every call. A function is a program that serves HTTP on $PORT.

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, Uri};

async fn answer(method: Method, uri: Uri, body: Bytes) -> String {
    let bytes = body.len();
    format!("hello from {{name}}: {method} {uri}, {bytes} bytes\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    // Listen on loopback only: calls come from the sidecar on this host.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, Router::new().fallback(answer)).await?;
    Ok(())
}
