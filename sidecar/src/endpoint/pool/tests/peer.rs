//! Connections to a peer, both ends proven: used again, ended as it should be, and never to somebody else.

use std::sync::atomic::{AtomicU32, Ordering};

use gateless_identity::fixture::Cluster;
use gateless_identity::{Expect, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Arc, BodyExt as _, Error, How, LEFT_OPEN, OK, Pool, answered, post};
use crate::endpoint::body::Body;
use crate::endpoint::connector::Connector;

/// A peer that answers `each` requests on a connection and then ends it.
async fn peer(identity: Identity, each: u32) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let taken = Arc::<AtomicU32>::default();
    let counted = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (identity, counted) = (identity.clone(), counted.clone());
            tokio::spawn(async move {
                let Ok((mut stream, _)) = identity.accept(stream).await else {
                    return;
                };
                counted.fetch_add(1, Ordering::SeqCst);
                for _ in 0..each {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else {
                            return;
                        };
                        head.push(byte);
                    }
                    stream.write_all(OK).await.unwrap();
                    stream.flush().await.unwrap();
                }
                stream.shutdown().await.ok();
            });
        }
    });
    (address, taken)
}

fn pool(identity: Identity, address: String, node: &str) -> Arc<Pool> {
    let connector = Connector::Peer(identity, Expect::Node(node.to_owned()));
    Arc::new(Pool::of_peer(address, connector, Arc::new(|_| ())))
}

#[tokio::test]
async fn connection_to_a_peer_is_used_for_one_call_after_the_other() {
    let cluster = Cluster::new();
    let (address, taken) = peer(cluster.sidecar("b"), u32::MAX).await;
    let pool = pool(cluster.sidecar("a"), address, "b");
    assert_eq!(answered(&pool, &How::default()).await, "hi");
    // Long enough for it to be used again.
    tokio::time::sleep(2 * LEFT_OPEN).await;
    for _ in 0..20 {
        assert_eq!(answered(&pool, &How::default()).await, "hi");
    }
    // One for the calls, and one that it is asked over whether it is there.
    assert!(taken.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn peer_that_ends_its_connections_loses_no_call() {
    let cluster = Cluster::new();
    let (address, taken) = peer(cluster.sidecar("b"), 1).await;
    let pool = pool(cluster.sidecar("a"), address, "b");
    for _ in 0..50 {
        match pool.send_h1(post(Body::empty()), &How::default()).await {
            Ok((answer, conn)) => {
                answer.into_body().collect().await.unwrap();
                conn.finish();
            }
            Err(Error::Unprocessed(..)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(taken.load(Ordering::SeqCst) > 20);
}

#[tokio::test]
async fn somebody_else_at_a_peers_address_gets_no_byte() {
    let cluster = Cluster::new();
    for impostor in [cluster.sidecar("c"), Cluster::new().sidecar("b")] {
        let (address, _) = peer(impostor, 1).await;
        let pool = pool(cluster.sidecar("a"), address, "b");
        let sent = pool.send_h1(post(Body::empty()), &How::default()).await;
        assert!(matches!(sent, Err(Error::Unsent(..))));
    }
}
