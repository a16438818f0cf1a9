//! docs/architecture.md names files that are there, so that a stranger who follows it gets somewhere.

use std::collections::BTreeSet;

use super::{none, read, tracked};

/// What stands in backticks and looks like a path.
fn paths(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let is_path =
        |part: &&str| part.chars().all(plain) && (part.contains('/') || part.ends_with(".rs"));
    quoted.filter(is_path).collect()
}

/// Every file and every folder with one, each from the root and from each folder above it.
fn places() -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for file in tracked() {
        let mut end = Some(file.len());
        while let Some(at) = end {
            let place = &file[..at];
            let starts = place.match_indices('/').map(|(slash, _)| slash + 1);
            places.extend(
                std::iter::once(0)
                    .chain(starts)
                    .map(|from| place[from..].to_owned()),
            );
            end = place.rfind('/');
        }
    }
    places
}

#[test]
fn every_path_of_the_architecture_is_there() {
    let places = places();
    let text = read("docs/architecture.md");
    let found = paths(&text);
    assert!(found.len() > 60, "{found:?}");
    let is_there = |path: &&str| {
        let path = path.trim_end_matches('/');
        // `core/hold` is `sidecar/core/src/hold.rs`.
        let inside = path
            .split_once('/')
            .map(|(first, rest)| format!("{first}/src/{rest}"));
        [path.to_owned()]
            .into_iter()
            .chain(inside)
            .flat_map(|path| [format!("{path}.rs"), path])
            .any(|path| places.contains(&path))
    };
    // In a sidecar's data folder, not here.
    let elsewhere = ["instances/ID/manifest.json"];
    let missing = found
        .into_iter()
        .filter(|path| !is_there(path) && !elsewhere.contains(path));
    none(
        "paths that are not there",
        missing.map(str::to_owned).collect(),
    );
}
