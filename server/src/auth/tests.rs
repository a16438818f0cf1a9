//! Tokens over their life: issued, checked, expired, revoked, rotated away.

use super::*;
use crate::store::MemoryStore;
use crate::store::recorded::{Changes, Recorded};

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
    Auth::open(Arc::new(MemoryStore::default())).await.unwrap()
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[tokio::test]
async fn a_token_has_the_rights_that_its_role_and_namespace_give() {
    use crate::auth::policy::Right::{self, Admin, Cluster, Deploy, Internals, Invoke, Read};
    let auth = auth().await;
    let all = [Read, Internals, Invoke, Deploy, Admin, Cluster];
    for (role, namespace, rights) in [
        (Role::Admin, "*", &all[..]),
        (Role::Admin, "default", &all[..5]),
        (Role::Deployer, "*", &all[..4]),
        (Role::Invoker, "default", &[Read, Invoke]),
        (Role::Viewer, "*", &[Read, Internals]),
    ] {
        let grant = Grant {
            namespace: namespace.into(),
            ..grant(role, 10)
        };
        let (_, info) = auth.issue(grant, NOW).await.unwrap();
        assert_eq!(Right::of(&info), rights, "{role:?} of {namespace}");
    }
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
    header.kid = Some(auth.known.ring().unwrap().current().id().to_owned());
    let key = jsonwebtoken::EncodingKey::from_secret(b"guess");
    let forged = jsonwebtoken::encode(&header, &serde_json::json!({"jti": "x"}), &key).unwrap();
    assert!(matches!(auth.check(&forged, NOW), Err(Error::Invalid(_))));
}

#[tokio::test]
async fn two_keys_are_live_and_older_ones_are_not() {
    let auth = auth().await;
    let (first, _) = auth.issue(grant(Role::Admin, 10), NOW).await.unwrap();
    auth.rotate().await.unwrap();
    let (second, _) = auth.issue(grant(Role::Admin, 10), NOW).await.unwrap();
    assert!(auth.check(&first, NOW).is_ok());
    auth.rotate().await.unwrap();
    assert!(matches!(auth.check(&first, NOW), Err(Error::Invalid(_))));
    assert!(auth.check(&second, NOW).is_ok());
}

#[tokio::test]
async fn the_first_admin_token_is_made_once_and_again_when_nobody_could_get_in() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let open = async || Auth::open(Arc::clone(&store)).await.unwrap();
    let auth = open().await;
    let (token, _) = auth.first_admin(NOW).await.unwrap().unwrap();
    assert!(auth.first_admin(NOW).await.unwrap().is_none());

    let again = open().await;
    assert!(again.first_admin(NOW).await.unwrap().is_none());
    assert!(again.check(&token, NOW).is_ok());

    let lapsed = later(i64::try_from(MAX_TTL_SECONDS).unwrap());
    assert!(again.first_admin(lapsed).await.unwrap().is_some());
    assert_eq!(again.list(lapsed).len(), 1);
}

/// As many tokens as one namespace may have, listed without being signed.
async fn fill(auth: &Auth, grant: Grant) {
    let (_, info) = auth.issue(grant, NOW).await.unwrap();
    let mut last = 0;
    for n in 1..MAX_NAMESPACE_TOKENS {
        let info = TokenInfo {
            id: format!("t{n}"),
            ..info.clone()
        };
        let value = serde_json::to_vec(&info).unwrap();
        let listed = Write::put(format!("{TOKENS}{}", info.id), value).unwrap();
        last = auth.store.write(listed).await.unwrap();
    }
    auth.known.reached(last).await.unwrap();
}

#[tokio::test]
async fn no_namespace_can_take_the_places_of_others() {
    let auth = auth().await;
    let of = |namespace: &str| Grant {
        namespace: namespace.into(),
        ..grant(Role::Viewer, 10)
    };
    fill(&auth, of("a")).await;
    let refused = auth.issue(of("a"), NOW).await.unwrap_err();
    assert!(
        matches!(&refused, Error::TooMany { of, limit: MAX_NAMESPACE_TOKENS } if of == "a"),
        "{refused}"
    );
    auth.issue(of("b"), NOW).await.unwrap();
    assert!(auth.first_admin(NOW).await.unwrap().is_some());
    // What expired leaves its place.
    auth.issue(of("a"), later(10)).await.unwrap();
    assert_eq!(auth.list(later(10)).len(), 2);
}

#[tokio::test]
async fn what_expired_is_no_change_of_whoever_asks_for_a_token() {
    let store: Arc<dyn Store> = Arc::new(Recorded::new(Arc::new(MemoryStore::default())));
    let auth = Auth::open(store).await.unwrap();
    fill(&auth, grant(Role::Viewer, 10)).await;
    let changes = Changes::default();
    let issued = changes.of(auth.issue(grant(Role::Viewer, 10), later(10)));
    let (_, info) = issued.await.unwrap();
    let changed: Vec<_> = changes
        .take()
        .into_iter()
        .map(|change| change.key)
        .collect();
    assert_eq!(changed, [format!("{TOKENS}{}", info.id)]);
    assert_eq!(auth.list(later(10)).len(), 1);
}

