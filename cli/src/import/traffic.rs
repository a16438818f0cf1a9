//! A Knative Service's traffic.
//!
//! Deliberately only that of the revision the YAML holds: of the others there is nothing to run.

use serde_json::{Value, json};

use super::Outcome;
use super::tree::Tree;

/// Targets of the revision the YAML describes; others are not in it.
pub(super) fn targets(tree: &mut Tree) -> Vec<Value> {
    let template = "/spec/template/metadata/name";
    let newest = tree.text(template);
    if newest.is_some() {
        let detail = "revisions are numbered: NAME-00001";
        tree.note(template, Outcome::Changed, detail);
    }
    let mut percent = 0;
    let mut tags: Vec<String> = Vec::new();
    let count = tree.len("/spec/traffic");
    for index in 0..count {
        let at = |field: &str| format!("/spec/traffic/{index}/{field}");
        let revision = tree.text(&at("revisionName"));
        let share: u64 = tree
            .text(&at("percent"))
            .and_then(|p| p.parse().ok())
            .unwrap_or(0);
        let tag = tree.text(&at("tag"));
        tree.mark(&at("latestRevision"));
        let pointer = format!("/spec/traffic/{index}");
        if let Some(name) = revision.filter(|name| Some(name) != newest.as_ref()) {
            let detail = format!(
                "revision {name} is not in this file: import it first, then `gateless traffic set`"
            );
            tree.note(&pointer, Outcome::NotMapped, &detail);
            continue;
        }
        percent += share;
        tags.extend(tag);
        tree.note(&pointer, Outcome::Mapped, "traffic, to the newest revision");
    }
    if count > 0 && percent != 100 {
        let detail = format!("100% to the newest revision instead of {percent}%");
        tree.note("/spec/traffic", Outcome::Changed, &detail);
    }
    let targets = tags.iter().enumerate().map(|(index, tag)| {
        let percent = if index == 0 { 100 } else { 0 };
        json!({"revision": null, "latest": true, "percent": percent, "tag": tag})
    });
    targets.collect()
}
