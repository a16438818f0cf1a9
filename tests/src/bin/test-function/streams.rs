//! Answers that come in parts: events, chunks, and one that breaks off.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::{Body, Query};

pub(crate) fn streamed(
    frames: impl stream::Stream<Item = Frame<Bytes>> + Send + 'static,
) -> Response<Body> {
    use futures_util::StreamExt as _;
    let frames = frames.map(Ok::<_, hyper::Error>);
    Response::new(StreamBody::new(frames).boxed_unsync())
}

pub(crate) fn events(query: &Query) -> Response<Body> {
    let (n, pause) = (query.number("n", 3), query.number("ms", 100));
    let frames = stream::unfold(0, move |at| async move {
        if at == n {
            return None;
        }
        if at > 0 {
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        let event = format!("id: {at}\ndata: event {at}\n\n");
        Some((Frame::data(Bytes::from(event)), at + 1))
    });
    let mut response = streamed(frames);
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert("content-type", kind);
    response
}

pub(crate) fn chunks(query: &Query) -> Response<Body> {
    let (n, size) = (query.number("n", 10), query.number("size", 1024));
    let chunk = Bytes::from(vec![b'x'; usize::try_from(size).unwrap()]);
    streamed(stream::iter(
        (0..n).map(move |_| Frame::data(chunk.clone())),
    ))
}

/// Begins an answer and dies.
pub(crate) fn broken() -> Response<Body> {
    let frames = stream::unfold(0, |at| async move {
        if at == 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            std::process::exit(4);
        }
        Some((Frame::data(Bytes::from_static(b"half of")), at + 1))
    });
    streamed(frames)
}
