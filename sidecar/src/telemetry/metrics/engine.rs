//! The wasm engine's numbers, read when somebody asks for them.

use gateless_wasm::Engine;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Exposes what the engine counts, at the moment it is scraped.
#[derive(Debug)]
pub(crate) struct EngineNumbers(pub(crate) Engine);

impl Collector for EngineNumbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let stats = self.0.stats();
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let bytes = i64::try_from(stats.module_bytes).unwrap_or(i64::MAX);
        let gauges = [
            ("wasm_modules", "Components in memory", whole(stats.modules)),
            ("wasm_module_bytes", "Bytes of their code", bytes),
            ("wasm_calls", "Calls in components", whole(stats.calls)),
            (
                "wasm_idle",
                "Instances kept for reuse",
                i64::from(stats.idle),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            let encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(encoder)?;
        }
        let counters = [
            ("wasm_loads", "Components loaded", stats.loads),
            ("wasm_compilations", "Components compiled", stats.compiled),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            let encoder = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(encoder)?;
        }
        Ok(())
    }
}
