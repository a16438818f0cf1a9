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
    ) -> BoxFuture<'static, Option<Answer>> {
        let mut noted = self.0.lock().unwrap();
        noted.push((principal, request.uri().to_string()));
        Box::pin(std::future::ready(reply(403, "no").ok()))
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
    for principal in [outsider.clone(), Maker::Function.into()] {
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
    let expected = [(outsider, path()), (Maker::Function.into(), path())];
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
