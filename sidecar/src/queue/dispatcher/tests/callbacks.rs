//! Callbacks: to receivers on loopback, which the policy here allows, and to functions.

use std::sync::Mutex;

use super::*;

/// Takes POSTs, answers them with these statuses in turn, and tells of each.
async fn receiver(statuses: &'static [u16]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for status in statuses {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            while !text.contains("\r\n\r\nmade") {
                let mut buffer = [0; 4096];
                let count = socket.read(&mut buffer).await.unwrap();
                assert!(count > 0, "cut off after {text}");
                text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
            sender.send(text).unwrap();
        }
    });
    (url, received)
}

#[tokio::test]
async fn callback_is_retried_until_it_is_taken() {
    let fixture = Fixture::memory();
    let (url, mut received) = receiver(&[503, 200]).await;
    let dispatcher = dispatch(&fixture, scripted(|_| now(reply(404, "made"))), known);
    let record = Record {
        callback: Some(format!("{url}/next")),
        ..record("a")
    };
    let id = accept(&fixture, record).await;
    let first = received.recv().await.unwrap();
    assert!(first.starts_with("POST /next HTTP/1.1\r\n"), "{first}");
    for header in [
        format!("x-call-id: {id}"),
        "x-function-name: hello.default".into(),
        "x-function-status: 404".into(),
        "x-duration-seconds: 0.0".into(),
        "x-gateless-attempt: 1".into(),
    ] {
        assert!(first.contains(&header), "{header} in {first}");
    }
    // Due again within a minute, from whenever the failure was written.
    let second = loop {
        fixture.clock.advance(Duration::from_secs(60));
        let wait = tokio::time::timeout(Duration::from_millis(50), received.recv());
        if let Ok(second) = wait.await {
            break second.unwrap();
        }
    };
    assert!(second.contains("x-gateless-attempt: 2"), "{second}");
    until(&fixture, &id, |v| {
        v.callback_state == CallbackState::Delivered
    })
    .await;
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn refused_callback_is_given_up() {
    let fixture = Fixture::memory();
    let (url, _received) = receiver(&[410]).await;
    let dispatcher = dispatch(&fixture, scripted(|_| now(reply(200, "made"))), known);
    let record = Record {
        callback: Some(url.clone() + "/cb"),
        ..record("a")
    };
    let id = accept(&fixture, record).await;
    let view = until(&fixture, &id, |v| v.callback_state == CallbackState::Failed).await;
    assert_eq!(view.callback_error, "it was answered with 410");
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn slow_host_does_not_hold_up_callbacks_to_others() {
    let fixture = Fixture::memory();
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow_url = format!("http://{}/cb", slow.local_addr().unwrap());
    let (connected, mut connections) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = slow.accept().await {
            // Kept open, and never answered.
            connected.send(socket).unwrap();
        }
    });
    let (url, mut received) = receiver(&[200]).await;
    let answers = scripted(|_| now(reply(200, "made")));
    let dispatcher = dispatch(&fixture, answers, known);
    let to = |callback: &str| Record {
        callback: Some(callback.to_owned()),
        ..record("a")
    };
    for _ in 0..40 {
        let id = accept(&fixture, to(&slow_url)).await;
        state(&fixture, &id, "succeeded").await;
    }
    for _ in 0..8 {
        connections.recv().await.unwrap();
    }
    let id = accept(&fixture, to(&format!("{url}/next"))).await;
    received.recv().await.unwrap();
    until(&fixture, &id, |v| {
        v.callback_state == CallbackState::Delivered
    })
    .await;
    assert!(connections.try_recv().is_err(), "a ninth at once");
    dispatcher.stop(Duration::ZERO).await;
}

/// Notes whose rights it is called with.
#[derive(Default)]
struct Noted(Mutex<Vec<(Principal, String)>>);

impl Functions for Noted {
    fn call(
        &self,
        principal: Principal,
        request: Request<Bytes>,
        _: Slot,
    ) -> BoxFuture<'static, Result<Answer, String>> {
        let mut noted = self.0.lock().unwrap();
        noted.push((principal, request.uri().to_string()));
        let refused = reply(403, "no").map_err(|error| error.to_string());
        Box::pin(std::future::ready(refused))
    }
}

