//! Tokens over their life: issued, checked, expired, revoked, rotated away.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::MemoryStore;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn grant(role: Role, ttl_seconds: u64) -> Grant {
    Grant {
        namespace: "*".into(),
        role,
        ttl_seconds,
        description: String::new(),
    }
}

async fn auth() -> Auth {
    let store = Arc::new(MemoryStore::default());
    Auth::open(store, Keys::ephemeral().unwrap()).await.unwrap()
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[tokio::test]
async fn a_token_is_good_until_it_expires_or_is_revoked() {
    let auth = auth().await;
    let (token, info) = auth.issue(grant(Role::Viewer, 10), NOW).await.unwrap();
    assert_eq!(*auth.check(&token, NOW).unwrap().token, info);
    assert!(matches!(auth.check(&token, later(10)), Err(Error::Expired)));
    auth.revoke(&info.id).await.unwrap();
    assert!(matches!(auth.check(&token, NOW), Err(Error::Revoked)));
    assert!(matches!(
        auth.revoke(&info.id).await,
        Err(Error::Unknown(_))
    ));
}

#[tokio::test]
async fn an_altered_token_is_refused() {
    let auth = auth().await;
    let (token, _) = auth.issue(grant(Role::Viewer, 10), NOW).await.unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let (other, _) = auth.issue(grant(Role::Admin, 10), NOW).await.unwrap();
    let mixed = format!(
        "{}.{}.{}",
        parts[0],
        other.split('.').nth(1).unwrap(),
        parts[2]
    );
    // {"alg":"none"} and a symmetric algorithm with the right key id.
    let none = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    for bad in ["", "x", "a.b.c", &mixed, &none, &token[..token.len() - 4]] {
        assert!(
            matches!(auth.check(bad, NOW), Err(Error::Invalid(_))),
            "{bad}"
        );
    }
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(auth.keys.read().current().id().to_owned());
    let key = jsonwebtoken::EncodingKey::from_secret(b"guess");
    let forged = jsonwebtoken::encode(&header, &serde_json::json!({"jti": "x"}), &key).unwrap();
    assert!(matches!(auth.check(&forged, NOW), Err(Error::Invalid(_))));
}

#[tokio::test]
async fn two_keys_are_live_and_older_ones_are_not() {
    let auth = auth().await;
    let (first, _) = auth.issue(grant(Role::Admin, 10), NOW).await.unwrap();
    auth.rotate().unwrap();
    let (second, _) = auth.issue(grant(Role::Admin, 10), NOW).await.unwrap();
    assert!(auth.check(&first, NOW).is_ok());
    auth.rotate().unwrap();
    assert!(matches!(auth.check(&first, NOW), Err(Error::Invalid(_))));
    assert!(auth.check(&second, NOW).is_ok());
}

#[tokio::test]
async fn the_first_admin_token_is_made_once_and_again_when_nobody_could_get_in() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let dir = tempfile::tempdir().unwrap();
    let open = async || {
        let keys = Keys::open(&dir.path().join("keys")).unwrap();
        Auth::open(Arc::clone(&store), keys).await.unwrap()
    };
    let auth = open().await;
    let token = auth.first_admin(NOW).await.unwrap().unwrap();
    assert!(auth.first_admin(NOW).await.unwrap().is_none());

    let again = open().await;
    assert!(again.first_admin(NOW).await.unwrap().is_none());
    assert!(again.check(&token, NOW).is_ok());
    let path = dir.path().join("keys/signing.json");
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let lapsed = later(i64::try_from(MAX_TTL_SECONDS).unwrap());
    assert!(again.first_admin(lapsed).await.unwrap().is_some());
    assert_eq!(again.list(lapsed).len(), 1);
}
