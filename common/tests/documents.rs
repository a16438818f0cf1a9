//! What is made of the tables of settings and of codes and committed: tables of the documentation and of the dashboard's form.
//!
//! `UPDATE_SPEC=1 cargo test -p gateless-common --test documents` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use gateless_common::problem::{Code, Side};
use gateless_common::spec::{Field, SECTIONS, Unit, Value, fields};

/// Two tables are in one document, which is written anew for each.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Compares a committed file with what it should be, or writes it.
fn check(name: &str, made: impl FnOnce(&str) -> String) {
    let _turn = ONE_AT_A_TIME.lock();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let made = made(&committed);
    if std::env::var_os("UPDATE_SPEC").is_some() {
        std::fs::write(&path, &made).unwrap();
        return;
    }
    assert!(
        committed == made,
        "{name} is not what the code's table gives: UPDATE_SPEC=1 cargo test -p gateless-common --test documents"
    );
}

/// `document` with `table` between the marks of what it is made of.
fn between_marks(document: &str, made_of: &str, table: &str) -> String {
    let (start, end) = (format!("<!-- made of {made_of} -->\n"), "<!-- end -->");
    let Some((before, rest)) = document.split_once(&start) else {
        panic!("the document has no mark {start}");
    };
    let Some((_, after)) = rest.split_once(end) else {
        panic!("the document has no mark {end}");
    };
    format!("{before}{start}{table}{end}{after}")
}

#[test]
fn the_specifications_table_of_defaults_is_that_of_the_settings() {
    let mut table = String::from("| setting | default | range | |\n|---|---|---|---|\n");
    for field in fields() {
        let (path, text) = (field.path(), field.text);
        let (default, range) = (field.default_text(), field.range_text());
        writeln!(table, "| `{path}` | {default} | {range} | {text} |").unwrap();
    }
    check("docs/specification.md", |document| {
        between_marks(document, "common/src/spec", &table)
    });
}

#[test]
fn the_specifications_table_of_codes_is_that_of_the_code() {
    let mut codes: Vec<Code> = Code::ALL.to_vec();
    codes.retain(|code| code.side() != Side::Management);
    codes.sort_by_key(|code| code.status());
    let mut table = String::from("| status | code | |\n|---|---|---|\n");
    for code in codes {
        let (status, meaning) = (code.status(), code.meaning());
        writeln!(table, "| {status} | `{code}` | {meaning} |").unwrap();
    }
    check("docs/specification.md", |document| {
        between_marks(document, "common/src/problem.rs", &table)
    });
}

#[test]
fn the_table_of_keys_is_that_of_the_settings() {
    let mut table = String::new();
    for section in SECTIONS.iter() {
        let fields = section.shaped.iter().chain(&section.settings);
        let with_key: Vec<&Field> = fields.filter(|field| !field.toml.is_empty()).collect();
        let heading = match section.name {
            "" => "Keys of every function".to_owned(),
            "process" => "Keys of a process".to_owned(),
            name => format!("`[{name}]`"),
        };
        writeln!(table, "**{heading}** {}\n", section.text).unwrap();
        table.push_str("| key | default | range | |\n|---|---|---|---|\n");
        for field in with_key {
            let (key, text) = (field.toml_path(), field.text);
            let (default, range) = (field.default_text(), field.range_text());
            writeln!(table, "| `{key}` | {default} | {range} | {text} |").unwrap();
        }
        table.push('\n');
    }
    check("docs/function-toml.md", |document| {
        between_marks(document, "common/src/spec", &table)
    });
}

fn typescript(value: Value) -> String {
    match value {
        Value::None => "undefined".into(),
        Value::Text(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn kind(unit: Unit) -> &'static str {
    match unit {
        Unit::Millis | Unit::MillisOrNone => "duration",
        Unit::Bytes | Unit::BytesOrNone => "size",
        Unit::MillicoresOrNone => "cpu",
        Unit::Count | Unit::CountOrNone | Unit::Number | Unit::Derived => "number",
        Unit::Flag => "flag",
        Unit::Text => "text",
        Unit::Choice(_) => "choice",
        Unit::List => "list",
        Unit::Map => "map",
        Unit::Object => "object",
    }
}

#[test]
fn the_dashboards_table_is_that_of_the_settings() {
    let mut out = String::from(
        "// Made of common/src/spec; UPDATE_SPEC=1 cargo test -p gateless-common --test documents makes it anew.\n\n\
         export type Kind = \"text\" | \"number\" | \"duration\" | \"size\" | \"cpu\" | \"flag\" | \"choice\" | \"list\" | \"map\" | \"object\";\n\n\
         export interface Setting {\n  /** Its key in function.toml; empty when it has none. */\n  toml: string;\n  kind: Kind;\n  \
         /** In force when it is left out. */\n  fallback?: number | boolean | string;\n  low?: number;\n  high?: number;\n  \
         /** 0, or nothing, is no limit. */\n  unlimited?: true;\n  options?: readonly string[];\n  text: string;\n}\n\n\
         /** Every field of a function's spec, by its path. */\nexport const SETTINGS = {\n",
    );
    for field in fields() {
        let mut parts = vec![
            format!("toml: {:?}", field.toml_path()),
            format!("kind: {:?}", kind(field.unit)),
        ];
        if field.default != Value::None {
            parts.push(format!("fallback: {}", typescript(field.default)));
        }
        if let Some((low, high)) = field.range {
            let low = field.also.unwrap_or(low);
            parts.push(format!(
                "low: {}, high: {}",
                typescript(low),
                typescript(high)
            ));
        }
        if matches!(
            field.unit,
            Unit::MillisOrNone | Unit::CountOrNone | Unit::BytesOrNone | Unit::MillicoresOrNone
        ) {
            parts.push("unlimited: true".into());
        }
        if let Unit::Choice(options) = field.unit {
            parts.push(format!("options: {options:?}"));
        }
        parts.push(format!("text: {:?}", field.text));
        writeln!(out, "  {:?}: {{ {} }},", field.path(), parts.join(", ")).unwrap();
    }
    out.push_str("} as const satisfies Record<string, Setting>;\n");
    check("web/src/generated/spec.ts", |_| out);
}
