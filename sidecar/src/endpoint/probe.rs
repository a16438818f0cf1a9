//! One question to an instance in its own protocol, on a connection of its own: whether it answers.
//!
//! What is asked changes nothing: `OPTIONS *` is HTTP's own no-operation (RFC 9110, 9.3.7), and over h2c gRPC's health
//! check, which a server without one answers too. Deliberately no judgement on the status, no timeout and no second try.

use std::error::Error as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// Whom a function sees asking.
const USER_AGENT: &str = "gateless-probe";
/// gRPC's standard health service (`grpc/health/v1/health.proto`).
const HEALTH: &str = "/grpc.health.v1.Health/Check";
/// An uncompressed gRPC message without a field: the server as a whole is meant.
const EMPTY_MESSAGE: &[u8] = &[0; 5];

/// What is asked, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Over HTTP/2 with prior knowledge.
    pub h2c: bool,
    /// What to get; `None`: what the protocol has for it.
    pub path: Option<String>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// What came is no answer.
    #[error("{0}")]
    Hyper(#[from] hyper::Error),
    /// The path is none.
    #[error("{0}")]
    Request(#[from] http::Error),
}

impl Question {
    /// As people write it: `GET /healthz`.
    #[must_use]
    pub fn text(&self) -> String {
        match (&self.path, self.h2c) {
            (Some(path), _) => format!("GET {path}"),
            (None, false) => "OPTIONS *".to_owned(),
            (None, true) => "gRPC's health check".to_owned(),
        }
    }

    fn request(&self, address: SocketAddr) -> http::Result<Request<Full<Bytes>>> {
        let mut body = Bytes::new();
        let mut request = Request::builder().header(header::USER_AGENT, USER_AGENT);
        let path = match (&self.path, self.h2c) {
            (Some(path), _) => path.as_str(),
            (None, false) => {
                request = request.method(Method::OPTIONS);
                "*"
            }
            (None, true) => {
                body = Bytes::from_static(EMPTY_MESSAGE);
                request = request
                    .method(Method::POST)
                    .header(header::CONTENT_TYPE, "application/grpc")
                    .header(header::TE, "trailers");
                HEALTH
            }
        };
        if self.h2c {
            request = request.uri(format!("http://{address}{path}"));
        } else {
            request = request.uri(path).header(header::HOST, address.to_string());
            // It is one question: nobody keeps the connection for another.
            request = request.header(header::CONNECTION, HeaderValue::from_static("close"));
        }
        request.body(Full::new(body))
    }

    /// Asks, and says with which status it was answered. `None`: the other side reset the stream, which is an answer, too,
    /// as only who runs resets one.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(&self, address: SocketAddr) -> Result<Option<StatusCode>, Error> {
        let request = self.request(address)?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(stream);
        if self.h2c {
            let executor = TokioExecutor::new();
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(executor, stream).await?;
            let response = sender.send_request(request);
            return match answer(response, connection).await {
                Err(Error::Hyper(error)) if is_reset(&error) => Ok(None),
                answered => answered.map(Some),
            };
        }
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        let response = sender.send_request(request);
        answer(response, connection).await.map(Some)
    }
}

fn is_reset(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &h2::Error| cause.is_reset() && cause.is_remote())
}

/// Drives the connection just until there is a status.
async fn answer<B>(
    response: impl Future<Output = hyper::Result<http::Response<B>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<StatusCode, Error> {
    tokio::pin!(response);
    tokio::select! {
        biased;
        response = &mut response => Ok(response?.status()),
        ended = connection => {
            ended?;
            Ok(response.await?.status())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn server(answer: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            stream.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        (address, asked)
    }

    fn question(path: Option<&str>) -> Question {
        let path = path.map(str::to_owned);
        Question { h2c: false, path }
    }

    #[tokio::test]
    async fn any_status_is_an_answer() {
        for (path, line) in [
            (None, "OPTIONS * HTTP/1.1"),
            (Some("/up"), "GET /up HTTP/1.1"),
        ] {
            let (address, asked) = server(b"HTTP/1.1 501 No\r\ncontent-length: 0\r\n\r\n").await;
            let status = question(path).ask(address).await.unwrap();
            assert_eq!(status, Some(StatusCode::NOT_IMPLEMENTED));
            let asked = asked.await.unwrap();
            assert!(asked.starts_with(line), "{asked}");
            assert!(asked.contains("user-agent: gateless-probe"), "{asked}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_accepted_and_closed_is_none() {
        let (address, _asked) = server(b"").await;
        assert!(question(None).ask(address).await.is_err());
        // Nor is a socket behind which nobody ever reads.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let question = question(None);
        let asked = question.ask(address);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(50), asked);
        assert!(waited.await.is_err());
    }

    #[tokio::test]
    async fn a_stream_that_is_reset_was_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                assert_eq!(request.uri().path(), HEALTH);
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            }
        });
        let question = Question {
            h2c: true,
            path: None,
        };
        assert_eq!(question.ask(address).await.unwrap(), None);
    }
}
