//! The control client against a real gRPC server on loopback.

mod secrets;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::Ordering;

use gateless_proto::v1::{Change, Rejection, Secret, WatchAck, WatchRequest, watch_request};
use gateless_proto::v1::{Resource, resource};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::fake::{CLUSTER, Disk, Server};
use super::state::tests::change;
use super::*;
use crate::catalogue::config::tests::sample;

const GUARD: Duration = Duration::from_secs(60);

async fn guarded<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(GUARD, future).await;
    result.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

async fn start_with(server: SocketAddr, data: &Path, identity: Identity) -> Handle {
    let config = Config {
        server: Some(format!("https://{server}")),
        data: data.to_owned(),
        identity,
        node: NodeId::new("0000aaaa"),
        version: "0".into(),
        public_url: "http://127.0.0.1:1".into(),
        domain: "localhost".into(),
        peer_address: "127.0.0.1:2".into(),
        gossip_address: "127.0.0.1:3".into(),
        isolation: Isolation::default(),
        artifact_cache_bytes: DEFAULT_CACHE_BYTES,
    };
    spawn(config).await.unwrap()
}

async fn start(server: SocketAddr, data: &Path) -> Handle {
    start_with(server, data, CLUSTER.sidecar("0000aaaa")).await
}

async fn until_version(handle: &Handle, version: u64) -> Arc<Catalogue> {
    let mut catalogue = handle.catalogue();
    let reached = catalogue.wait_for(|c| c.version == version);
    guarded("a version", reached).await.unwrap().clone()
}

async fn until_saved(handle: &Handle, version: u64) {
    let mut saved = handle.saved_version();
    guarded("a save", saved.wait_for(|v| *v == version))
        .await
        .unwrap();
}

/// Skips requests until one that `found` accepts.
async fn until<T>(
    seen: &mut mpsc::Receiver<WatchRequest>,
    found: impl Fn(watch_request::Kind) -> Option<T>,
) -> T {
    guarded("a request", async {
        loop {
            let request = seen.recv().await.unwrap();
            if let Some(result) = request.kind.and_then(&found) {
                return result;
            }
        }
    })
    .await
}

async fn until_ack(seen: &mut mpsc::Receiver<WatchRequest>, version: u64) -> WatchAck {
    until(seen, |kind| match kind {
        watch_request::Kind::Ack(ack) if ack.version == version => Some(ack),
        _ => None,
    })
    .await
}

async fn until_hello(seen: &mut mpsc::Receiver<WatchRequest>) -> (String, u64) {
    until(seen, |kind| match kind {
        watch_request::Kind::Hello(h) => Some((h.catalogue_id, h.catalogue_version)),
        _ => None,
    })
    .await
}

fn names(catalogue: &Catalogue) -> Vec<&str> {
    catalogue.functions.keys().map(|name| name.name()).collect()
}

fn bad(name: &str) -> Change {
    let mut function = sample(name);
    function.traffic[0].percent = 1;
    change(function)
}

#[tokio::test]
async fn snapshot_and_changes_are_applied_and_acknowledged() {
    let (disk, mut seen) = Disk::new();
    let password = Secret {
        namespace: "default".into(),
        name: "db".into(),
        data: [("password".to_owned(), b"hunter2".to_vec())].into(),
        generation: 1,
    };
    let kind = Some(resource::Kind::Secret(password));
    let secret = Change {
        name: "secrets/default/db".into(),
        resource: Some(Resource {
            kind,
            ..Resource::default()
        }),
    };
    disk.commit(vec![change(sample("a")), secret]);
    let server = Server::start(&disk).await;
    let data = tempfile::tempdir().unwrap();
    let handle = start(server.address, data.path()).await;
    let catalogue = until_version(&handle, 1).await;
    assert_eq!(names(&catalogue), ["a"]);
    assert_eq!(
        catalogue.secret("default", "db", "password"),
        Some(&b"hunter2"[..])
    );
    assert_eq!(catalogue.secret("default", "db", "user"), None);
    assert_eq!(until_hello(&mut seen).await, (String::new(), 0));
    assert_eq!(until_ack(&mut seen, 1).await.rejected, []);
    let mut gone = change(sample("a"));
    gone.resource = None;
    disk.commit(vec![gone, change(sample("b"))]);
    assert_eq!(names(&*until_version(&handle, 2).await), ["b"]);
    assert_eq!(until_ack(&mut seen, 2).await.rejected, []);
    handle.stop().await;
}

