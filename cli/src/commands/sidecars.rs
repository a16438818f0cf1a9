//! `sidecars`: the hosts functions run on, and finding one to call.
//!
//! Deliberately trusts the server's list only as a hint: whoever calls tries the next address
//! when one does not answer.

use serde_json::Value;

use super::age;
use crate::client::{Client, segment};
use crate::failure::{Exit, Failure};
use crate::login::check_url;
use crate::output::{Output, at};

/// `gateless sidecars`
pub(crate) async fn sidecars(client: &Client, out: &mut Output) -> Result<(), Failure> {
    let items = client.list("/v1/sidecars", &[], 1000).await?;
    let headers = [
        "NODE",
        "STATE",
        "PUBLIC",
        "CONFIG VERSION",
        "LAG",
        "LAST SEEN",
    ];
    out.list(items, &headers, |sidecar| {
        vec![
            at(sidecar, "/node_id"),
            if is_up(sidecar) {
                "up".into()
            } else {
                "down".into()
            },
            at(sidecar, "/public_url"),
            at(sidecar, "/config_version"),
            at(sidecar, "/lag"),
            age(sidecar, "/last_seen_at"),
        ]
    })
}

fn is_up(sidecar: &Value) -> bool {
    sidecar["connected"] == true
}

/// Public addresses to try, best first: the one given, or the server's, live ones first.
pub(crate) async fn entrances(
    client: &Client,
    given: Option<&String>,
) -> Result<Vec<String>, Failure> {
    if let Some(url) = given {
        return Ok(vec![check_url(url)?]);
    }
    let sidecars = client
        .list("/v1/sidecars", &[], 100)
        .await
        .map_err(|failure| {
            if failure.exit() == Exit::Unreachable {
                failure
                    .hint("calls need no server: name a sidecar with --sidecar or GATELESS_SIDECAR")
            } else {
                failure
            }
        })?;
    let mut sidecars = sidecars.items;
    sidecars.sort_by_key(|sidecar| !is_up(sidecar));
    let urls: Vec<String> = sidecars
        .iter()
        .filter_map(|sidecar| sidecar["public_url"].as_str())
        .filter_map(|url| check_url(url).ok())
        .collect();
    if urls.is_empty() {
        return Err(
            Failure::new(Exit::Failure, "no_sidecar", "the server knows no sidecar")
                .hint("start one with `gateless sidecar`, or name one with --sidecar"),
        );
    }
    Ok(urls)
}

/// `NAME` in the client's namespace, or `NAME.NAMESPACE`, as it stands in a call's path.
pub(crate) fn call_name(client: &Client, function: &str) -> String {
    if function.contains('.') {
        segment(function)
    } else {
        segment(&format!("{function}.{}", client.namespace()))
    }
}
