//! Whom to believe at an https address: this host's authorities, or a certificate that the user vouches for.
//!
//! The first use of a server whose authority nobody knows shows a fingerprint and asks; what is believed then is saved with the
//! login, and nobody else is believed for it later. Deliberately nothing that goes on without a yes.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateless_sdk::{Trust, certificates_of};
use jiff::Timestamp;
use reqwest::Url;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Columns of PEM (RFC 7468, 2).
const LINE: usize = 64;

/// SHA-256 of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(der: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(der)))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    /// With or without its prefix, also as other tools write it: `AB:CD:...`.
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let digits = lower.strip_prefix("sha256:").unwrap_or(&lower);
        let digits = digits.replace(':', "");
        let is_hex = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match is_hex {
            true => Ok(Self(digits)),
            false => Err("it is not sha256: and 64 hex digits".to_owned()),
        }
    }
}

/// What people are told of a certificate.
pub(crate) struct Described {
    pub(crate) subject: String,
    pub(crate) expires: Timestamp,
}

/// Reads whose a certificate is and when it ends; `None`: it is none.
pub(crate) fn describe(der: &[u8]) -> Option<Described> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let names = parsed.subject_alternative_name().ok()?;
    let names = names.map(|names| {
        let names = names.value.general_names.iter();
        let names: Vec<String> = names.map(ToString::to_string).collect();
        names.join(", ")
    });
    let subject = Some(parsed.subject().to_string()).filter(|subject| !subject.is_empty());
    Some(Described {
        // What somebody else wrote is shown without what would move a terminal's cursor.
        subject: subject
            .or(names)
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect(),
        expires: Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()?,
    })
}

/// Certificates in PEM.
pub(crate) fn parse(pem: &str) -> Result<Trust, Failure> {
    Trust::only(pem.as_bytes()).map_err(Failure::from)
}

/// Whose certificates are to be believed at `server`, PEM; `None`: those of this host's authorities, or nobody's, as it is
/// reached in clear. `given` is what was said before, `ask` whether the server may be asked what it shows.
pub(crate) async fn settle(
    server: &str,
    given: Option<String>,
    fingerprint: Option<&Fingerprint>,
    ask: bool,
    out: &mut Output,
) -> Result<Option<String>, Failure> {
    if !server.starts_with("https://") {
        return match (given, fingerprint) {
            (None, None) => Ok(None),
            _ => Err(Failure::usage(format!("{server} is reached in clear"))
                .hint("--ca and --ca-fingerprint are for https:// addresses")),
        };
    }
    if !ask && fingerprint.is_none() {
        return Ok(given);
    }
    let chain = certificates_of(server).await.map_err(Failure::from)?;
    let parsed = Url::parse(server).ok();
    let host = parsed.as_ref().and_then(Url::host_str).unwrap_or_default();
    let trust = given.as_deref().map(parse).transpose()?;
    let Err(why) = trust.unwrap_or_default().check(host, &chain) else {
        // Believed already: it takes no fingerprint, but one that is given has to be right.
        return match fingerprint {
            Some(fingerprint) => named(server, host, &chain, fingerprint).map(Some),
            None => Ok(given),
        };
    };
    match fingerprint {
        Some(fingerprint) => named(server, host, &chain, fingerprint).map(Some),
        None if given.is_some() => Err(not_believed(server, &why).hint(
            "if its certificate was changed for another authority's, log in with --ca-fingerprint sha256:..., or forget \
             the old one with gateless context rm",
        )),
        None => asked(server, host, &chain, &why, out).map(Some),
    }
}

fn not_believed(server: &str, why: &str) -> Failure {
    let title = format!("{server} is not believed to be who it says");
    Failure::new(Exit::Failure, "not_believed", title).cause(why.to_owned())
}

/// The certificate with this fingerprint, as far as it vouches for the server.
fn named(
    server: &str,
    host: &str,
    chain: &[Vec<u8>],
    fingerprint: &Fingerprint,
) -> Result<String, Failure> {
    let found = chain
        .iter()
        .find(|der| Fingerprint::of(der) == *fingerprint);
    let Some(found) = found else {
        let shown: Vec<String> = chain
            .iter()
            .map(|der| Fingerprint::of(der).to_string())
            .collect();
        let why = format!(
            "none of the certificates it shows has that fingerprint: {}",
            shown.join(", ")
        );
        return Err(not_believed(server, &why)
            .hint("somebody else may answer at that address; or the authority's own certificate is not shown: give it with --ca FILE"));
    };
    let checked = Trust::only_der(found).check(host, chain);
    checked.map_err(|why| not_believed(server, &why))?;
    Ok(pem(found))
}

/// Asks whether to believe the last certificate that the server shows: its authority's, or its own.
fn asked(
    server: &str,
    host: &str,
    chain: &[Vec<u8>],
    why: &str,
    out: &mut Output,
) -> Result<String, Failure> {
    let last = chain.last().map(Vec::as_slice).unwrap_or_default();
    let checked = Trust::only_der(last).check(host, chain);
    checked.map_err(|why| not_believed(server, &why))?;
    let fingerprint = Fingerprint::of(last);
    let described = describe(last);
    let subject = described.map(|found| found.subject).unwrap_or_default();
    if !io::stdin().is_terminal() {
        return Err(not_believed(server, why).hint(format!(
            "it shows {subject}, {fingerprint}: compare that with what the server's operator says, and give it with \
             --ca-fingerprint; or name the authority's file with --ca"
        )));
    }
    out.note(format!("{server}: {why}"));
    out.note(format!("it shows {subject}\n  {fingerprint}"));
    out.note("is that what the server's operator says? believe it from now on (yes/no):");
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    read.map_err(|error| Failure::io("cannot read the answer", &error))?;
    match line.trim() {
        "y" | "yes" => Ok(pem(last)),
        _ => Err(not_believed(server, "you did not say yes")),
    }
}

fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let encoded = STANDARD.encode(der);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        // Writing to a string does not fail.
        writeln!(text, "{line}").ok();
        rest = more;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_tools_write_them() {
        let expected = Fingerprint::of(b"x");
        let text = expected.to_string();
        let digits = text.trim_start_matches("sha256:").to_ascii_uppercase();
        let pairs: Vec<&str> = (0..32).map(|at| &digits[2 * at..2 * at + 2]).collect();
        for text in [text.clone(), digits.clone(), pairs.join(":")] {
            assert_eq!(text.parse::<Fingerprint>().unwrap(), expected, "{text}");
        }
        for bad in ["", "sha256:", "sha1:00", &digits[1..], "sha256:zz"] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let text = pem(&[7; 100]);
        assert!(text.lines().all(|line| line.len() <= LINE));
        assert!(parse(&text).is_ok());
        assert!(parse("no certificate").is_err());
        assert!(describe(b"no certificate").is_none());
    }
}
