//! What every instance finds in its environment, however it is run.

use std::collections::BTreeMap;

use gateless_core::name::NodeId;

use super::StartRequest;

/// In the environment of everything a sidecar runs: the instance's id.
pub(super) const INSTANCE_MARK: &str = "GATELESS_INSTANCE";
/// In the environment of everything a sidecar runs: the node's id.
pub(super) const NODE_MARK: &str = "GATELESS_NODE";
/// In the environment of every process a sidecar runs: its data folder's mark.
pub(super) const FOLDER_MARK: &str = "GATELESS_FOLDER";

/// `usual` may be replaced by the revision and its secrets; what the platform promises about
/// itself, and `fixed`, may not.
pub(super) fn environment(
    request: &StartRequest,
    node: &NodeId,
    usual: Vec<(&str, String)>,
    fixed: Vec<(&str, String)>,
) -> BTreeMap<String, String> {
    let own = |pairs: Vec<(&str, String)>| {
        let pairs = pairs.into_iter();
        pairs
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Vec<_>>()
    };
    let name = &request.revision.name;
    let function = name.function().name().to_owned();
    let platform = vec![
        ("K_SERVICE", function.clone()),
        ("K_CONFIGURATION", function),
        ("K_REVISION", name.revision().to_owned()),
        ("GATELESS_URL", request.gateless_url.clone()),
        (INSTANCE_MARK, request.id.to_string()),
        (NODE_MARK, node.to_string()),
    ];
    let mut environment = BTreeMap::from_iter(own(usual));
    environment.extend(request.revision.env.clone());
    environment.extend(request.secrets.clone());
    environment.extend(own(platform));
    environment.extend(own(fixed));
    environment
}
