//! Certificates for tests, made on the spot.

use rcgen::{CertificateParams, KeyPair};

/// A certificate that signed itself and its key, PEM.
pub(crate) fn made(names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = CertificateParams::new(names).unwrap().self_signed(&key);
    (made.unwrap().pem(), key.serialize_pem())
}
