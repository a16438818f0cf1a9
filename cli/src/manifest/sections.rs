//! The tables of `function.toml`: what people write on the left, what the API reads on the right.
//!
//! One struct is both sides: it deserializes from the friendly names and serializes to the
//! API's. Deliberately no defaults and no range checks: the server owns both, so they cannot
//! drift apart.

use serde::{Deserialize, Serialize};

use super::units::{Bytes, Millis};

/// `[[secrets]]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    /// Variable the function sees.
    pub(crate) env: String,
    /// Secret in the function's namespace.
    pub(crate) secret: String,
    /// Key within the secret.
    pub(crate) key: String,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
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
        #[serde(rename(serialize = "timeout_ms"))]
        timeout: Millis,
        #[serde(rename(serialize = "response_start_timeout_ms"))]
        response_start_timeout: Millis,
        #[serde(rename(serialize = "idle_timeout_ms"))]
        idle_timeout: Millis,
        #[serde(rename(serialize = "max_request_body_bytes"))]
        max_request_body: Bytes,
        container_concurrency: u32,
    }
}

section! {
    /// `[hold]`
    Hold {
        max_requests: u32,
        max_bytes: Bytes,
        #[serde(rename(serialize = "max_wait_ms"))]
        max_wait: Millis,
    }
}

section! {
    /// `[retries]`
    Retries {
        max_attempts: u32,
        budget_percent: u32,
    }
}

section! {
    /// `[scaling]`
    Scaling {
        metric: String,
        target: f64,
        target_utilization_percent: f64,
        min_scale: u32,
        max_scale: u32,
        initial_scale: u32,
        activation_scale: u32,
        #[serde(rename(serialize = "stable_window_ms"))]
        stable_window: Millis,
        panic_window_percent: f64,
        panic_threshold_percent: f64,
        max_scale_up_rate: f64,
        max_scale_down_rate: f64,
        #[serde(rename(serialize = "scale_down_delay_ms"))]
        scale_down_delay: Millis,
        #[serde(rename(serialize = "scale_to_zero_grace_ms"))]
        scale_to_zero_grace: Millis,
        #[serde(rename(serialize = "scale_to_zero_retention_ms"))]
        scale_to_zero_retention: Millis,
        target_burst_capacity: f64,
    }
}

section! {
    /// `[async]`
    Async {
        max_attempts: u32,
        #[serde(rename(serialize = "backoff_base_ms"))]
        backoff_base: Millis,
        #[serde(rename(serialize = "backoff_max_ms"))]
        backoff_max: Millis,
        #[serde(rename(serialize = "max_age_ms"))]
        max_age: Millis,
        #[serde(rename(serialize = "attempt_timeout_ms"))]
        attempt_timeout: Millis,
        #[serde(rename(serialize = "result_ttl_ms"))]
        result_ttl: Millis,
        max_queued: u32,
        max_in_flight: u32,
        #[serde(rename(serialize = "max_result_bytes"))]
        max_result: Bytes,
    }
}
