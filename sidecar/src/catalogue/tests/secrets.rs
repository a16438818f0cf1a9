//! Secrets on a sidecar's disk and on their way to others: sealed, whoever they come from.

use futures_util::StreamExt as _;
use gateless_identity::{OpeningKey, Recipient};
use gateless_proto::v1::{GetCatalogueRequest, WatchResponse};

use super::*;
use crate::cluster::pass::PassOn;

const NAME: &str = "secrets/default/db";
const VALUE: &str = "correct horse battery staple";

fn plain() -> Change {
    let password = Secret {
        namespace: "default".into(),
        name: "db".into(),
        data: [("password".to_owned(), VALUE.into())].into(),
        generation: 1,
    };
    Change {
        name: NAME.into(),
        resource: Some(Resource {
            kind: Some(resource::Kind::Secret(password)),
            records: vec![gateless_proto::v1::Record {
                key: NAME.into(),
                value: VALUE.into(),
            }],
            ..Resource::default()
        }),
    }
}

fn has(bytes: &[u8]) -> bool {
    bytes
        .windows(VALUE.len())
        .any(|part| part == VALUE.as_bytes())
}

/// Whether anything below a folder has the value in it.
fn is_in(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => is_in(&path),
            false => has(&fs::read(path).unwrap()),
        }
    })
}

fn value(handle: &Handle) -> Option<Vec<u8>> {
    let catalogue = handle.catalogue();
    let catalogue = catalogue.borrow();
    catalogue
        .secret("default", "db", "password")
        .map(Into::into)
}

async fn until_key(seen: &mut mpsc::Receiver<WatchRequest>) -> Recipient {
    let told = until(seen, |kind| match kind {
        watch_request::Kind::Hello(hello) => Some(hello.sealing_key),
        _ => None,
    });
    Recipient::from_bytes(&told.await).unwrap()
}

#[tokio::test]
async fn what_comes_sealed_is_used_and_kept_sealed() {
    let (disk, mut seen) = Disk::new();
    let server = Server::start(&disk).await;
    let data = tempfile::tempdir().unwrap();
    let handle = start(server.address, data.path()).await;
    let key = until_key(&mut seen).await;
    let came = plain().resource.unwrap();
    let sealed = |name: &str| Change {
        name: name.into(),
        resource: Some(key.seal(name, &came).unwrap()),
    };
    let version = disk.commit(vec![sealed(NAME)]);
    until_saved(&handle, version).await;
    assert_eq!(value(&handle).as_deref(), Some(VALUE.as_bytes()));
    assert!(!is_in(data.path()));
    // What was sealed as another's is refused by its name.
    let mut moved = sealed("secrets/default/other");
    moved.name = NAME.into();
    let version = disk.commit(vec![moved]);
    let ack = until_ack(&mut seen, version).await;
    assert_eq!(ack.rejected[0].resource, NAME);
    assert_eq!(value(&handle).as_deref(), Some(VALUE.as_bytes()));
    handle.stop().await;
    drop(server);
    let handle = start(([127, 0, 0, 1], 1).into(), data.path()).await;
    assert_eq!(value(&handle).as_deref(), Some(VALUE.as_bytes()));
    handle.stop().await;
    assert!(!is_in(data.path()));
}

#[tokio::test]
async fn what_comes_plain_is_sealed_and_so_is_what_the_version_before_saved() {
    let (disk, _seen) = Disk::new();
    disk.commit(vec![change(sample("a")), plain()]);
    let server = Server::start(&disk).await;
    let data = tempfile::tempdir().unwrap();
    let handle = start(server.address, data.path()).await;
    until_saved(&handle, 1).await;
    assert_eq!(value(&handle).as_deref(), Some(VALUE.as_bytes()));
    handle.stop().await;
    drop(server);
    assert!(!is_in(data.path()));
    // As the version before wrote it.
    let (mut log, _) = LastGood::open(data.path()).unwrap();
    let snapshot = WatchResponse {
        catalogue_id: "c1".into(),
        version: 1,
        snapshot: true,
        changes: vec![change(sample("a")), plain()],
        ..WatchResponse::default()
    };
    log.rewrite(std::iter::once(Record::Changes(snapshot)))
        .unwrap();
    drop(log);
    assert!(is_in(data.path()));
    let handle = start(([127, 0, 0, 1], 1).into(), data.path()).await;
    assert_eq!(value(&handle).as_deref(), Some(VALUE.as_bytes()));
    handle.stop().await;
    assert!(!is_in(data.path()));
    assert!(has(VALUE.as_bytes()));
}

#[tokio::test]
async fn a_sidecar_that_lost_its_key_asks_for_everything() {
    let (disk, mut seen) = Disk::new();
    disk.commit(vec![plain()]);
    let server = Server::start(&disk).await;
    let data = tempfile::tempdir().unwrap();
    let handle = start(server.address, data.path()).await;
    until_saved(&handle, 1).await;
    handle.stop().await;
    fs::remove_file(data.path().join("identity/secrets-key")).unwrap();
    while seen.try_recv().is_ok() {}
    let handle = start(server.address, data.path()).await;
    assert_eq!(until_hello(&mut seen).await, (String::new(), 0));
    let mut catalogue = handle.catalogue();
    let there = catalogue.wait_for(|c| c.secret("default", "db", "password").is_some());
    guarded("the secret", there).await.unwrap();
    handle.stop().await;
}

#[tokio::test]
async fn it_is_passed_on_sealed_to_who_asks_and_plain_to_the_version_before() {
    let (disk, _seen) = Disk::new();
    disk.commit(vec![change(sample("a")), plain()]);
    let server = Server::start(&disk).await;
    let data = tempfile::tempdir().unwrap();
    let handle = start(server.address, data.path()).await;
    until_version(&handle, 1).await;
    let ask = async |sealing_key: Vec<u8>| {
        let request = GetCatalogueRequest {
            holds: None,
            sealing_key,
        };
        let parts: Vec<_> = PassOn::catalogue(&handle, &request).collect().await;
        let mut changes = parts.into_iter().flat_map(|part| part.unwrap().changes);
        changes.find(|change| change.name == NAME).unwrap()
    };
    assert_eq!(ask(Vec::new()).await, plain());
    let other = OpeningKey::generate();
    let sealed = ask(other.recipient().to_bytes()).await.resource.unwrap();
    assert!(sealed.kind.is_none() && !has(&prost::Message::encode_to_vec(&sealed)));
    let opened = other.open(NAME, &sealed).unwrap();
    assert_eq!(opened, plain().resource);
    handle.stop().await;
}

/// Of the version that kept it, and of every later one.
#[test]
fn a_secret_that_a_released_version_sealed_is_opened() {
    use prost::Message as _;
    let (key, is_to_be_made) = crate::tests::released("secrets-key");
    let (sealed, _) = crate::tests::released("sealed-secret");
    let secret = plain().resource.unwrap();
    if is_to_be_made {
        let own = OpeningKey::generate();
        let made = own.recipient().seal(NAME, &secret).unwrap();
        fs::write(&key, &*own.to_bytes()).unwrap();
        fs::write(&sealed, made.encode_to_vec()).unwrap();
    }
    let own = OpeningKey::from_bytes(&fs::read(key).unwrap()).unwrap();
    let bytes = fs::read(sealed).unwrap();
    let kept = Resource::decode(&*bytes).unwrap();
    assert_eq!(kept.encode_to_vec(), bytes);
    assert_eq!(own.open(NAME, &kept).unwrap(), Some(secret));
}
