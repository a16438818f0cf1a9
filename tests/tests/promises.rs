//! docs/specification.md promises numbers: each is the constant or the default it says, and each row names the test that holds it.
//!
//! It reads files only: whether the tests named pass is theirs to say. A row without a test says `none`, and
//! [`UNTESTED`] says how many do: the number may fall, never rise.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gateless_common::spec::{Value, fields};

/// Rows whose test is `none`.
const UNTESTED: usize = 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every Rust file git knows, with its text.
fn sources() -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "*.rs"])
        .current_dir(root())
        .output()
        .unwrap();
    let names = String::from_utf8(listed.stdout).unwrap();
    let there = names.split('\0').filter(|name| root().join(name).is_file());
    there
        .map(|name| {
            (
                name.to_owned(),
                fs::read_to_string(root().join(name)).unwrap(),
            )
        })
        .collect()
}

/// A promise: what the row says, where its numbers are from, which tests hold it.
struct Row {
    text: String,
    from: Vec<String>,
    tests: Vec<String>,
}

/// The rows of the table below `heading`.
fn rows(heading: &str) -> Vec<Row> {
    let document = fs::read_to_string(root().join("docs/specification.md")).unwrap();
    let section = document.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let row = |line: &str| {
        let mut cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (tests, from) = (cells.pop().unwrap(), cells.pop().unwrap());
        Row {
            text: cells.join(" | "),
            from: quoted(from),
            tests: if tests == "none" {
                Vec::new()
            } else {
                quoted(tests)
            },
        }
    };
    let rows: Vec<Row> = lines.map(row).collect();
    assert!(rows.len() > 20, "{heading} has hardly any row");
    rows
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(String::from)
        .collect()
}

/// A constant's type and what it is set to, by `FILE::NAME`; a file is named by its stem, or by more of its path where that is not enough.
fn constants(sources: &[(String, String)]) -> BTreeMap<(String, String), (String, String)> {
    let mut found = BTreeMap::new();
    for (file, text) in sources {
        let shipped = [
            "common/src/",
            "identity/src/",
            "listen/src/",
            "server/src/",
            "sidecar/src/",
            "sidecar/core/src/",
            "sidecar/sandbox/src/",
            "sidecar/wasm/src/",
            "tls/src/",
        ];
        if !shipped.iter().any(|folder| file.starts_with(folder)) || file.contains("test") {
            continue;
        }
        let module = file.trim_end_matches(".rs").trim_end_matches("/mod");
        for declared in text.split("const ").skip(1) {
            let Some((name, rest)) = declared.split_once(": ") else {
                continue;
            };
            let Some((kind, value)) = rest.split_once(" = ") else {
                continue;
            };
            let constant = !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            if let (true, Some((value, _))) = (constant, value.split_once(';')) {
                let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
                found.insert(
                    (module.to_owned(), name.to_owned()),
                    (kind.to_owned(), value),
                );
            }
        }
    }
    assert!(found.len() > 100, "{}", found.len());
    found
}

/// A whole number written as a product of sums of shifts: `64 * 1024`, `1 << 20`, `10_000`.
fn number(text: &str) -> Option<u128> {
    let text = text.trim();
    if let Some((left, right)) = text.split_once("<<") {
        return Some(number(left)? << number(right)?);
    }
    if let Some((left, right)) = text.split_once('*') {
        return Some(number(left)? * number(right)?);
    }
    text.replace('_', "").parse().ok()
}

/// Every way a document may write a constant's value.
fn spellings(name: &str, value: &str) -> Vec<String> {
    let call = |unit: &str| {
        let inner = value.split_once(&format!("from_{unit}("))?.1;
        number(inner.strip_suffix(')')?)
    };
    let millis = call("secs").map(|s| s * 1000).or_else(|| call("millis"));
    if let Some(millis) = millis {
        return durations(millis);
    }
    let Some(number) = number(value) else {
        return Vec::new();
    };
    if name.ends_with("_SECONDS") {
        return durations(number * 1000);
    }
    if name.ends_with("_MS") {
        return durations(number);
    }
    let bytes = if name.ends_with("_KIB") {
        number << 10
    } else {
        number
    };
    let mut all = vec![thousands(number)];
    for (unit, factor) in [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)] {
        if bytes.is_multiple_of(factor) {
            all.push(format!("{} {unit}", bytes / factor));
        }
    }
    all
}

fn durations(millis: u128) -> Vec<String> {
    let units = [
        ("ms", 1),
        ("s", 1_000),
        ("min", 60_000),
        ("minutes", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("days", 86_400_000),
        ("year", 365 * 86_400_000),
    ];
    let fits = units
        .iter()
        .filter(|(_, factor)| millis.is_multiple_of(*factor));
    let mut all: Vec<String> = fits
        .map(|(unit, factor)| format!("{} {unit}", thousands(millis / factor)))
        .collect();
    if millis == 1_000 {
        all.extend(["every second".to_owned(), "once a second".to_owned()]);
    }
    all
}

/// With commas, as the document has it.
fn thousands(number: u128) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Whether `text` has `spelling` with nothing before or after it that would make it another number.
fn says(text: &str, spelling: &str) -> bool {
    text.match_indices(spelling).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + spelling.len()..].chars().next();
        let part = |c: char| c.is_ascii_alphanumeric();
        !before.is_some_and(|c| part(c) || c == ',' || c == '.') && !after.is_some_and(part)
    })
}

