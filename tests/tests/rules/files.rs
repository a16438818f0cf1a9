//! Files are replaced in one place, `common/src/io.rs`, which knows what survives a power cut.

use super::{none, read, rust_files};
use crate::rooms::{code, is_test};

/// Who moves files without it, and why nothing is lost by that.
const MOVES: [(&str, &str); 6] = [
    (
        "sidecar/src/catalogue/last_good.rs",
        "puts a damaged file aside for people",
    ),
    (
        "sidecar/src/instance/logs/store.rs",
        "turns a log over, and the end of a log may be lost",
    ),
    (
        "sidecar/src/instance/process/bundle.rs",
        "unpacks into a cache that every boot begins anew",
    ),
    (
        "sidecar/src/instance/process/bundle/unpack.rs",
        "links within that cache",
    ),
    (
        "sidecar/src/queue/local/engine.rs",
        "takes back a journal that was not opened",
    ),
    (
        "server/src/store/sled/open.rs",
        "puts a damaged folder aside for people",
    ),
];

const MOVING: [&str; 2] = ["fs::rename(", "fs::hard_link("];

#[test]
fn files_are_replaced_in_one_place() {
    let moves = |file: &String| {
        let text = read(file);
        MOVING.iter().any(|token| code(&text).contains(token))
    };
    let shipped = rust_files()
        .into_iter()
        .filter(|file| file.contains("/src/") && !file.starts_with("tests/") && !is_test(file));
    let found: Vec<_> = shipped.filter(moves).collect();
    let known = |file: &&String| {
        **file == "common/src/io.rs" || MOVES.iter().any(|(known, _)| file == known)
    };
    let unknown = found.iter().filter(|file| !known(file));
    none(
        "files that move files past common/src/io.rs",
        unknown.cloned().collect(),
    );
    let gone = MOVES
        .iter()
        .filter(|(file, _)| !found.iter().any(|other| other == file));
    none(
        "exceptions that nobody needs",
        gone.map(|(file, why)| format!("{file}: {why}")).collect(),
    );
}