#[tokio::test]
async fn bad_resource_is_reported_and_the_last_good_one_stays_also_after_a_restart() {
    let (disk, mut seen) = Disk::new();
    disk.commit(vec![change(sample("a"))]);
    let server = Server::start(&disk).await;
    let data = tempfile::tempdir().unwrap();
    let handle = start(server.address, data.path()).await;
    until_ack(&mut seen, 1).await;
    disk.commit(vec![bad("a"), change(sample("b"))]);
    let catalogue = until_version(&handle, 2).await;
    assert_eq!(names(&catalogue), ["a", "b"]);
    let rejection = Rejection {
        resource: "functions/default/a".into(),
        reason: "traffic: percentages sum to 1, not 100".into(),
    };
    assert_eq!(
        until_ack(&mut seen, 2).await.rejected,
        vec![rejection.clone()]
    );
    until_saved(&handle, 2).await;
    handle.stop().await;
    // It asks for everything, so what was refused is judged again, and said again.
    let handle = start(server.address, data.path()).await;
    assert_eq!(names(&handle.catalogue().borrow()), ["a", "b"]);
    assert_eq!(until_hello(&mut seen).await, (String::new(), 0));
    assert_eq!(until_ack(&mut seen, 2).await.rejected, [rejection]);
    disk.commit(vec![change(sample("a"))]);
    assert_eq!(until_ack(&mut seen, 3).await.rejected, []);
    handle.stop().await;
}

#[tokio::test]
async fn sidecar_starts_from_its_saved_catalogue_and_then_gets_only_the_difference() {
    let (disk, mut seen) = Disk::new();
    disk.commit(vec![change(sample("a"))]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start_at(&disk, listener.try_clone().unwrap()).await;
    let address = server.address;
    let data = tempfile::tempdir().unwrap();
    let handle = start(address, data.path()).await;
    until_saved(&handle, 1).await;
    disk.commit(vec![change(sample("b"))]);
    until_version(&handle, 2).await;
    drop(server);
    // Saves what is not saved yet.
    handle.stop().await;
    let handle = start(address, data.path()).await;
    assert_eq!(names(&handle.catalogue().borrow()), ["a", "b"]);
    assert!(!*handle.connected().borrow());
    disk.commit(vec![change(sample("c"))]);
    let _server = Server::start_at(&disk, listener).await;
    let hello = async { while until_hello(&mut seen).await != ("c1".to_owned(), 2) {} };
    guarded("a hello with what it has", hello).await;
    assert_eq!(names(&*until_version(&handle, 3).await), ["a", "b", "c"]);
    handle.stop().await;
}

#[tokio::test]
async fn damaged_or_torn_saved_catalogue_is_no_crash() {
    let (disk, mut seen) = Disk::new();
    disk.commit(vec![change(sample("a"))]);
    let server = Server::start(&disk).await;
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("catalogue");
    let handle = start(server.address, data.path()).await;
    until_saved(&handle, 1).await;
    handle.stop().await;
    let mut torn = fs::read(&path).unwrap();
    torn.extend([9, 0, 0, 0, 1, 2, 3]);
    fs::write(&path, &torn).unwrap();
    let handle = start(server.address, data.path()).await;
    assert_eq!(names(&handle.catalogue().borrow()), ["a"]);
    handle.stop().await;
    fs::write(&path, b"not a catalogue").unwrap();
    let handle = start(server.address, data.path()).await;
    assert_eq!(
        fs::read(data.path().join("catalogue.damaged")).unwrap(),
        b"not a catalogue"
    );
    assert_eq!(names(&*until_version(&handle, 1).await), ["a"]);
    until_saved(&handle, 1).await;
    handle.stop().await;
    while seen.try_recv().is_ok() {}
    let handle = start(server.address, data.path()).await;
    assert_eq!(names(&handle.catalogue().borrow()), ["a"]);
    assert_eq!(until_hello(&mut seen).await, ("c1".into(), 1));
    handle.stop().await;
}

#[tokio::test]
async fn a_strangers_catalogue_replaces_nothing_before_an_operator_says_so() {
    let (disk, mut seen) = Disk::new();
    disk.commit(vec![change(sample("a"))]);
    let server = Server::start(&disk).await;
    let data = tempfile::tempdir().unwrap();
    let handle = start(server.address, data.path()).await;
    until_hello(&mut seen).await;
    until_ack(&mut seen, 1).await;
    disk.replace("c2", vec![change(sample("z"))]);
    let refused = until_ack(&mut seen, 2).await.refused.unwrap();
    assert_eq!(refused.reason, "foreign_catalogue");
    let held = refused.holds.unwrap();
    assert_eq!((held.catalogue_id.as_str(), held.version), ("c1", 1));
    assert_eq!(names(&handle.catalogue().borrow()), ["a"]);
    assert!(handle.refused().borrow().is_some());
    // Nor after a restart, as what was saved stays as well.
    handle.stop().await;
    let handle = start(server.address, data.path()).await;
    until_ack(&mut seen, 2).await.refused.unwrap();
    assert_eq!(names(&handle.catalogue().borrow()), ["a"]);
    // What the operator says comes as a change, which does not apply; the client comes back for everything.
    while seen.try_recv().is_ok() {}
    disk.accept("c1", 1);
    let catalogue = until_version(&handle, 3).await;
    assert!(handle.refused().borrow().is_none());
    assert_eq!(
        (names(&catalogue), catalogue.id.as_str()),
        (vec!["z"], "c2")
    );
    assert_eq!(until_hello(&mut seen).await, (String::new(), 0));
    handle.stop().await;
}

#[tokio::test]
async fn latest_report_is_sent_again_when_the_server_comes_back() {
    let (disk, mut seen) = Disk::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start_at(&disk, listener.try_clone().unwrap()).await;
    let data = tempfile::tempdir().unwrap();
    let handle = start(server.address, data.path()).await;
    let held = |held| StatusReport {
        held,
        ..Default::default()
    };
    let status = |kind| match kind {
        watch_request::Kind::Status(status) => Some(status.held),
        _ => None,
    };
    handle.report(held(1));
    assert_eq!(until(&mut seen, status).await, 1);
    drop(server);
    let mut connected = handle.connected();
    guarded("the loss", connected.wait_for(|up| !up))
        .await
        .unwrap();
    handle.report(held(2));
    handle.report(held(3));
    let _server = Server::start_at(&disk, listener).await;
    assert_eq!(until(&mut seen, status).await, 3);
    handle.stop().await;
}

#[tokio::test]
async fn server_of_another_cluster_and_a_sidecar_in_its_place_are_not_believed() {
    use gateless_identity::fixture::Cluster;
    let data = tempfile::tempdir().unwrap();
    for impostor in [Cluster::new().server(), CLUSTER.sidecar("0badcafe")] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handle = start(address, data.path()).await;
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            // Whoever plays the server sees no byte of what is meant for it.
            let shaken = guarded("the handshake", impostor.accept_any(stream)).await;
            if let Ok(mut stream) = shaken {
                let mut bytes = Vec::new();
                use tokio::io::AsyncReadExt as _;
                let read = guarded("the end", stream.read_to_end(&mut bytes)).await;
                assert!(bytes.is_empty(), "{read:?}");
            }
        }
        assert!(!*handle.connected().borrow());
        handle.stop().await;
    }
}

