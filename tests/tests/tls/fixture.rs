//! An authority that is made on the spot, and a `gateless up` with certificates of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gateless_tests::process::up_args;
use gateless_tests::{Api, Caller, Process, Spec, instances};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

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
        self.0.pem()
    }

    /// For these names; the chain has the authority in it, as operators are used to.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.use_authority_key_identifier_extension = true;
        let made = params.signed_by(&key, &self.0).unwrap();
        Issued {
            chain: made.pem() + &self.pem(),
            key: key.serialize_pem(),
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

impl Up {
    pub(crate) fn start(more: &[&str]) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let certificates = folder.path().join("tls");
        fs::create_dir(&certificates).unwrap();
        let issued = authority.issue(&["localhost", "127.0.0.1"]);
        issued.write(&certificates, "default");
        let mut args = up_args(&folder.path().join("data"));
        args.extend([
            "--tls-folder".to_owned(),
            certificates.to_string_lossy().into_owned(),
        ]);
        for flag in ["--tls-listen", "--function-tls-listen"] {
            args.extend([flag.to_owned(), "127.0.0.1:0".to_owned()]);
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
