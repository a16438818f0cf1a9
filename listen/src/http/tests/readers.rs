//! Who reads nothing of an answer that has no end.

use super::*;

/// Answers with pieces for as long as they are taken.
async fn endless(unread: Option<Duration>) -> (SocketAddr, Arc<Connections>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bounds = Bounds {
        connections: 10,
        timeouts: short(),
        keepalive: Keepalive::default(),
    };
    let door = Door::new("test", bounds, |_| true, TaskTracker::new());
    let connections = door.connections();
    let settings = Settings {
        unread,
        ..Settings::USUAL
    };
    let serve = move |accepted| async move {
        let service = service_fn(async |_| {
            let piece = Bytes::from_static(&[b'x'; 64 << 10]);
            let pieces = futures_util::stream::repeat_with(move || {
                Ok::<_, Infallible>(Frame::data(piece.clone()))
            });
            Ok::<_, Infallible>(Response::new(http_body_util::StreamBody::new(pieces)))
        });
        let served = crate::http::serve(accepted, &settings, TokioExecutor::new(), service);
        served.await.ok();
    };
    let stop = CancellationToken::new();
    tokio::spawn(door.run(listener, Arc::new(Plain), serve, stop));
    (address, connections)
}

#[tokio::test]
async fn whoever_reads_nothing_of_an_answer_is_cut_off() {
    let unread = Duration::from_millis(300);
    for request in [GET, &[PREFACE, SETTINGS, GET_H2].concat()] {
        let (address, connections) = endless(Some(unread)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        until("it is open", || connections.open() == 1).await;
        until("it is cut off", || connections.open() == 0).await;
        // Where whoever answers sees to it, nobody else does: a reader comes back to what it left.
        let (address, connections) = endless(None).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        tokio::time::sleep(4 * unread).await;
        assert_eq!(connections.open(), 1);
        assert!(stream.read(&mut [0; 1_024]).await.unwrap() > 0);
    }
}
