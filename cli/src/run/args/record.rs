//! Which calls a sidecar puts on record.

use std::time::Duration;

use clap::Args;
use gateless_core::record::pick::{ONE_IN, Settings};

use crate::manifest::units::Millis;

/// Which calls are put on record, besides those that fail or wait for an instance.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Put one in N calls on record of those that neither fail, nor are cold or slow, and one a second anyway; 0: none.
    #[arg(long, env = "GATELESS_RECORD_SAMPLE", default_value_t = ONE_IN, value_name = "N")]
    record_sample: u32,
    /// Put calls on record that take longer [default: those slower than 99 of 100 calls of their function].
    #[arg(long, env = "GATELESS_RECORD_SLOW", value_name = "TIME")]
    record_slow: Option<Millis>,
}

impl RecordArgs {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            one_in: self.record_sample,
            slow: self
                .record_slow
                .as_ref()
                .map(|Millis(millis)| Duration::from_millis(*millis)),
        }
    }
}
