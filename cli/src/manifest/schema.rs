//! The JSON Schema of `function.toml`, made from the manifest's own types.
//!
//! Only built for tests: the committed openapi/function.schema.json is what the binary carries
//! and editors read; the test here says when it is stale.

use std::borrow::Cow;

use gateless_common::spec::{self, SECTIONS};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::units::{Bytes, Millicores, Millis};
use super::{Command, Manifest};

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../openapi/function.schema.json"
);

fn quantity(pattern: &str, description: &str, examples: &[&str]) -> Schema {
    json_schema!({
        "description": description,
        "anyOf": [{"type": "string", "pattern": pattern}, {"const": 0}],
        "examples": examples,
    })
}

impl JsonSchema for Millis {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        quantity(
            r"^\s*(0|([0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)\s*)+)$",
            "A duration with its unit, or 0.",
            &["500ms", "30s", "1m30s", "2h"],
        )
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        quantity(
            r"^\s*(0|([0-9]+(\.[0-9]+)?\s*(B|kB|KB|MB|GB|KiB|MiB|GiB|TiB)\s*)+)$",
            "A size with its unit, or 0.",
            &["512KiB", "64MiB", "1GB"],
        )
    }
}

impl JsonSchema for Millicores {
    fn schema_name() -> Cow<'static, str> {
        "Cpu".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "CPUs, or thousandths of one with the unit m.",
            "anyOf": [
                {"type": "string", "pattern": r"^\s*([0-9]+m|[0-9]+(\.[0-9]{1,3})?)\s*$"},
                {"type": "number", "minimum": 0},
            ],
            "examples": ["500m", "0.5", 2],
        })
    }
}

impl JsonSchema for Command {
    fn schema_name() -> Cow<'static, str> {
        "Command".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Program and arguments, or one text for /bin/sh -c.",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
        })
    }
}

/// TOML has no null: an optional key is one that may be left out.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    members.insert("type".into(), one);
                }
            }
            if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
                choices.retain(|choice| *choice != json!({"type": "null"}));
                if let [Value::Object(one)] = choices.as_slice() {
                    let one = one.clone();
                    members.remove("anyOf");
                    members.extend(one);
                }
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// The defaults and ranges of the settings, as `function.toml` spells them.
fn add_settings(schema: &mut Value) {
    for field in SECTIONS.iter().flat_map(|section| &section.settings) {
        let definition = match field.section {
            "process" => String::new(),
            section => format!("/definitions/{}", capitalized(section)),
        };
        let pointer = format!("{definition}/properties/{}", field.toml);
        let property = schema.pointer_mut(&pointer).and_then(Value::as_object_mut);
        let Some(property) = property else {
            panic!("function.toml has no {}", field.toml_path());
        };
        let number = |value| match value {
            spec::Value::Whole(value) => json!(value),
            spec::Value::Number(value) if value.fract() == 0.0 => json!(value as i64),
            spec::Value::Number(value) => json!(value),
            spec::Value::Flag(value) => json!(value),
            spec::Value::Text(_) | spec::Value::None => Value::Null,
        };
        let quantity = property.contains_key("$ref");
        if field.default != spec::Value::None {
            let default = match quantity {
                true => json!(field.spell(field.default)),
                false => number(field.default),
            };
            property.insert("default".into(), default);
        }
        match field.range {
            // A schema can compare numbers, but no texts with units.
            Some(_) if quantity => {
                let text = format!("{} {}.", field.text, field.range_text());
                property.insert("description".into(), json!(text));
            }
            Some((low, high)) => {
                property.insert("minimum".into(), number(field.also.unwrap_or(low)));
                property.insert("maximum".into(), number(high));
            }
            None => {}
        }
    }
}

fn capitalized(section: &str) -> String {
    let (first, rest) = section.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

#[test]
fn the_published_schema_is_that_of_the_manifest() {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<Manifest>();
    schema.insert("title".into(), "function.toml".into());
    let mut value = schema.to_value();
    without_null(&mut value);
    add_settings(&mut value);
    let made = format!("{value:#}\n");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(FILE).unwrap_or_default(),
        made,
        "stale: UPDATE_SCHEMA=1 cargo test -p gateless schema"
    );
}
