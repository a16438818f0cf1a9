//! Against an issuer that is asked over real sockets, whose keys change and who falls silent.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateless_core::egress::Egress;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::edge::prove::fixture::{self, Signer};

const NOW: u64 = 1_800_000_000;

/// An issuer on loopback.
struct Served {
    address: String,
    keys: Arc<Mutex<Vec<String>>>,
    asked: Arc<AtomicUsize>,
}

impl Served {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::<Mutex<Vec<String>>>::default();
        let asked = Arc::<AtomicUsize>::default();
        let (served, counted, own) = (keys.clone(), asked.clone(), address.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                let (served, counted, own) = (served.clone(), counted.clone(), own.clone());
                tokio::spawn(async move { answer(stream, &own, &served, &counted).await });
            }
            #[expect(unreachable_code, reason = "names the error of the block")]
            io::Result::Ok(())
        });
        Self {
            address,
            keys,
            asked,
        }
    }

    fn has(&self, signers: &[&Signer]) {
        let keys = signers.iter();
        let keys = keys.map(|signer| serde_json::to_string(&signer.jwk()).unwrap());
        *self.keys.lock() = keys.collect();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// One request a connection. Without keys it fails.
async fn answer(
    mut stream: tokio::net::TcpStream,
    own: &str,
    keys: &Mutex<Vec<String>>,
    asked: &AtomicUsize,
) -> io::Result<()> {
    let mut head = [0; 1_024];
    let read = stream.read(&mut head).await?;
    let wants_keys = head[..read].starts_with(b"GET /keys ");
    let body = match wants_keys {
        false => json!({"issuer": own, "jwks_uri": format!("{own}/keys")}).to_string(),
        true => {
            asked.fetch_add(1, Ordering::SeqCst);
            format!("{{\"keys\":[{}]}}", keys.lock().join(","))
        }
    };
    let status = match keys.lock().is_empty() {
        true => "503 Service Unavailable",
        false => "200 OK",
    };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await
}

fn issuers(allowed: &str) -> Arc<Issuers> {
    let allowed = allowed.parse().unwrap();
    let outside = Outside::new(Arc::new(Egress::new(vec![allowed])), &[]);
    let (_, catalogue) = watch::channel(Arc::default());
    Arc::new(Issuers::new(&outside, catalogue))
}

fn token(signer: &Signer, issuer: &Issuer) -> String {
    signer.sign(&json!({"iss": issuer.issuer, "sub": "ann", "aud": "hello", "exp": NOW + 1}))
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_and_again_for_a_new_one() {
    let served = Served::start().await;
    let (first, second) = (Signer::new("first"), Signer::new("second"));
    served.has(&[&first]);
    let issuers = issuers("127.0.0.1");
    let issuer = Arc::new(fixture::issuer(&served.address));
    let calls = (0..20).map(|_| {
        let (issuers, issuer) = (issuers.clone(), issuer.clone());
        let token = token(&first, &issuer);
        tokio::spawn(async move { issuers.verify(&issuer, &token, NOW).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().subject, "ann");
    }
    assert_eq!(served.asked(), 1);
    // Whoever makes up a key has nobody asked for it at every call.
    served.has(&[&first, &second]);
    let rotated = token(&second, &issuer);
    for _ in 0..3 {
        let failed = issuers.verify(&issuer, &rotated, NOW).await.unwrap_err();
        assert!(
            matches!(failed, Failed::Rejected(Rejected::Signature)),
            "{failed:?}"
        );
    }
    assert_eq!(served.asked(), 1);
    // As it is when the time between two fetches is over.
    *issuers.entry(&issuer).keys.lock() = IssuerKeys::default();
    assert!(issuers.verify(&issuer, &rotated, NOW).await.is_ok());
    assert_eq!(served.asked(), 2);
}

#[tokio::test]
async fn issuer_that_fails_is_no_refusal_of_its_callers() {
    let served = Served::start().await;
    let signer = Signer::new("a");
    let issuers = issuers("127.0.0.1");
    let issuer = Arc::new(fixture::issuer(&served.address));
    let token = token(&signer, &issuer);
    let failed = issuers.verify(&issuer, &token, NOW).await.unwrap_err();
    let Failed::Unavailable { cause, wait } = failed else {
        panic!("{failed:?}");
    };
    assert!(
        cause.ends_with("answered 503 Service Unavailable"),
        "{cause}"
    );
    assert!(wait <= FETCH_EVERY && !wait.is_zero());
}

#[tokio::test]
async fn issuer_is_asked_only_where_the_egress_policy_lets() {
    let served = Served::start().await;
    let signer = Signer::new("a");
    served.has(&[&signer]);
    let issuers = issuers("10.0.0.0/8");
    let issuer = Arc::new(fixture::issuer(&served.address));
    let failed = issuers.verify(&issuer, &token(&signer, &issuer), NOW).await;
    assert!(
        matches!(failed, Err(Failed::Unavailable { .. })),
        "{failed:?}"
    );
    assert_eq!(served.asked(), 0);
}

/// Time passes at once when nothing else happens.
#[tokio::test(start_paused = true)]
async fn silent_issuer_holds_up_a_bounded_number_of_its_own_callers_for_a_bounded_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let issuers = issuers("127.0.0.1");
    let issuer = Arc::new(Issuer {
        jwks_uri: Some(url),
        ..fixture::issuer("https://silent.example")
    });
    let token = token(&Signer::new("a"), &issuer);
    let calls = (0..MAX_WAITING + 6).map(|_| {
        let (issuers, issuer, token) = (issuers.clone(), issuer.clone(), token.clone());
        tokio::spawn(async move { issuers.verify(&issuer, &token, NOW).await.unwrap_err() })
    });
    let began = clock::now();
    let (mut late, mut too_many) = (0, 0);
    for call in calls.collect::<Vec<_>>() {
        let Failed::Unavailable { cause, .. } = call.await.unwrap() else {
            panic!("it was refused");
        };
        match cause.as_str() {
            "too many calls wait for them" => too_many += 1,
            _ => late += 1,
        }
    }
    assert_eq!((late, too_many), (MAX_WAITING, 6));
    assert!(clock::now().since(began) < 2 * TIMEOUT);
}

#[test]
fn issuers_that_no_function_names_any_more_are_forgotten() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let issuers = issuers("127.0.0.1");
    for number in 0..10 * MANY {
        issuers.entry(&fixture::issuer(&format!("https://{number}.example")));
    }
    assert!(issuers.known.lock().by_name.len() <= MANY);
}
