//! The spec of a test function, as JSON one may change anything in.
//!
//! Deliberately untyped: the tests speak the API's language, not the server's types.

use serde_json::{Value, json};

use crate::process::test_function_bin;

/// A function to deploy.
#[derive(Debug, Clone)]
pub struct Spec(pub Value);

impl Default for Spec {
    fn default() -> Self {
        Self::new()
    }
}

impl Spec {
    /// The test function, with short times so that a test that fails does so soon.
    #[must_use]
    pub fn new() -> Self {
        Self(json!({
            "kind": "process",
            "process": {
                "command": [test_function_bin()],
                "start_timeout_ms": 30_000,
                "stop_grace_ms": 2_000,
            },
            "env": {},
            "scaling": {"initial_scale": 0, "scale_to_zero_grace_ms": 1_000},
            "async": {"backoff_base_ms": 50, "backoff_max_ms": 200},
        }))
    }

    /// Sets one field, for example `limits/container_concurrency`.
    ///
    /// # Panics
    /// When the way there is through something that is no object.
    #[must_use]
    pub fn with(mut self, path: &str, value: impl Into<Value>) -> Self {
        let mut at = &mut self.0;
        for step in path.split('/') {
            at = &mut at[step];
        }
        *at = value.into();
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(self, name: &str, value: &str) -> Self {
        self.with(&format!("env/{name}"), value)
    }

    /// So many calls at once in one instance.
    #[must_use]
    pub fn concurrency(self, calls: u32) -> Self {
        self.with("limits/container_concurrency", calls)
    }

    /// Bounds on the number of instances.
    #[must_use]
    pub fn scale(self, min: u32, max: u32) -> Self {
        self.with("scaling/min_scale", min)
            .with("scaling/max_scale", max)
    }

    /// Goes to zero as soon as sensible: Knative's smallest window.
    #[must_use]
    pub fn short_window(self) -> Self {
        self.with("scaling/stable_window_ms", 6_000)
            .with("scaling/scale_to_zero_grace_ms", 0)
    }
}