#[tokio::test]
async fn a_way_back_in_is_never_refused_for_a_bound() {
    let auth = auth().await;
    fill(&auth, grant(Role::Viewer, 10)).await;
    let refused = auth.first_admin(NOW).await.unwrap_err();
    assert!(matches!(refused, Error::TooMany { .. }), "{refused}");
    let token = auth.recover(NOW).await.unwrap();
    assert_eq!(auth.check(&token.0, NOW).unwrap().token.role, Role::Admin);
}

#[tokio::test]
async fn servers_on_one_store_agree_on_tokens_and_keys() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::minimal(Default::default()));
    let one = Auth::open(Arc::clone(&store)).await.unwrap();
    let other = Auth::open(Arc::clone(&store)).await.unwrap();
    let now = Timestamp::now();
    let (token, info) = one.issue(grant(Role::Viewer, 60), now).await.unwrap();
    let at = store.revision().await.unwrap();
    other.known.reached(at).await.unwrap();
    let principal = other.check(&token, now).unwrap();

    let ended = other.ended(&principal);
    one.revoke(&info.id).await.unwrap();
    assert!(matches!(ended.await, Error::Revoked));
    assert!(matches!(other.check(&token, now), Err(Error::Revoked)));

    let (token, _) = other.issue(grant(Role::Viewer, 60), now).await.unwrap();
    let principal = other.check(&token, now).unwrap();
    let ended = other.ended(&principal);
    one.rotate().await.unwrap();
    let (current, _) = one.rotate().await.unwrap();
    assert!(matches!(ended.await, Error::Invalid(_)));
    assert_eq!(other.known.ring().unwrap().current().id(), current);
}

#[tokio::test(start_paused = true)]
async fn what_a_token_began_ends_with_it() {
    let auth = auth().await;
    let now = Timestamp::now();
    let (token, _) = auth.issue(grant(Role::Viewer, 3), now).await.unwrap();
    let principal = auth.check(&token, now).unwrap();
    assert!(matches!(auth.ended(&principal).await, Error::Expired));
}

#[tokio::test]
async fn sessions_that_begin_at_once_are_bounded_like_others() {
    let auth = auth().await;
    let (token, _) = auth.issue(grant(Role::Viewer, 100), NOW).await.unwrap();
    let many = (0..3 * sessions::MAX_TOKEN_SESSIONS).map(|_| auth.begin_session(&token, NOW));
    for begun in futures_util::future::join_all(many).await {
        begun.unwrap();
    }
    let there = auth.known.sessions().len();
    assert_eq!(there, sessions::MAX_TOKEN_SESSIONS);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_as_good_as_its_token_until_it_ends() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let auth = Auth::open(Arc::clone(&store)).await.unwrap();
    let life = sessions::LIFE.as_secs();
    let (token, info) = auth
        .issue(grant(Role::Viewer, life * 2), NOW)
        .await
        .unwrap();
    let (id, principal) = auth.begin_session(&token, NOW).await.unwrap();
    assert_eq!(*principal.token, info);
    assert_eq!(
        principal.expires_at(),
        later(sessions::seconds(sessions::LIFE))
    );
    let idle = sessions::seconds(sessions::IDLE);
    assert!(auth.check_session(&id, later(idle - 1)).is_ok());
    // Another server, and this one after a restart, know of its use once it is noted.
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    let again = Auth::open(Arc::clone(&store)).await.unwrap();
    assert!(again.check_session(&id, later(2 * idle - 2)).is_ok());
    assert!(matches!(
        auth.check_session(&id, later(3 * idle)),
        Err(Error::SessionEnded)
    ));
    assert!(matches!(
        auth.check_session("guess", NOW),
        Err(Error::SessionEnded)
    ));
    let (other, _) = auth.begin_session(&token, NOW).await.unwrap();
    auth.revoke(&info.id).await.unwrap();
    assert!(matches!(
        auth.check_session(&other, NOW),
        Err(Error::Revoked)
    ));
    auth.prune(NOW).await.unwrap();
    assert!(auth.known.sessions().is_empty());
    assert!(auth.begin_session(&token, NOW).await.is_err());
}

#[tokio::test]
async fn a_tokens_last_session_ends_its_first() {
    let auth = auth().await;
    let (token, _) = auth.issue(grant(Role::Viewer, 100), NOW).await.unwrap();
    let mut ids = Vec::new();
    for second in 0..=i64::try_from(sessions::MAX_TOKEN_SESSIONS).unwrap() {
        ids.push(auth.begin_session(&token, later(second)).await.unwrap().0);
    }
    assert_eq!(auth.known.sessions().len(), sessions::MAX_TOKEN_SESSIONS);
    assert!(auth.check_session(&ids[0], later(9)).is_err());
    assert!(auth.check_session(&ids[1], later(9)).is_ok());
    auth.end_session(&ids[1]).await.unwrap();
    auth.end_session(&ids[1]).await.unwrap();
    assert!(auth.check_session(&ids[1], later(9)).is_err());
}