#[tokio::test]
async fn callback_to_a_function_has_the_rights_of_whoever_made_the_call() {
    let fixture = Fixture::memory();
    let functions = Arc::<Noted>::default();
    let answers = scripted(|_| now(reply(200, "made")));
    let dispatcher = with_functions(&fixture, answers, known, functions.clone());
    let source = Some("192.0.2.1".parse().unwrap());
    let outsider = Principal {
        source,
        ..Maker::Anonymous.into()
    };
    for principal in [outsider.clone(), Maker::Function(None).into()] {
        let record = Record {
            callback: Some("/function/inner".into()),
            principal,
            ..record("a")
        };
        let id = accept(&fixture, record).await;
        let view = until(&fixture, &id, |v| v.callback_state == CallbackState::Failed).await;
        assert_eq!(view.callback_error, "it was answered with 403");
    }
    let path = || "/function/inner".to_owned();
    let expected = [(outsider, path()), (Maker::Function(None).into(), path())];
    assert_eq!(*functions.0.lock().unwrap(), expected);
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn callback_that_was_kept_before_its_address_was_refused_is_not_sent() {
    let fixture = Fixture::memory();
    let dispatcher = dispatch(&fixture, scripted(|_| now(reply(200, "made"))), known);
    let record = Record {
        callback: Some("http://127.0.0.2:1/".into()),
        ..record("a")
    };
    let id = accept(&fixture, record).await;
    let view = until(&fixture, &id, |v| !v.callback_error.is_empty()).await;
    assert!(
        view.callback_error.contains("loopback"),
        "{}",
        view.callback_error
    );
    dispatcher.stop(Duration::from_secs(9)).await;
}

/// There is no room, so often, and then there is.
struct Crowded(Mutex<u32>);

impl Functions for Crowded {
    fn call(
        &self,
        _: Principal,
        request: Request<Bytes>,
        slot: Slot,
    ) -> BoxFuture<'static, Result<Answer, String>> {
        let mut left = self.0.lock().unwrap();
        let answered = if *left > 0 {
            *left -= 1;
            Err("every instance is full".to_owned())
        } else {
            slot.found();
            assert_eq!(request.headers()["x-gateless-attempt"], "1");
            reply(200, "taken").map_err(|error| error.to_string())
        };
        Box::pin(std::future::ready(answered))
    }
}

#[tokio::test]
async fn callback_that_never_got_away_is_no_try() {
    let fixture = Fixture::memory();
    let answers = scripted(|_| now(reply(200, "made")));
    // More often than there are tries.
    let functions = Arc::new(Crowded(Mutex::new(15)));
    let dispatcher = with_functions(&fixture, answers, known, functions);
    let record = Record {
        callback: Some("/function/crowded".into()),
        ..record("a")
    };
    let id = accept(&fixture, record).await;
    until(&fixture, &id, |view| {
        fixture.clock.advance(Duration::from_secs(5));
        view.callback_state == CallbackState::Delivered
    })
    .await;
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn callback_to_a_host_that_takes_no_connection_is_tried_for_an_hour() {
    let fixture = Fixture::memory();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/cb", closed.local_addr().unwrap());
    drop(closed);
    let answers = scripted(|_| now(reply(200, "made")));
    let dispatcher = dispatch(&fixture, answers, known);
    let record = Record {
        callback: Some(url),
        ..record("a")
    };
    let id = accept(&fixture, record).await;
    let finished = state(&fixture, &id, "succeeded")
        .await
        .call
        .state
        .finished_at();
    let view = until(&fixture, &id, |view| {
        fixture.clock.advance(Duration::from_secs(30));
        view.callback_state == CallbackState::Failed
    })
    .await;
    let waited = fixture.now().since(finished.unwrap());
    assert!(waited >= Duration::from_secs(3600), "{waited:?}");
    assert!(
        view.callback_error.contains("cannot be reached"),
        "{}",
        view.callback_error
    );
    dispatcher.stop(Duration::from_secs(9)).await;
}
