//! The tables of `function.toml`: what people write on the left, what the API reads on the right.
//!
//! One struct is both sides: it deserializes from the friendly names and serializes to the
//! API's. Deliberately no defaults and no range checks: the server owns both, so they cannot
//! drift apart.

use serde::{Deserialize, Serialize};

use super::Command;
use super::units::{Bytes, Millis};

/// `[[secrets]]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    /// Variable the function sees.
    pub(crate) env: String,
    /// Secret in the function's namespace.
    pub(crate) secret: String,
    /// Key within the secret.
    pub(crate) key: String,
}

/// `[build]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Build {
    /// Runs beside function.toml before every deployment; a text is run by /bin/sh -c.
    pub(crate) command: Option<Command>,
    /// Files and folders whose change makes `gateless dev` deploy again [default: the bundle, or
    /// with a build command the folder of function.toml without it].
    pub(crate) watch: Option<Vec<String>>,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $(
                $(#[$attr])*
                #[serde(skip_serializing_if = "Option::is_none")]
                $field: Option<$kind>,
            )*
        }
    };
}

section! {
    /// `[limits]`
    Limits {
        /// From arrival to the last byte: hold, queue, start and run.
        #[serde(rename(serialize = "timeout_ms"))]
        timeout: Millis,
        /// From forwarding to the response's headers.
        #[serde(rename(serialize = "response_start_timeout_ms"))]
        response_start_timeout: Millis,
        /// Without a byte in either direction.
        #[serde(rename(serialize = "idle_timeout_ms"))]
        idle_timeout: Millis,
        /// Of one call.
        #[serde(rename(serialize = "max_request_body_bytes"))]
        max_request_body: Bytes,
        /// Calls at once in one instance, hard; 0: no limit.
        container_concurrency: u32,
    }
}

section! {
    /// `[hold]`
    Hold {
        /// Calls that wait at once.
        max_requests: u32,
        /// Of their bodies together.
        max_bytes: Bytes,
        /// How long one waits.
        #[serde(rename(serialize = "max_wait_ms"))]
        max_wait: Millis,
    }
}

section! {
    /// `[retries]`
    Retries {
        /// 1: no retry.
        max_attempts: u32,
        /// Retries as a share of calls.
        budget_percent: u32,
    }
}

section! {
    /// `[scaling]`
    Scaling {
        /// "concurrency" or "rps".
        metric: String,
        /// Per instance [default: container_concurrency, else 100, for rps 200].
        target: f64,
        /// Of the target that is aimed at.
        target_utilization_percent: f64,
        /// Instances that always run.
        min_scale: u32,
        /// Instances at most; 0: no limit.
        max_scale: u32,
        /// Instances of a new revision.
        initial_scale: u32,
        /// At least so many when starting from zero.
        activation_scale: u32,
        /// Load is averaged over it.
        #[serde(rename(serialize = "stable_window_ms"))]
        stable_window: Millis,
        /// Of the stable window.
        panic_window_percent: f64,
        /// Of the target.
        panic_threshold_percent: f64,
        /// At most so many times as many at once.
        max_scale_up_rate: f64,
        /// At most so many times fewer at once.
        max_scale_down_rate: f64,
        /// Wait so long before scaling down.
        #[serde(rename(serialize = "scale_down_delay_ms"))]
        scale_down_delay: Millis,
        /// The last instance stays so long.
        #[serde(rename(serialize = "scale_to_zero_grace_ms"))]
        scale_to_zero_grace: Millis,
        /// The last instance is kept at least so long.
        #[serde(rename(serialize = "scale_to_zero_retention_ms"))]
        scale_to_zero_retention: Millis,
        /// Calls that may come at once without being held; -1: no limit.
        target_burst_capacity: f64,
    }
}

section! {
    /// `[async]`
    Async {
        /// Then it is a dead letter.
        max_attempts: u32,
        /// Before the second attempt; doubled for each one after.
        #[serde(rename(serialize = "backoff_base_ms"))]
        backoff_base: Millis,
        /// Between attempts at most.
        #[serde(rename(serialize = "backoff_max_ms"))]
        backoff_max: Millis,
        /// A call older than this is a dead letter.
        #[serde(rename(serialize = "max_age_ms"))]
        max_age: Millis,
        /// Of one attempt.
        #[serde(rename(serialize = "attempt_timeout_ms"))]
        attempt_timeout: Millis,
        /// How long results are kept.
        #[serde(rename(serialize = "result_ttl_ms"))]
        result_ttl: Millis,
        /// Calls, per sidecar.
        max_queued: u32,
        /// Calls at once, per sidecar.
        max_in_flight: u32,
        /// Bytes of a result that are kept.
        #[serde(rename(serialize = "max_result_bytes"))]
        max_result: Bytes,
    }
}

section! {
    /// `[wasm]`
    Wasm {
        /// Use one instance for many calls, one after the other; for components that allow it.
        reuse: bool,
        /// Linear memory of one instance.
        #[serde(rename(serialize = "memory_bytes"))]
        memory: Bytes,
        /// Of one call.
        #[serde(rename(serialize = "cpu_time_ms"))]
        cpu_time: Millis,
        /// Of one instance's tables together.
        max_table_elements: u32,
        /// Of one response.
        #[serde(rename(serialize = "max_response_body_bytes"))]
        max_response_body: Bytes,
        /// Hosts it may call besides functions [default: none].
        allowed_hosts: Vec<String>,
        /// Of one call.
        max_outgoing_requests: u32,
    }
}
