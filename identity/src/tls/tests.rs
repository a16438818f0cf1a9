//! Who gets a connection and who does not, over real TLS on a pipe.

use std::time::Duration;

use gateless_common::io::unix_now;
use gateless_common::time::UnixMillis;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::fixture::{self, Cluster};
use crate::{Authority, NewKey};

const DAY: Duration = fixture::LIFE;

type Ends = (
    Result<(Stream<DuplexStream>, Peer), Error>,
    Result<Stream<DuplexStream>, Error>,
);

async fn meet(taker: &Identity, maker: &Identity, expect: Expect) -> Ends {
    let (near, far) = duplex(64 << 10);
    let making = async {
        let mut stream = maker.connect(far, &expect).await?;
        // That the other end refuses shows at the first read.
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        Ok(stream)
    };
    let taking = async {
        let mut taken = taker.accept(near).await?;
        taken.0.write_all(b"x").await?;
        taken.0.flush().await?;
        Ok(taken)
    };
    tokio::join!(taking, making)
}

fn refused<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("let in"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn both_ends_know_each_other_and_nobody_else_is_let_in() {
    let world = Cluster::new();
    let (a, b) = (world.sidecar("a"), world.sidecar("b"));
    let (taken, made) = meet(&a, &b, Expect::Node("a".into())).await;
    assert_eq!(taken.unwrap().1.id.sidecar(), Some("b"));
    assert_eq!(made.unwrap().peer().unwrap().id, a.id());
    // Whoever is there, it is not who was meant.
    let (_, made) = meet(&a, &b, Expect::Node("c".into())).await;
    assert!(refused(made).contains("/sidecar/a is not c"));
    // A sidecar that plays the server.
    let (_, made) = meet(&a, &b, Expect::Server).await;
    assert!(refused(made).contains("is not a server"));
    // One of another cluster, each way.
    let foreign = Cluster::new().sidecar("a");
    let (taken, made) = meet(&a, &foreign, Expect::Sidecar).await;
    assert!(refused(taken).contains("UnknownIssuer") || made.is_err());
    let (taken, made) = meet(&foreign, &a, Expect::Sidecar).await;
    assert!(taken.is_err() && refused(made).contains("UnknownIssuer"));
}

/// Waits until the kernel has something to read, and takes nothing of it.
async fn arrived(stream: &Stream<TcpStream>) {
    stream.get_ref().peek(&mut [0]).await.unwrap();
}

#[tokio::test]
async fn bytes_of_tls_itself_are_no_end_of_a_connection() {
    let world = Cluster::new();
    let (a, b) = (world.sidecar("a"), world.sidecar("b"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap());
    let (near, far) = tokio::join!(near, listener.accept());
    let (far, _) = far.unwrap();
    let (near, far) = tokio::join!(b.connect(near.unwrap(), &Expect::Sidecar), a.accept(far));
    let (mut near, (mut far, _)) = (near.unwrap(), far.unwrap());
    assert!(!near.has_ended());
    let TlsStream::Server(server) = &mut *far.inner else {
        panic!("not who took it");
    };
    server.get_mut().1.refresh_traffic_keys().unwrap();
    far.flush().await.unwrap();
    arrived(&near).await;
    assert!(!near.has_ended());
    // What is said is not lost to who reads later.
    far.write_all(b"more").await.unwrap();
    far.flush().await.unwrap();
    arrived(&near).await;
    assert!(!near.has_ended());
    let mut bytes = [0; 4];
    near.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"more");
    far.shutdown().await.unwrap();
    arrived(&near).await;
    assert!(near.has_ended() && near.has_ended());
}

#[tokio::test]
async fn stranger_without_a_certificate_gets_nowhere_but_to_join() {
    let world = Cluster::new();
    let server = world.server();
    let fingerprint = world.authority.fingerprint();
    let (near, far) = duplex(64 << 10);
    let (taken, made) = tokio::join!(server.accept(near), connect_pinned(far, &fingerprint));
    assert!(taken.is_err() && made.is_ok());
    let (near, far) = duplex(64 << 10);
    let (taken, made) = tokio::join!(server.accept_any(near), connect_pinned(far, &fingerprint));
    assert!(taken.unwrap().peer().is_none() && made.is_ok());
    // The token names another authority: somebody stands between.
    let other = Cluster::new().authority.fingerprint();
    let (near, far) = duplex(64 << 10);
    let (taken, made) = tokio::join!(server.accept_any(near), connect_pinned(far, &other));
    assert!(taken.is_err() && refused(made).contains("UnknownIssuer"));
    // A sidecar cannot play the server to who joins.
    let (near, far) = duplex(64 << 10);
    let sidecar = world.sidecar("a");
    let (_, made) = tokio::join!(sidecar.accept_any(near), connect_pinned(far, &fingerprint));
    assert!(made.is_err());
}

#[tokio::test(start_paused = true)]
async fn ended_certificate_is_good_for_the_grace_while_no_server_is_there() {
    let world = Cluster::new();
    let (a, late) = (world.sidecar("a"), world.made(Role::Sidecar, "b", 3 * DAY));
    let (taken, _) = meet(&a, &late, Expect::Sidecar).await;
    assert!(taken.unwrap().1.expired);
    assert_eq!(a.expired_accepted(), 1);
    // A server that has just come back renews it first.
    a.server_reachable(true);
    assert!(meet(&a, &late, Expect::Sidecar).await.0.is_ok());
    tokio::time::advance(RENEWING).await;
    let (taken, _) = meet(&a, &late, Expect::Sidecar).await;
    assert!(refused(taken).contains("Expired"));
    a.server_reachable(false);
    assert!(meet(&a, &late, Expect::Sidecar).await.0.is_ok());
    let too_late = world.made(Role::Sidecar, "c", 9 * DAY);
    let (taken, _) = meet(&a, &too_late, Expect::Sidecar).await;
    assert!(refused(taken).contains("Expired"));
    // And one whose clock is a day ahead is not believed either.
    let early = UnixMillis::from_epoch(unix_now().since_epoch() + DAY);
    let early = world.credentials(Role::Sidecar, "d", early);
    let early = Identity::new(early, Trust::read(world.signed()).unwrap()).unwrap();
    let (taken, _) = meet(&a, &early, Expect::Sidecar).await;
    assert!(refused(taken).contains("NotValidYet"));
}

#[tokio::test]
async fn revoked_sidecar_is_cut_and_stays_out_until_it_joined_again() {
    let mut world = Cluster::new();
    let (a, b) = (world.sidecar("a"), world.sidecar("b"));
    let (taken, made) = meet(&a, &b, Expect::Sidecar).await;
    let ((mut taken, _), mut made) = (taken.unwrap(), made.unwrap());
    let old = world.signed();
    world.revoke("b");
    let mut byte = [0];
    let (read, learnt) = tokio::join!(taken.read(&mut byte), async { a.learn(world.signed()) });
    assert!(learnt.unwrap() && read.is_err());
    assert!(taken.write(b"x").await.is_err());
    drop(taken);
    assert!(made.read_exact(&mut byte).await.is_err());
    let (taken, _) = meet(&a, &b, Expect::Sidecar).await;
    assert!(refused(taken).contains("Revoked"));
    // Its past brings nobody back, nor does somebody else's word.
    assert!(!a.learn(old).unwrap());
    let mut forged = Cluster::new();
    forged.version = 99;
    assert!(a.learn(forged.signed()).is_err());
    let mut altered = world.signed();
    altered.trust = Cluster::new().signed().trust;
    assert!(a.learn(altered).is_err());
    // A certificate issued after that is good again.
    let again = UnixMillis(unix_now().0 + 1);
    b.renewed(world.credentials(Role::Sidecar, "b", again));
    assert!(meet(&a, &b, Expect::Sidecar).await.0.is_ok());
}

#[tokio::test]
async fn connection_to_a_server_that_began_with_an_old_certificate_ends_with_the_next_one() {
    let world = Cluster::new();
    let (server, late) = (world.server(), world.made(Role::Sidecar, "b", 2 * DAY));
    let fresh = world.sidecar("c");
    let (old, made) = meet(&server, &late, Expect::Server).await;
    let ((mut old, peer), mut made) = (old.unwrap(), made.unwrap());
    assert!(peer.expired);
    let (_stays, mut stays) = meet(&server, &fresh, Expect::Server).await;
    late.renewed(world.credentials(Role::Sidecar, "b", unix_now()));
    fresh.renewed(world.credentials(Role::Sidecar, "c", unix_now()));
    assert!(made.write(b"x").await.is_err());
    drop(made);
    assert!(!matches!(old.read(&mut [0]).await, Ok(1..)));
    assert!(stays.as_mut().unwrap().write(b"x").await.is_ok());
    let (again, _) = meet(&server, &late, Expect::Server).await;
    assert!(!again.unwrap().1.expired);
}

#[tokio::test]
async fn who_knows_the_old_authority_or_the_new_one_believes_both_during_a_rotation() {
    let mut world = Cluster::new();
    let (old, pinned) = (world.sidecar("a"), world.authority.fingerprint());
    world.authority = world.authority.rotated(unix_now()).unwrap();
    world.version += 1;
    assert!(world.authority.rotated(unix_now()).is_err());
    // As after a restart of the server.
    let kept = world.authority.to_bytes().unwrap();
    world.authority = Authority::from_bytes(&kept).unwrap();
    let new = world.sidecar("b");
    // a has not heard of the rotation yet.
    assert!(meet(&old, &new, Expect::Sidecar).await.0.is_ok());
    assert!(meet(&new, &old, Expect::Sidecar).await.0.is_ok());
    // A token made before it still proves the server.
    let server = world.server();
    let (near, far) = duplex(64 << 10);
    let (taken, made) = tokio::join!(server.accept_any(near), connect_pinned(far, &pinned));
    assert!(taken.is_ok() && made.is_ok());
    assert_ne!(pinned, world.authority.fingerprint());
    assert!(!old.is_of_old_authority());
    assert!(old.learn(world.signed()).unwrap());
    assert!(old.is_of_old_authority());
    old.renewed(world.credentials(Role::Sidecar, "a", unix_now()));
    assert!(!old.is_of_old_authority());
    // Once the old one is retired, what it issued is good for nothing.
    world.authority = world.authority.retired().unwrap();
    world.version += 1;
    assert!(old.learn(world.signed()).unwrap() && new.learn(world.signed()).unwrap());
    assert!(meet(&old, &new, Expect::Sidecar).await.0.is_ok());
}

#[tokio::test]
async fn what_is_saved_is_what_is_loaded() {
    let world = Cluster::new();
    let data = tempfile::tempdir().unwrap();
    let folder = crate::Folder::new(data.path());
    assert!(folder.load().unwrap().is_none());
    let credentials = world.credentials(Role::Sidecar, "a", unix_now());
    let trust = Trust::read(world.signed()).unwrap();
    folder.save(&credentials, &trust).unwrap();
    let (again, trusted) = folder.load().unwrap().unwrap();
    assert_eq!(
        (again.id.clone(), again.issued),
        (credentials.id, credentials.issued)
    );
    assert_eq!(trusted.signed(), trust.signed());
    assert!(again.expires.since(again.issued) >= DAY - Duration::from_secs(1));
    assert!(again.renew_at() < again.expires);
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("identity.json"), mode("trust")), (0o600, 0o600));
    // A key of somebody else under the certificate.
    let other = NewKey::generate().unwrap();
    assert!(
        other
            .certified(again.chain().map(<[u8]>::to_vec).collect())
            .is_err()
    );
}
