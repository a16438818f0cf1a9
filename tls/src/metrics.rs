//! How the certificates are, read when somebody asks.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::certificates::Certificates;

/// Exposes when certificates end, which are refused, and what became of handshakes. Labels are what operators call their
/// certificates.
#[derive(Debug)]
pub struct Numbers(pub Certificates);

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (shown, counts) = (self.0.shown(), self.0.counts());
        let help = "When the certificate that clients are shown ends, since 1970";
        let (name, unit) = ("tls_certificate_expires", Some(&Unit::Seconds));
        let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for one in &shown {
            if let Some(expires) = one.expires {
                let seconds = expires.since_epoch().as_secs();
                let value = ConstGauge::new(i64::try_from(seconds).unwrap_or(i64::MAX));
                value.encode(family.encode_family(&[("certificate", one.name.as_str())])?)?;
            }
        }
        let help = "1: what is in the files now is not taken, the last good one stays";
        let name = "tls_certificate_refused";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for one in &shown {
            let value = ConstGauge::new(i64::from(one.refused.is_some()));
            value.encode(family.encode_family(&[("certificate", one.name.as_str())])?)?;
        }
        let help = "Certificates that were read anew";
        let (taken, refused) = (&counts.taken, &counts.refused);
        let counted = [("taken", taken), ("refused", refused)];
        let name = "tls_certificate_loads";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (result, count) in counted {
            let value = ConstCounter::new(count.load(Ordering::Relaxed));
            value.encode(family.encode_family(&[("result", result)])?)?;
        }
        let help = "Handshakes of TLS with outsiders";
        let counted = [("completed", &counts.completed), ("failed", &counts.failed)];
        let name = "tls_handshakes";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (result, count) in counted {
            let value = ConstCounter::new(count.load(Ordering::Relaxed));
            value.encode(family.encode_family(&[("result", result)])?)?;
        }
        Ok(())
    }
}
