//! Certificates for who comes from outside, and whether anybody may come without.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use gateless_tls::{Certificates, Files, Options, Redirect, Settings};

use crate::failure::{Exit, Failure};

/// Where the API is with TLS, unless something else is said.
pub(crate) const USUAL_API: u16 = 7783;
/// Where functions are called with TLS, unless something else is said.
pub(crate) const USUAL_CALLS: u16 = 7743;

/// What clients are shown.
#[derive(Debug, Args)]
pub(crate) struct CertificateArgs {
    /// Certificates that outsiders are shown, each with its chain, PEM; the first is the default, others are chosen by the name
    /// a client asks for. Changed files are taken without a restart.
    #[arg(
        long,
        env = "GATELESS_TLS_CERTIFICATE",
        value_delimiter = ',',
        value_name = "FILE,..."
    )]
    tls_certificate: Vec<PathBuf>,
    /// Their keys, in the same order.
    #[arg(
        long,
        env = "GATELESS_TLS_KEY",
        value_delimiter = ',',
        value_name = "FILE,..."
    )]
    tls_key: Vec<PathBuf>,
    /// A folder with certificates: NAME.crt and NAME.key, or folders with tls.crt and tls.key; the one named default is it.
    #[arg(long, env = "GATELESS_TLS_FOLDER", value_name = "DIR")]
    tls_folder: Option<PathBuf>,
}

/// Certificates, and what becomes of who comes without TLS.
#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    #[command(flatten)]
    certificates: CertificateArgs,
    /// Send everybody who comes without TLS to https; the port without takes TLS, too.
    #[arg(long, env = "GATELESS_HTTPS_REDIRECT")]
    https_redirect: bool,
}

impl CertificateArgs {
    /// Reads them; `None`: none are named. They are followed from then on: call it inside of the runtime.
    pub(crate) fn open(&self) -> Result<Option<Certificates>, Failure> {
        if self.tls_certificate.len() != self.tls_key.len() {
            return Err(Failure::usage(format!(
                "there are {} of --tls-certificate and {} of --tls-key",
                self.tls_certificate.len(),
                self.tls_key.len()
            ))
            .hint("give one key for each certificate, in the same order"));
        }
        let files = self.tls_certificate.iter().zip(&self.tls_key);
        let pairs = files.map(|(certificate, key)| Files {
            certificate: certificate.clone(),
            key: key.clone(),
        });
        let settings = Settings {
            pairs: pairs.collect(),
            folder: self.tls_folder.clone(),
        };
        if settings == Settings::default() {
            return Ok(None);
        }
        let certificates = Certificates::open(settings).map_err(|error| {
            Failure::new(Exit::Usage, "bad_certificate", "a certificate is no good")
                .cause(error)
                .hint("--tls-certificate and --tls-key, or --tls-folder, name files in PEM")
        })?;
        tokio::spawn(certificates.clone().follow());
        Ok(Some(certificates))
    }
}

/// What [`TlsArgs`] come to.
pub(crate) struct Opened {
    certificates: Option<Certificates>,
    redirect: bool,
}

impl TlsArgs {
    /// Reads the certificates; call it inside of the runtime.
    pub(crate) fn open(&self) -> Result<Opened, Failure> {
        let certificates = self.certificates.open()?;
        let redirect = self.https_redirect;
        if redirect && certificates.is_none() {
            return Err(without("--https-redirect"));
        }
        Ok(Opened {
            certificates,
            redirect,
        })
    }
}

impl Opened {
    /// A listener with TLS, named by the flag `named`; `port` is the one others reach it by.
    pub(crate) fn listener(
        &self,
        named: &str,
        given: Option<SocketAddr>,
        usual: u16,
        port: Option<u16>,
    ) -> Result<Option<Options>, Failure> {
        let Some(certificates) = self.certificates.clone() else {
            return match given {
                Some(_) => Err(without(named)),
                None => Ok(None),
            };
        };
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, usual));
        Ok(Some(Options {
            listen: given.unwrap_or(usual),
            certificates,
            redirect: self.redirect.then_some(Redirect { port }),
        }))
    }
}

fn without(flag: &str) -> Failure {
    Failure::usage(format!("{flag} needs a certificate"))
        .hint("add --tls-certificate FILE --tls-key FILE, or --tls-folder DIR")
}
