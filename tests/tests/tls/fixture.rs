//! An authority that is made on the spot, and a `gateless up` with certificates of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateless_tests::{Api, Caller, Process, Spec, instances};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

/// As files have it.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<&str> = (0..encoded.len())
        .step_by(64)
        .map(|at| &encoded[at..encoded.len().min(at + 64)])
        .collect();
    let text = lines.join("\n");
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// Issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, PEM.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "an authority of a test");
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", self.0.der())
    }

    /// For these names; the chain has the authority in it, as operators are used to.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.use_authority_key_identifier_extension = true;
        let made = params.signed_by(&key, &self.0).unwrap();
        Issued {
            chain: format!("{}{}", pem("CERTIFICATE", made.der()), self.pem()),
            key: pem("PRIVATE KEY", &key.serialize_der()),
            der: made.der().clone(),
        }
    }
}

impl Issued {
    /// Writes both, so that each is whole whenever it is read.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        for (extension, text) in [("crt", &self.chain), ("key", &self.key)] {
            let new = folder.join(format!(".{name}.{extension}"));
            fs::write(&new, text).unwrap();
            fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
            fs::rename(&new, folder.join(format!("{name}.{extension}"))).unwrap();
        }
    }
}

/// A `gateless up` that shows `default.crt` of its folder of certificates, for `localhost` and `127.0.0.1`.
pub(crate) struct Up {
    pub(crate) process: Process,
    pub(crate) authority: Authority,
    pub(crate) folder: TempDir,
    mark: String,
}

impl Drop for Up {
    fn drop(&mut self) {
        self.process.kill();
        // What it ran outlives it else, as after any crash.
        instances::end_all(&self.mark);
        instances::end_below(self.folder.path());
    }
}

const LISTENERS: [&str; 9] = [
    "listen",
    "grpc-listen",
    "function-listen",
    "local-listen",
    "peer-listen",
    "gossip-listen",
    "metrics-listen",
    "tls-listen",
    "function-tls-listen",
];

impl Up {
    pub(crate) fn start(more: &[&str]) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let certificates = folder.path().join("tls");
        fs::create_dir(&certificates).unwrap();
        let issued = authority.issue(&["localhost", "127.0.0.1"]);
        issued.write(&certificates, "default");
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let data = text(&folder.path().join("data"));
        let mut args = vec!["up".to_owned(), "--data".to_owned(), data];
        args.extend(["--isolation".to_owned(), "none".to_owned()]);
        args.extend(["--tls-folder".to_owned(), text(&certificates)]);
        for flag in LISTENERS {
            args.extend([format!("--{flag}"), "127.0.0.1:0".to_owned()]);
        }
        args.extend(more.iter().map(ToString::to_string));
        let log = folder.path().join("up.log");
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let process = Process::start(&mark, &log, &args, &[]).unwrap();
        Self {
            process,
            authority,
            folder,
            mark,
        }
    }

    /// Where its certificates are.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.folder.path().join("tls")
    }

    /// All it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("up.log")).unwrap()
    }

    /// host:port of a listener.
    pub(crate) fn address(&self, name: &str) -> String {
        let url = self.process.address(name);
        url.split("://").last().unwrap().to_owned()
    }

    pub(crate) fn port(&self, name: &str) -> u16 {
        let address = self.address(name);
        address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// A client that believes its authority, of HTTP/2.
    pub(crate) fn client(&self) -> reqwest::ClientBuilder {
        gateless_tests::http::believing(&[self.authority.der()], &["h2", "http/1.1"])
    }

    /// The same of HTTP/1.1.
    pub(crate) fn client_of_http1(&self) -> reqwest::ClientBuilder {
        gateless_tests::http::believing(&[self.authority.der()], &["http/1.1"])
    }

    /// Calls from outside over TLS.
    pub(crate) fn calls(&self) -> Caller {
        self.calls_by(self.client())
    }

    /// Calls from outside over TLS, by a client of a kind.
    pub(crate) fn calls_by(&self, client: reqwest::ClientBuilder) -> Caller {
        Caller {
            base: format!("https://localhost:{}", self.port("public_tls")),
            client: client.build().unwrap(),
        }
    }

    /// The API over TLS, as the first admin.
    pub(crate) fn api(&self) -> Api {
        let base = format!("https://localhost:{}", self.port("api_tls"));
        let mut api = Api::new(base, self.process.admin_token());
        api.client = self.client().build().unwrap();
        api
    }

    /// Deploys the test function and waits until it runs.
    pub(crate) async fn deploy(&self, name: &str) {
        let api = self.api();
        api.apply(name, &Spec::new().with("scaling/initial_scale", 1))
            .await;
        api.wait_ready(name).await;
    }

    /// What it exposes at a listener's path.
    pub(crate) async fn metrics(&self) -> String {
        let at = Caller::new(self.process.address("metrics"));
        at.get("/metrics").await.expect(200).text()
    }
}