#[tokio::test]
async fn artifact_is_fetched_once_checked_and_kept() {
    let (disk, _seen) = Disk::new();
    let bytes = b"bundle".repeat(5000);
    let sha256 = hex::encode(Sha256::digest(&bytes));
    disk.artifacts.lock().insert(sha256.clone(), bytes.clone());
    let wrong = "0".repeat(64);
    disk.artifacts.lock().insert(wrong.clone(), bytes.clone());
    let server = Server::start(&disk).await;
    let data = tempfile::tempdir().unwrap();
    let handle = start(server.address, data.path()).await;
    let all = (0..8).map(|_| handle.fetch_artifact(&sha256));
    for path in futures_util::future::join_all(all).await {
        assert_eq!(fs::read(path.unwrap()).unwrap(), bytes);
    }
    assert_eq!(disk.fetches.load(Ordering::SeqCst), 1);
    let refused = handle.fetch_artifact(&wrong).await.unwrap_err();
    assert!(matches!(refused, FetchError::Mismatch { .. }), "{refused}");
    let missing = handle.fetch_artifact(&"1".repeat(64)).await.unwrap_err();
    assert!(matches!(missing, FetchError::NotFound(_)), "{missing}");
    let nonsense = handle.fetch_artifact("../../etc/passwd").await.unwrap_err();
    assert!(matches!(nonsense, FetchError::Digest(_)), "{nonsense}");
    drop(server);
    assert!(handle.fetch_artifact(&sha256).await.is_ok());
    let away = handle.fetch_artifact(&"2".repeat(64)).await.unwrap_err();
    assert!(matches!(away, FetchError::Unavailable { .. }), "{away}");
    let files: Vec<_> = fs::read_dir(data.path().join("artifacts"))
        .unwrap()
        .collect();
    assert_eq!(files.len(), 1, "temporary files are left: {files:?}");
    handle.stop().await;
}
