//! OpenFaaS's way of saying what a function is, and what that is here.
//!
//! The wire's field names and meanings are those of the public `faas-provider` types and of the
//! OpenFaaS documentation. Pure: what has no equal is an error that names the field, never
//! silence. Who may do it, and the routes, are in `http::openfaas`.

mod deployment;
pub mod images;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::deployment::{Refused, apply};
pub use self::status::status;

/// Where the image's name is kept among our labels.
pub const IMAGE_LABEL: &str = "openfaas/image";
/// Our label for the OpenFaaS annotation behind it.
pub const ANNOTATION: &str = "openfaas-annotation/";
/// The key within our secret that holds the whole of an OpenFaaS secret.
pub const SECRET_KEY: &str = "value";

/// What `faas-cli deploy` sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// The function's name.
    pub service: String,
    /// What runs; looked up in the table of images.
    pub image: String,
    /// Empty: `default`.
    pub namespace: String,
    /// The command a watchdog would start for each call.
    pub env_process: String,
    /// Environment.
    pub env_vars: Option<BTreeMap<String, String>>,
    /// Where it may be scheduled.
    pub constraints: Option<Vec<String>>,
    /// Names of secrets.
    pub secrets: Option<Vec<String>>,
    /// Labels, the `com.openfaas.scale.*` among them.
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations.
    pub annotations: Option<BTreeMap<String, String>>,
    /// The most it may use.
    pub limits: Option<Resources>,
    /// What it asks for.
    pub requests: Option<Resources>,
    /// Whether its root file system may not be written.
    pub read_only_root_filesystem: bool,
}

/// Memory and CPU as Kubernetes writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// For example `128Mi`.
    pub memory: String,
    /// For example `100m`.
    pub cpu: String,
}

/// What `faas-cli describe` and `list` show.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionStatus {
    name: String,
    image: String,
    namespace: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env_vars: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    replicas: u64,
    available_replicas: u64,
    created_at: jiff::Timestamp,
}

/// A secret on the wire; its value only comes in.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Empty: `default`.
    pub namespace: String,
    /// As text.
    pub value: String,
    /// As base64.
    pub raw_value: String,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The variable that carries an OpenFaaS secret, which there would be a file of that name.
pub fn variable(secret: &str) -> String {
    secret.to_ascii_uppercase().replace(['-', '.'], "_")
}

#[cfg(test)]
mod tests;
