//! Clocks are read in one place of each part; everything else is given a moment or asks there.
//!
//! By the tokens of the code. Tests, fakes and the command line, which times what it does for people, are left out.

use super::{none, read, rust_files};
use crate::rooms::{code, is_test};

/// A part, and its one file that reads clocks; none at all where a decision must not know the time.
const READERS: [(&str, &str); 9] = [
    ("common/src/", "common/src/io.rs"),
    ("sidecar/core/src/", ""),
    ("sidecar/sandbox/src/", ""),
    ("sidecar/wasm/src/", "sidecar/wasm/src/clock.rs"),
    ("sidecar/src/", "sidecar/src/clock.rs"),
    ("server/src/", "server/src/clock.rs"),
    ("proto/src/", ""),
    ("listen/src/", "listen/src/clock.rs"),
    ("tls/src/", ""),
];

const READINGS: [&str; 7] = [
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "clock_gettime",
    "clock_nanosleep",
    ".elapsed()",
];

/// What the code reads, not what its comments say.
fn readings(text: &str) -> Vec<&'static str> {
    let lines: Vec<&str> = code(text)
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let found = READINGS.into_iter();
    found
        .filter(|reading| lines.iter().any(|line| line.contains(reading)))
        .collect()
}

#[test]
fn a_reading_is_found_in_code_alone() {
    assert_eq!(readings("let now = Instant::now();"), ["Instant::now"]);
    assert_eq!(
        readings("let took = began\n    .elapsed();"),
        [".elapsed()"]
    );
    let told = "/// No `Instant::now` here.\nfn f(now: Instant) {}\n";
    assert_eq!(readings(told), [""; 0]);
    let tested = "fn f() {}\n#[cfg(test)]\nmod tests {\n    Instant::now()\n}\n";
    assert_eq!(readings(tested), [""; 0]);
}

#[test]
fn each_part_reads_its_clocks_in_one_place() {
    let files = rust_files();
    let mut wrong = Vec::new();
    for (part, reader) in READERS {
        let inside = |file: &&String| file.starts_with(part) && !is_test(file);
        for file in files.iter().filter(inside) {
            let found = readings(&read(file));
            if !found.is_empty() && file != reader {
                wrong.push(format!("{file}: {}", found.join(", ")));
            }
        }
        let reads = || !readings(&read(reader)).is_empty();
        assert!(reader.is_empty() || reads(), "{reader} reads no clock");
    }
    none("clocks are read outside the file that does it", wrong);
}
