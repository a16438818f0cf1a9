//! Bodies that come back, and what is kept of them for that.

use super::*;
use crate::endpoint::body::Body;
use futures_util::StreamExt as _;
use http_body_util::StreamBody;

/// Pieces, then trailers.
fn pieces(pieces: Vec<Vec<u8>>) -> Inbound {
    let data = pieces
        .into_iter()
        .map(|piece| Frame::data(Bytes::from(piece)));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-last", http::HeaderValue::from_static("1"));
    let frames = data.chain([Frame::trailers(trailers)]);
    let frames = frames.map(Ok::<_, Error>).collect::<Vec<_>>();
    Inbound::Boxed(Box::pin(StreamBody::new(futures_util::stream::iter(
        frames,
    ))))
}

fn room() -> AskRoom {
    Box::new(|| Some(Box::new(())))
}

/// Sends so many frames of it, then lets it go.
async fn sent(body: Inbound, frames: usize) -> Option<Inbound> {
    sent_with(room(), body, frames).await
}

async fn sent_with(ask: AskRoom, body: Inbound, frames: usize) -> Option<Inbound> {
    let (limited, _, mut lent) = Limited::lend(body, u64::MAX, None, ask);
    let mut body = Body::Limited(limited);
    for _ in 0..frames {
        // What has come back is in fewer pieces than before.
        let Some(frame) = body.frame().await else {
            break;
        };
        frame.unwrap();
    }
    drop(body);
    lent.come_back().await
}

#[tokio::test]
async fn body_comes_back_whole_however_far_it_got() {
    for frames in 0..4 {
        let mut body = pieces(vec![b"one".to_vec(), b"two".to_vec()]);
        for _ in 0..3 {
            body = sent(body, frames).await.unwrap();
        }
        let whole = body.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["x-last"], "1");
        assert_eq!(whole.to_bytes(), "onetwo");
    }
}

#[tokio::test]
async fn body_of_which_too_much_was_read_does_not_come_back() {
    let large = || pieces(vec![vec![b'x'; REPLAY], vec![b'x'; 1]]);
    assert!(sent(large(), 1).await.is_some());
    assert!(sent(large(), 2).await.is_none());
}

#[tokio::test]
async fn more_than_little_is_kept_where_there_is_room_alone() {
    let full = || -> AskRoom { Box::new(|| None) };
    let little = || pieces(vec![vec![b'x'; UNASKED / 2]; 3]);
    assert!(sent_with(full(), little(), 2).await.is_some());
    assert!(sent_with(full(), little(), 3).await.is_none());
    let large = || pieces(vec![vec![b'x'; UNASKED + 1]]);
    assert!(sent_with(full(), large(), 1).await.is_none());
    let again = sent(large(), 1).await.unwrap();
    assert!(sent_with(full(), again, 1).await.is_none());
}

#[tokio::test]
async fn what_is_kept_does_not_keep_the_buffers_that_it_was_read_into() {
    let buffer = Bytes::from(vec![b'x'; 390 << 10]);
    let frames = (0..UNASKED).map(|at| Ok::<_, Error>(Frame::data(buffer.slice(at..=at))));
    let frames = StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>()));
    let body = Inbound::Boxed(Box::pin(frames));
    let (limited, _, mut lent) = Limited::lend(body, u64::MAX, None, room());
    let mut body = Body::Limited(limited);
    for _ in 0..UNASKED {
        body.frame().await.unwrap().unwrap();
    }
    assert!(buffer.is_unique());
    drop(body);
    let whole = lent.come_back().await.unwrap().collect().await.unwrap();
    assert_eq!(whole.to_bytes(), buffer[..UNASKED]);
}

#[tokio::test]
async fn nothing_is_kept_any_more_once_there_is_an_answer() {
    let (taken, given_back) = oneshot::channel::<()>();
    let ask: AskRoom = Box::new(|| Some(Box::new(taken)));
    let first = Frame::data(Bytes::from(vec![b'x'; UNASKED + 1]));
    let frames = futures_util::stream::iter([Ok::<_, Error>(first)]);
    // A conversation, of which nothing comes for long.
    let frames = frames.chain(futures_util::stream::pending());
    let body = Inbound::Boxed(Box::pin(StreamBody::new(frames)));
    let (limited, _, lent) = Limited::lend(body, u64::MAX, None, ask);
    let mut body = Body::Limited(limited);
    body.frame().await.unwrap().unwrap();
    let reading = tokio::spawn(async move { drop(body.frame().await) });
    tokio::task::yield_now().await;
    drop(lent);
    assert!(given_back.await.is_err());
    reading.abort();
}

#[tokio::test]
async fn body_that_broke_off_does_not_come_back() {
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"half"))),
        Err("gone".into()),
    ];
    let frames = StreamBody::new(futures_util::stream::iter(frames));
    let (limited, upload, mut lent) =
        Limited::lend(Inbound::Boxed(Box::pin(frames)), 9, None, room());
    assert!(Body::Limited(limited).collect().await.is_err());
    assert_eq!(upload.cut(), Some(Cut::BrokenOff));
    assert!(lent.come_back().await.is_none());
}
