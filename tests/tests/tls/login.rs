//! Whom the command line believes, and what it sends to whom it does not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use gateless_tests::process::gateless_bin;
use gateless_tests::{eventually, wait::when};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use crate::fixture::{Authority, Up};
use crate::wire::{Asks, connect, shown};

/// A command line with a configuration of its own.
struct Line<'a> {
    up: &'a Up,
    config: PathBuf,
}

impl<'a> Line<'a> {
    fn new(up: &'a Up, name: &str) -> Self {
        let config = up.folder.path().join(name).join("config.toml");
        Self { up, config }
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(gateless_bin());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GATELESS_") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .env("GATELESS_CONFIG", &self.config)
            .env("HOME", self.up.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The problem it ends with.
    fn fails(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["-o", "json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success(), "{args:?}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn works(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = (output.stdout, output.stderr);
        let text = String::from_utf8_lossy(&err).into_owned();
        assert!(output.status.success(), "{args:?}: {text}");
        String::from_utf8(out).unwrap()
    }
}

/// Logging in where whoever shows this certificate is believed.
fn pinning<'a>(url: &'a str, token: &'a str, fingerprint: &'a str) -> [&'a str; 6] {
    [
        "login",
        url,
        "--token",
        token,
        "--ca-fingerprint",
        fingerprint,
    ]
}

fn fingerprint(der: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let hex: Vec<String> = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{}", hex.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn login_believes_a_private_authority_that_was_vouched_for_and_saves_it() {
    let up = Up::start(&["--https-redirect"]);
    let url = format!("https://localhost:{}", up.port("api_tls"));
    let token = up.process.admin_token();
    let line = Line::new(&up, "a");
    // Without a terminal nobody can say yes.
    let refused = line.fails(&["login", &url, "--token", &token]);
    assert_eq!(refused["code"], "not_believed", "{refused}");
    let pinned = fingerprint(&up.authority.der());
    assert!(
        refused["hint"].as_str().unwrap().contains(&pinned),
        "{refused}"
    );
    assert!(!line.config.exists(), "nothing is saved");
    let other = fingerprint(&Authority::new().der());
    let refused = line.fails(&pinning(&url, &token, &other));
    assert_eq!(refused["code"], "not_believed", "{refused}");
    line.works(&pinning(&url, &token, &pinned));
    let mode = fs::metadata(&line.config).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        fs::read_to_string(&line.config)
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
    line.works(&["ls"]);
    let report = line.run(&["doctor"]);
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(report.contains("certificate"), "{report}");
    // The authority stays, the certificate need not.
    let renewed = up.authority.issue(&["localhost"]);
    renewed.write(&up.certificates(), "default");
    eventually("it is renewed", async || {
        let stream = connect(&up, "api_tls", &Asks::default()).await.unwrap();
        when(shown(&stream) == renewed.der, "another")
    })
    .await;
    line.works(&["ls"]);
    // A file does as well, for one command or for good.
    let file = up.folder.path().join("ca.pem");
    fs::write(&file, up.authority.pem()).unwrap();
    let file = file.to_string_lossy().into_owned();
    let by_file = Line::new(&up, "b");
    by_file.works(&["ls", "--server", &url, "--token", &token, "--ca", &file]);
    by_file.works(&["login", &url, "--token", &token, "--ca", &file]);
    by_file.works(&["ls"]);
    let other = up.folder.path().join("other.pem");
    fs::write(&other, Authority::new().pem()).unwrap();
    let other = other.to_string_lossy().into_owned();
    let refused = by_file.fails(&["ls", "--ca", &other]);
    assert_eq!(refused["exit_code"], 7, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_that_signed_itself_is_believed_by_its_own_fingerprint() {
    let up = Up::start(&[]);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let own = params.self_signed(&key).unwrap();
    let folder = up.certificates();
    fs::write(folder.join("default.key"), key.serialize_pem()).unwrap();
    fs::write(folder.join("default.crt"), own.pem()).unwrap();
    eventually("it is shown", async || {
        let metrics = up.metrics().await;
        let taken = metrics.contains("tls_certificate_loads_total{result=\"taken\"} 2");
        when(taken, metrics)
    })
    .await;
    let url = format!("https://localhost:{}", up.port("api_tls"));
    let token = up.process.admin_token();
    let line = Line::new(&up, "a");
    let pinned = fingerprint(own.der());
    line.works(&pinning(&url, &token, &pinned));
    line.works(&["ls"]);
    // It is for one name alone.
    let by_address = format!("https://127.0.0.1:{}", up.port("api_tls"));
    let refused = line.fails(&pinning(&by_address, &token, &pinned));
    assert_eq!(refused["code"], "not_believed", "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_goes_to_nobody_who_is_not_believed() {
    let up = Up::start(&[]);
    let url = format!("https://localhost:{}", up.port("api_tls"));
    let token = up.process.admin_token();
    let line = Line::new(&up, "a");
    let pinned = fingerprint(&up.authority.der());
    line.works(&pinning(&url, &token, &pinned));
    // Somebody with a certificate of another authority for the same name.
    let stranger = Authority::new().issue(&["localhost"]);
    stranger.write(&up.certificates(), "default");
    eventually("the stranger is there", async || {
        let met = connect(&up, "api_tls", &Asks::default()).await;
        when(met.is_err(), "the old one")
    })
    .await;
    let refused = line.fails(&["ls"]);
    assert_eq!(refused["exit_code"], 7, "{refused}");
    let again = line.fails(&["login", "--token", &token]);
    assert_eq!(again["code"], "not_believed", "{again}");
    // One that speaks no TLS hears a greeting, and no token.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 4096];
        let read = tcp.read(&mut heard).await.unwrap();
        heard.truncate(read);
        heard
    });
    let silent = format!("https://localhost:{port}");
    tokio::task::block_in_place(|| line.fails(&["ls", "--server", &silent, "--token", &token]));
    let heard = heard.await.unwrap();
    assert_eq!(heard.first(), Some(&22), "a handshake");
    let has = |text: &str| {
        heard
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(!has(&token[..20]));
}
