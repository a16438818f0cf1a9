//! How this sidecar's identity is, read when somebody asks.

use gateless_identity::Identity;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Exposes when the certificate ends, and what was let pass because it could not be renewed.
pub(super) struct IdentityNumbers(pub(super) Identity);

impl std::fmt::Debug for IdentityNumbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityNumbers({})", self.0.id())
    }
}

impl Collector for IdentityNumbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let expires = self.0.credentials().expires.since_epoch().as_secs();
        let expires = ConstGauge::new(i64::try_from(expires).unwrap_or(i64::MAX));
        let help = "When this sidecar's certificate ends, since 1970";
        let kind = expires.metric_type();
        let name = "certificate_expires";
        expires.encode(encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?)?;
        let expired = ConstCounter::new(self.0.expired_accepted());
        let help = "Connections with certificates that had ended and could not be renewed";
        let kind = expired.metric_type();
        expired.encode(encoder.encode_descriptor("expired_certificates", help, None, kind)?)
    }
}
