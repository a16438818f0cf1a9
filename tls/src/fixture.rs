//! Certificates for tests, made on the spot.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<&str> = (0..encoded.len())
        .step_by(64)
        .map(|at| &encoded[at..encoded.len().min(at + 64)])
        .collect();
    let text = lines.join("\n");
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// A certificate that signed itself and its key, PEM.
pub(crate) fn made(names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = CertificateParams::new(names).unwrap().self_signed(&key);
    let chain = pem("CERTIFICATE", made.unwrap().der());
    (chain, pem("PRIVATE KEY", &key.serialize_der()))
}
