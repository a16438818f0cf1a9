//! What a person writes about a component, and every default.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{count, ms};

/// A `wasi:http` component, run inside the sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wasm {
    /// The uploaded component.
    pub component: Component,
    /// Requests follow one another in one instance, which is faster; otherwise each has a fresh one.
    #[serde(default)]
    pub reuse: bool,
    /// Linear memory of one instance in bytes, all its memories together.
    #[serde(default = "ms::<134_217_728>")]
    #[schema(default = 134_217_728, minimum = 65_536, maximum = 4_294_967_296_u64)]
    pub memory_bytes: u64,
    /// Time on a CPU for one request, in milliseconds.
    #[serde(default = "ms::<10_000>")]
    #[schema(default = 10_000, minimum = 1, maximum = 3_600_000)]
    pub cpu_time_ms: u64,
    /// Elements of all its tables together.
    #[serde(default = "count::<100_000>")]
    #[schema(default = 100_000, minimum = 1, maximum = 10_000_000)]
    pub max_table_elements: u32,
    /// Bytes of one response's body.
    #[serde(default = "ms::<104_857_600>")]
    #[schema(default = 104_857_600, minimum = 1)]
    pub max_response_body_bytes: u64,
    /// Outside hosts it may call: `HOST`, `HOST:PORT`, `*.DOMAIN`; at most 64. Other functions need no entry.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    /// Outgoing requests of one request at a time.
    #[serde(default = "count::<32>")]
    #[schema(default = 32, minimum = 1, maximum = 1_000)]
    pub max_outgoing_requests: u32,
}

/// An uploaded component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// 64 lowercase hex digits; the artifact must have been uploaded to the same namespace.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub sha256: String,
    /// Bytes; filled in from the artifact when left out.
    #[serde(default)]
    pub size: u64,
}
