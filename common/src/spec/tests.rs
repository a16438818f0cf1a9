//! The table is consistent, and its checks and spellings are right.

use std::collections::BTreeSet;

use super::*;

fn find(path: &str) -> &'static Field {
    fields().find(|field| field.path() == path).unwrap()
}

#[test]
fn every_default_is_in_its_range() {
    for field in fields().filter(|field| field.range.is_some()) {
        assert_eq!(field.check(field.default), Ok(()), "{}", field.path());
        assert!(!field.text.is_empty(), "{}", field.path());
    }
}

#[test]
fn no_field_is_listed_twice_and_the_toml_name_is_the_json_name_without_its_unit() {
    let mut seen = BTreeSet::new();
    for field in fields() {
        assert!(seen.insert(field.path()), "{}", field.path());
        let bare = field
            .json
            .trim_end_matches("_ms")
            .trim_end_matches("_bytes")
            .trim_end_matches("_millicores");
        let named = [field.json, bare, ""].contains(&field.toml);
        assert!(named, "{} is {} in function.toml", field.path(), field.toml);
    }
    assert!(seen.len() > 50, "{}", seen.len());
}

#[test]
fn a_value_outside_the_range_is_refused_with_what_would_be_right() {
    let check = |path: &str, value: Value| find(path).check(value).err().unwrap_or_default();
    assert_eq!(check("retries.max_attempts", Value::Whole(10)), "");
    assert_eq!(
        check("retries.max_attempts", Value::Whole(11)),
        "must be 1 to 10, not 11"
    );
    assert_eq!(check("scaling.target", Value::None), "");
    assert_eq!(
        check("scaling.target", Value::Number(f64::NAN)),
        "must be 0.01 to 1000000, not NaN"
    );
    assert_eq!(
        check("scaling.target_burst_capacity", Value::Number(-1.0)),
        ""
    );
    assert_eq!(
        check("scaling.target_burst_capacity", Value::Number(-0.5)),
        "must be -1 or 0 to 1000000000, not -0.5"
    );
}

#[test]
fn values_are_spelt_as_function_toml_reads_them() {
    for (path, expected) in [
        ("limits.timeout_ms", ("5m", "0 to 1d")),
        ("async.max_result_bytes", ("1MiB", "0 to 1GiB")),
        ("process.memory_bytes", ("none", "1MiB to 16TiB")),
        ("process.cpu_millicores", ("none", "10m to 1000")),
        ("limits.container_concurrency", ("0: none", "0 to 1000")),
        (
            "scaling.target_burst_capacity",
            ("211", "0 to 1000000000; -1"),
        ),
        ("protocol", ("http1", "`http1`, `h2c`")),
    ] {
        let field = find(path);
        let found = (field.default_text(), field.range_text());
        assert_eq!((found.0.as_str(), found.1.as_str()), expected, "{path}");
    }
    assert_eq!(
        find("limits.timeout_ms").spell(Value::Whole(90_500)),
        "1m30s500ms"
    );
    assert_eq!(find("limits.timeout_ms").toml_path(), "limits.timeout");
    assert_eq!(find("process.memory_bytes").toml_path(), "memory");
    assert_eq!(find("wasm.memory_bytes").toml_path(), "wasm.memory");
    assert_eq!(find("wasm.component").toml_path(), "component");
}
