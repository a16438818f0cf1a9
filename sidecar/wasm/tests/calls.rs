//! Calls that go well: bodies both ways, environment, logs, reuse, and calls between functions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::atomic::Ordering;
use std::task::Poll;

use bytes::Bytes;
use gateless_wasm::{CallError, Reuse, Stream};
use http::{HeaderMap, HeaderValue, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use support::{echo_in_step, engine, get, guest, head, spec, start_with, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

#[tokio::test]
async fn request_and_environment_reach_the_guest() {
    let (engine, _) = engine();
    let instance = start_with(&engine, |_| {});
    assert_eq!(text(&instance, "/hello").await.unwrap(), "hello");
    assert_eq!(text(&instance, "/env").await.unwrap(), "COLOUR=green\n");
    let request = Request::get("/headers")
        .header("host", "somewhere")
        .header("x-colour", "blue")
        .body(Full::new(Bytes::new()));
    let response = instance.call(request.unwrap(), None).await.unwrap();
    let body = response.into_body();
    assert_eq!(
        body.size_hint().exact(),
        Some(34),
        "a finished guest's length is known"
    );
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(body, "authority=somewhere\nx-colour=blue\n"[..].as_bytes());
}

#[tokio::test]
async fn an_answer_is_taken_whole_only_when_its_guest_is_through() {
    let (engine, _) = engine();
    let instance = start_with(&engine, |_| {});
    let mut body = head(&instance, "/hello").await.unwrap().into_body();
    assert_eq!(body.take_whole().unwrap(), "hello");
    assert!(body.is_end_stream());
    let (_sender, mut going_on) = echo_in_step(&instance).await;
    assert_eq!(going_on.take_whole(), None);
    let narrow = start_with(&engine, |spec| spec.limits.response_body_bytes = 4);
    let mut body = head(&narrow, "/hello").await.unwrap().into_body();
    assert_eq!(body.take_whole(), None);
    let error = body.collect().await.unwrap_err();
    let error = error.downcast_ref::<CallError>().unwrap();
    assert_eq!(*error, CallError::ResponseTooLarge { limit: 4 });
}

#[tokio::test]
async fn bodies_stream_both_ways_with_trailers() {
    let (engine, _) = engine();
    let instance = start_with(&engine, |_| {});
    let (sender, mut body) = echo_in_step(&instance).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("3"));
    sender
        .send(Ok(Frame::trailers(trailers.clone())))
        .await
        .unwrap();
    drop(sender);
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_trailers().unwrap(), trailers);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_large_response_arrives_whole() {
    let (engine, _) = engine();
    let instance = start_with(&engine, |_| {});
    assert_eq!(
        text(&instance, "/big?3000000").await.unwrap().len(),
        3_000_000
    );
}

#[tokio::test]
async fn fresh_instances_share_nothing_and_reused_ones_go_on() {
    let (engine, _) = engine();
    let fresh = start_with(&engine, |_| {});
    let reused = start_with(&engine, |spec| {
        spec.reuse = Some(Reuse {
            max_idle: 2,
            max_requests: 3,
        });
    });
    for expected in ["1", "2", "3", "1", "2"] {
        assert_eq!(text(&fresh, "/count").await.unwrap(), "1");
        assert_eq!(text(&reused, "/count").await.unwrap(), expected);
    }
    assert_eq!(engine.stats().idle, 1);
    // Whoever traps takes its instance along.
    assert!(matches!(
        text(&reused, "/trap").await,
        Err(CallError::Trap(_))
    ));
    assert_eq!(text(&reused, "/count").await.unwrap(), "1");
    // Whoever leaves handles behind does, too, before they are many.
    text(&reused, "/leak").await.unwrap();
    assert_eq!(text(&reused, "/leak").await.unwrap(), "leaked");
    assert_eq!(text(&reused, "/count").await.unwrap(), "1");
    drop(reused);
    assert_eq!(engine.stats().idle, 0);
}

#[tokio::test]
async fn printed_lines_reach_the_sink() {
    let (engine, _) = engine();
    let (spec, printed) = spec(&guest());
    let instance = engine.start(spec).unwrap();
    text(&instance, "/lines").await.unwrap();
    let expected = [
        (Stream::Stdout, "one"),
        (Stream::Stdout, "two, and more"),
        (Stream::Stderr, "no end"),
    ];
    let expected = expected.map(|(stream, line)| (stream, line.to_owned()));
    assert_eq!(*printed.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_guest_may_go_on_after_its_response() {
    let (engine, _) = engine();
    let (mut spec, _) = spec(&guest());
    let (sender, mut receiver) = mpsc::unbounded_channel();
    spec.log = std::sync::Arc::new(move |_, line: &str| sender.send(line.to_owned()).unwrap());
    let instance = engine.start(spec).unwrap();
    assert_eq!(text(&instance, "/after").await.unwrap(), "done");
    assert_eq!(receiver.recv().await.unwrap(), "after");
}

#[tokio::test]
async fn dropping_the_body_or_the_call_ends_the_guest() {
    let (engine, _) = engine();
    let instance = start_with(&engine, |_| {});
    let mut body = head(&instance, "/endless").await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(engine.stats().calls, 1);
    drop(body);
    assert_eq!(engine.stats().calls, 0);

    let mut call = Box::pin(instance.call(get("/wait"), None));
    // A call of a function that computed for long lets others run first, and is counted at a later poll.
    let counted = std::future::poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        match engine.stats().calls {
            0 => Poll::Pending,
            calls => Poll::Ready(calls),
        }
    });
    assert_eq!(counted.await, 1);
    drop(call);
    assert_eq!(engine.stats().calls, 0);
}

#[tokio::test]
async fn functions_call_each_other_through_the_router() {
    let (engine, router) = engine();
    let instance = start_with(&engine, |_| {});
    let functions = &router.functions;
    functions
        .lock()
        .unwrap()
        .insert("other.default".to_owned(), instance.clone());
    let answer = text(&instance, "/call?other.default/big?100000")
        .await
        .unwrap();
    assert_eq!(answer.len(), "200 ".len() + 100_000);
    assert_eq!(router.routed.load(Ordering::Relaxed), 1);
    functions.lock().unwrap().clear(); // the router keeps the instance, the instance its engine
}

#[tokio::test]
async fn outside_hosts_need_an_entry_in_the_list() {
    let (engine, router) = engine();
    router.near.store(true, Ordering::Relaxed);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let read = stream.read(&mut request).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let path = format!("/call?{address}/x");
    let refused = start_with(&engine, |spec| {
        spec.allowed_hosts = vec![format!("127.0.0.1:{}", address.port() ^ 1)];
    });
    let answer = text(&refused, &path).await.unwrap();
    assert_eq!(answer, "error: ErrorCode::HttpRequestDenied");
    let allowed = start_with(&engine, |spec| {
        spec.allowed_hosts = vec![address.to_string()];
    });
    assert_eq!(text(&allowed, &path).await.unwrap(), "200 ok");
    assert!(server.await.unwrap().starts_with("GET /x HTTP/1.1\r\n"));
}

#[tokio::test]
async fn allowed_host_is_judged_by_the_address_it_means() {
    let (engine, router) = engine();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let anywhere = start_with(&engine, |spec| spec.allowed_hosts = vec!["*".to_owned()]);
    for host in ["127.0.0.1", "localhost", "127.1", "2130706433"] {
        let answer = text(&anywhere, &format!("/call?{host}:{port}/x"))
            .await
            .unwrap();
        assert_eq!(
            answer, "error: ErrorCode::DestinationIpProhibited",
            "{host}"
        );
    }
    router.near.store(true, Ordering::Relaxed);
    let asked =
        tokio::spawn(async move { text(&anywhere, &format!("/call?127.1:{port}/x")).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    stream.write_all(answer).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), "200 ok");
}