/// What `FILE::NAME` is set to.
fn look_up<'a>(
    known: &'a BTreeMap<(String, String), (String, String)>,
    reference: &str,
) -> Result<(&'a str, &'a str), String> {
    let (file, name) = reference
        .split_once("::")
        .ok_or_else(|| format!("{reference} is no FILE::NAME"))?;
    let mut fits = known.iter().filter(|((module, constant), _)| {
        constant == name && format!("/{module}").ends_with(&format!("/{file}"))
    });
    match (fits.next(), fits.next()) {
        (Some(((_, name), (_, value))), None) => Ok((name, value)),
        (None, _) => Err(format!("there is no constant {reference}")),
        (Some(_), Some(_)) => Err(format!(
            "{reference} means several constants: name more of the path"
        )),
    }
}

/// A setting's default in the document's spelling.
fn default_spellings(path: &str) -> Result<Vec<String>, String> {
    let field = fields()
        .find(|field| field.path() == path)
        .ok_or_else(|| format!("there is no setting {path}"))?;
    Ok(match field.default {
        Value::Whole(0) => vec!["off".to_owned(), "none".to_owned()],
        Value::Whole(value) if field.json.ends_with("_ms") => durations(value.into()),
        Value::Whole(value) => spellings(field.json, &value.to_string()),
        other => vec![other.to_string()],
    })
}

#[test]
fn every_promised_number_is_the_one_in_the_code() {
    let known = constants(&sources());
    let mut wrong = Vec::new();
    for row in rows("Bounds").iter().chain(&rows("Times")) {
        for from in &row.from {
            let spelt = match from.contains("::") {
                true => look_up(&known, from).map(|(name, value)| spellings(name, value)),
                false => default_spellings(from),
            };
            match spelt {
                Err(reason) => wrong.push(reason),
                Ok(all) if !all.iter().any(|one| says(&row.text, one)) => {
                    wrong.push(format!(
                        "{from} is {}, which its row does not say: {}",
                        all.join(" or "),
                        row.text
                    ));
                }
                Ok(_) => {}
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/specification.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let mut tests = BTreeSet::new();
    for (_, text) in sources() {
        // What a harness of our own calls a test.
        let trials = text.split("Trial::ignorable_test(\"").skip(1);
        tests.extend(trials.filter_map(|rest| rest.split('"').next().map(str::to_owned)));
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            if line.starts_with("#[test") || line.starts_with("#[tokio::test") {
                let named = lines[index..]
                    .iter()
                    .take(6)
                    .find_map(|line| line.split_once("fn "));
                tests.extend(
                    named
                        .and_then(|(_, rest)| rest.split('(').next())
                        .map(str::to_owned),
                );
            }
        }
    }
    let (bounds, times) = (rows("Bounds"), rows("Times"));
    let rows = || bounds.iter().chain(&times);
    let missing: Vec<_> = rows()
        .flat_map(|row| &row.tests)
        .filter(|name| !tests.contains(*name))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/specification.md names tests that are not there: {missing:#?}"
    );
    let untested = rows().filter(|row| row.tests.is_empty()).count();
    assert_eq!(
        untested, UNTESTED,
        "rows without a test: set UNTESTED when it fell, write a test when it rose"
    );
}

#[test]
fn every_bound_of_the_code_is_in_the_specification() {
    let known = constants(&sources());
    let named: BTreeSet<String> = rows("Bounds")
        .into_iter()
        .chain(rows("Times"))
        .flat_map(|row| row.from)
        .chain(inner_bounds().into_iter().map(|(reference, _)| reference))
        .collect();
    let missing: Vec<String> = known
        .keys()
        .filter(|(_, name)| name.starts_with("MAX_"))
        .filter(|(module, name)| {
            let is = |reference: &String| {
                let (file, constant) = reference.split_once("::").unwrap_or((reference, ""));
                constant == name && format!("/{module}").ends_with(&format!("/{file}"))
            };
            !named.iter().any(is)
        })
        .map(|(module, name)| format!("{module}::{name}"))
        .collect();
    assert!(
        missing.is_empty(),
        "bounds that docs/specification.md does not have: {missing:#?}"
    );
}

/// The constants of the section for bounds that only the code meets, with what is said of each.
fn inner_bounds() -> Vec<(String, String)> {
    let document = fs::read_to_string(root().join("docs/specification.md")).unwrap();
    let section = document.split("\n## Inner bounds\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| {
        let (reference, value) = line.trim_matches('|').split_once('|').unwrap();
        (quoted(reference).remove(0), value.trim().to_owned())
    })
    .collect()
}

#[test]
fn every_inner_bound_is_the_one_in_the_code() {
    let known = constants(&sources());
    let wrong: Vec<String> = inner_bounds()
        .into_iter()
        .filter_map(|(reference, value)| match look_up(&known, &reference) {
            Err(reason) => Some(reason),
            Ok((_, found)) => {
                let name = reference.split_once("::").map_or("", |(_, name)| name);
                let fits = value == format!("`{found}`") || spellings(name, found).contains(&value);
                (!fits).then(|| format!("{reference} is {found}, not {value}"))
            }
        })
        .collect();
    assert!(wrong.is_empty(), "docs/specification.md: {wrong:#?}");
}
