//! Whether a chain of certificates proves somebody of this cluster. Pure: trust and time come in.

use std::time::Duration;

use gateless_common::time::UnixMillis;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, ring::ECDSA_P256_SHA256};

use crate::authority::SERIAL;
use crate::spiffe::Id;
use crate::trust::Trust;

/// Somebody whom a certificate proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub id: Id,
    /// When the certificate was issued.
    pub issued: UnixMillis,
    /// Whether the certificate had ended, and was let pass because no server can be reached.
    pub expired: bool,
}

/// Why somebody is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It showed no certificate.
    #[error("no certificate was shown")]
    Stranger,
    /// No authority that is trusted issued it.
    #[error("the certificate is of an authority that is not trusted")]
    Foreign,
    /// It ended.
    #[error("the certificate ended {} s ago", .0.as_secs())]
    Expired(Duration),
    /// It is not good yet: a clock is wrong.
    #[error("the certificate is not good yet: is a clock wrong?")]
    NotYet,
    /// An operator took it back.
    #[error("{0} was revoked")]
    Revoked(String),
    /// It names nobody of this trust domain.
    #[error("the certificate names nobody of this cluster")]
    Nameless,
    /// It is somebody, but not who must be there.
    #[error("{0} is not {1}")]
    Another(String, String),
    /// It is broken, or for something else.
    #[error("the certificate is not good: {0}")]
    Bad(webpki::Error),
}

/// What a certificate says of its holder.
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) issued: UnixMillis,
}

/// Reads a certificate's name and when it was issued, and proves nothing.
pub(crate) fn name(certificate: &CertificateDer<'_>) -> Result<Named, Refused> {
    let certificate = EndEntityCert::try_from(certificate).map_err(Refused::Bad)?;
    let mut names = certificate.valid_uri_names();
    // One name: with two, who looks at the first and who looks at the last would see different holders.
    let (Some(id), None) = (names.next(), names.next()) else {
        return Err(Refused::Nameless);
    };
    let serial = certificate.serial();
    let issued = serial.get(..8).and_then(|bytes| bytes.try_into().ok());
    let issued = issued.map(u64::from_be_bytes).ok_or(Refused::Nameless)?;
    Ok(Named {
        id: id.to_owned(),
        issued: UnixMillis(issued & !SERIAL),
    })
}

/// Who a chain proves, the holder's certificate first. `grace`: one that ended less than [`Trust::grace`] ago will do.
pub(crate) fn verify(
    trust: &Trust,
    certificate: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    now: UnixTime,
    grace: bool,
) -> Result<Peer, Refused> {
    let leaf = EndEntityCert::try_from(certificate).map_err(Refused::Bad)?;
    let at = |time: UnixTime| {
        let checked = leaf.verify_for_usage(
            &[ECDSA_P256_SHA256],
            &trust.anchors,
            others,
            time,
            KeyUsage::client_auth(),
            None,
            None,
        );
        checked.map(|_| ())
    };
    let mut expired = false;
    match at(now) {
        Ok(()) => {}
        Err(webpki::Error::CertExpired { not_after, .. }) => {
            let ago = now.as_secs().saturating_sub(not_after.as_secs());
            let ago = Duration::from_secs(ago);
            if !grace || ago > trust.grace {
                return Err(Refused::Expired(ago));
            }
            // Everything else must be as if it had not.
            at(not_after).map_err(refused)?;
            expired = true;
        }
        Err(error) => return Err(refused(error)),
    }
    let named = name(certificate)?;
    let id: Id = named.id.parse().map_err(|_| Refused::Nameless)?;
    if id.domain != trust.domain {
        return Err(Refused::Nameless);
    }
    let peer = Peer {
        id,
        issued: named.issued,
        expired,
    };
    standing(trust, &peer)?;
    Ok(peer)
}

/// Whether somebody proven before still is.
pub(crate) fn standing(trust: &Trust, peer: &Peer) -> Result<(), Refused> {
    match peer.id.sidecar() {
        Some(node) if trust.is_revoked(node, peer.issued) => {
            Err(Refused::Revoked(peer.id.to_string()))
        }
        _ => Ok(()),
    }
}

fn refused(error: webpki::Error) -> Refused {
    match error {
        webpki::Error::UnknownIssuer => Refused::Foreign,
        webpki::Error::CertNotValidYet { .. } => Refused::NotYet,
        webpki::Error::CertExpired { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            Refused::Expired(Duration::from_secs(ago))
        }
        error => Refused::Bad(error),
    }
}
