//! Certificates that change while calls are made.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gateless_tests::{eventually, wait::when};

use crate::fixture::{Authority, Up};
use crate::wire::{Asks, connect, shown};

/// As a file has a key, and it is none.
const NO_KEY: &str = concat!(
    "-----BEGIN ",
    "PRIVATE KEY-----\nbm8ga2V5\n-----END ",
    "PRIVATE KEY-----\n"
);

/// Calls that are made one after the other until they are stopped: how many, and which were lost.
struct Calls {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Calls {
    fn start(up: &Up) -> Self {
        let mut calls = Self {
            stop: Arc::default(),
            made: Arc::default(),
            tasks: Vec::new(),
        };
        // Over connections that stay, of both protocols, and over a new one each.
        let clients = [
            up.client_of_http1(),
            up.client(),
            up.client_of_http1().pool_max_idle_per_host(0),
            up.client().pool_max_idle_per_host(0),
        ];
        for client in clients {
            let caller = up.calls_by(client);
            let (stop, made) = (calls.stop.clone(), calls.made.clone());
            calls.tasks.push(tokio::spawn(async move {
                let mut lost = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let url = format!("{}/function/app/echo", caller.base);
                    // Never sent twice, so nothing hides a loss.
                    match caller.client.post(url).body("x").send().await {
                        Ok(answer) if answer.status() == 200 => {}
                        Ok(answer) => lost.push(answer.status().to_string()),
                        Err(error) => lost.push(format!("{error:?}")),
                    }
                    made.fetch_add(1, Ordering::Relaxed);
                }
                lost
            }));
        }
        calls
    }

    /// Waits for some more of them.
    async fn more(&self) {
        let before = self.made.load(Ordering::Relaxed);
        eventually("more calls are made", async || {
            let made = self.made.load(Ordering::Relaxed);
            when(made >= before + 40, made)
        })
        .await;
    }

    async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut lost = Vec::new();
        for task in self.tasks {
            lost.extend(task.await.unwrap());
        }
        lost
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_certificate_is_taken_without_a_call_lost() {
    let up = Up::start(&[]);
    up.deploy("app").await;
    let stays = connect(&up, "public_tls", &Asks::default()).await.unwrap();
    let calls = Calls::start(&up);
    calls.more().await;
    let mut before = shown(&stays);
    for _ in 0..3 {
        let renewed = up.authority.issue(&["localhost", "127.0.0.1"]);
        assert!(renewed.der != before);
        renewed.write(&up.certificates(), "default");
        for listener in ["public_tls", "api_tls"] {
            eventually("the renewed one is shown", async || {
                let stream = connect(&up, listener, &Asks::default()).await.unwrap();
                let shown = shown(&stream);
                when(shown == renewed.der, "another")
            })
            .await;
        }
        calls.more().await;
        before = renewed.der;
    }
    let lost = calls.stop().await;
    assert!(lost.is_empty(), "{lost:?}");
    drop(stays);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_good_is_refused_and_the_last_good_one_stays() {
    let up = Up::start(&[]);
    up.deploy("app").await;
    let folder = up.certificates();
    let see = async || shown(&connect(&up, "public_tls", &Asks::default()).await.unwrap());
    let refused = async |expected: u32| {
        let line =
            format!("gateless_tls_certificate_refused{{certificate=\"default\"}} {expected}");
        eventually(&line, async || {
            let metrics = up.metrics().await;
            when(metrics.contains(&line), metrics)
        })
        .await;
    };
    let first = see().await;
    refused(0).await;
    let calls = Calls::start(&up);
    let good = fs::read_to_string(folder.join("default.crt")).unwrap();
    let key = fs::read_to_string(folder.join("default.key")).unwrap();
    let other = Authority::new().issue(&["localhost"]);
    for broken in [
        &other.chain,
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &key,
    ] {
        fs::write(folder.join("default.crt"), broken).unwrap();
        refused(1).await;
        assert_eq!(see().await, first);
        calls.more().await;
        fs::write(folder.join("default.crt"), &good).unwrap();
        refused(0).await;
    }
    for broken in [&other.key, "", NO_KEY] {
        fs::write(folder.join("default.key"), broken).unwrap();
        refused(1).await;
        assert_eq!(see().await, first);
        fs::write(folder.join("default.key"), &key).unwrap();
        refused(0).await;
    }
    fs::remove_file(folder.join("default.key")).unwrap();
    refused(1).await;
    assert_eq!(see().await, first);
    let lost = calls.stop().await;
    assert!(lost.is_empty(), "{lost:?}");
    let log = up.log();
    assert!(log.contains("certificate refused"), "{log}");
    assert!(
        log.contains("the key is not that of the first certificate"),
        "{log}"
    );
    let secret = |line: &&str| line.len() > 20 && !line.contains("-----");
    for line in key.lines().chain(other.key.lines()).filter(secret) {
        assert!(!log.contains(line), "a key is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_that_everybody_may_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let up = Up::start(&[]);
    assert!(!up.log().contains("chmod 600"), "it is 0600");
    let open = up.authority.issue(&["open.example"]);
    open.write(&up.certificates(), "open");
    let key = up.certificates().join("open.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    up.authority
        .issue(&["open.example"])
        .write(&up.certificates(), "open");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    eventually("it is said", async || {
        // Read anew whenever something changes.
        let renewed = up.authority.issue(&["open.example"]);
        fs::write(up.certificates().join("open.key"), &renewed.key).unwrap();
        fs::write(up.certificates().join("open.crt"), &renewed.chain).unwrap();
        let log = up.log();
        when(log.contains("chmod 600"), log)
    })
    .await;
}
