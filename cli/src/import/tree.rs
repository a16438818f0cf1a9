//! A parsed document that knows which of its fields were read.
//!
//! What is left at the end is what nobody understood, and is reported by path. Deliberately knows
//! nothing of either platform.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Note, Outcome};

/// The document; fields are named by JSON pointers.
#[derive(Debug)]
pub(super) struct Tree {
    base: String,
    root: Value,
    read: BTreeSet<String>,
    notes: Vec<Note>,
}

impl Tree {
    /// `base` goes before every path.
    pub(super) fn new(base: &str, root: Value) -> Self {
        Self {
            base: base.to_owned(),
            root,
            read: BTreeSet::new(),
            notes: Vec::new(),
        }
    }

    /// Looks without reading.
    pub(super) fn peek(&self, pointer: &str) -> Option<&Value> {
        self.root.pointer(pointer).filter(|value| !value.is_null())
    }

    /// Reads a text, number or boolean as text.
    pub(super) fn text(&mut self, pointer: &str) -> Option<String> {
        let text = scalar(self.peek(pointer)?)?;
        self.mark(pointer);
        Some(text)
    }

    /// Counts a field, with all below it, as read.
    pub(super) fn mark(&mut self, pointer: &str) {
        self.read.insert(pointer.to_owned());
    }

    /// Keys of an object, as parts of pointers.
    pub(super) fn keys(&self, pointer: &str) -> Vec<String> {
        let object = self.peek(pointer).and_then(Value::as_object);
        object.into_iter().flat_map(|o| o.keys().cloned()).collect()
    }

    /// Items of a list.
    pub(super) fn len(&self, pointer: &str) -> usize {
        self.peek(pointer)
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    }

    /// A list of texts, read if it is one.
    pub(super) fn texts(&mut self, pointer: &str) -> Option<Vec<String>> {
        let list = self.peek(pointer)?.as_array()?;
        let texts = list.iter().map(scalar).collect::<Option<Vec<_>>>()?;
        self.mark(pointer);
        Some(texts)
    }

    /// Reports a field, and counts it as read.
    pub(super) fn note(&mut self, pointer: &str, outcome: Outcome, detail: &str) {
        self.mark(pointer);
        self.notes.push(Note {
            path: self.path(pointer),
            outcome,
            detail: detail.to_owned(),
        });
    }

    /// Every note, and one for each field that was not read.
    pub(super) fn finish(mut self, why: fn(&str) -> Option<&'static str>) -> Vec<Note> {
        let root = std::mem::take(&mut self.root);
        self.left("", &root, why);
        self.notes
    }

    fn left(&mut self, pointer: &str, value: &Value, why: fn(&str) -> Option<&'static str>) {
        if self.read.contains(pointer) || value.is_null() {
            return;
        }
        let reason = why(pointer);
        let below = match value {
            Value::Object(object) if reason.is_none() && !object.is_empty() => object
                .iter()
                .map(|(key, value)| (format!("{pointer}/{}", escape(key)), value))
                .collect(),
            Value::Array(list) if reason.is_none() && !list.is_empty() => list
                .iter()
                .enumerate()
                .map(|(index, value)| (format!("{pointer}/{index}"), value))
                .collect(),
            _ => Vec::new(),
        };
        if below.is_empty() {
            let detail = reason.unwrap_or("there is nothing like it here");
            self.note(pointer, Outcome::NotMapped, detail);
        }
        for (pointer, value) in below {
            self.left(&pointer, value, why);
        }
    }

    /// `spec.containers[0].env`, with keys that are no names in quotes.
    fn path(&self, pointer: &str) -> String {
        let mut path = self.base.clone();
        for part in pointer.split('/').skip(1) {
            let key = part.replace("~1", "/").replace("~0", "~");
            let sign = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if key.bytes().all(|b| b.is_ascii_digit()) {
                path.push_str(&format!("[{key}]"));
            } else if key.chars().all(sign) {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&key);
            } else {
                path.push_str(&format!("[{key:?}]"));
            }
        }
        path
    }
}

/// A key as part of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A text, number or boolean as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A Kubernetes quantity of bytes.
pub(super) fn quantity(text: &str) -> Option<u64> {
    let units: [(&str, f64); 10] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        // OpenFaaS's older files write 128m for 128 MiB; Kubernetes's thousandths of a byte nobody means.
        ("m", 1_048_576.0),
        ("", 1.0),
    ];
    let found = |(suffix, unit): &(&str, f64)| Some((text.trim().strip_suffix(suffix)?, *unit));
    let (number, unit) = units.iter().find_map(found)?;
    let bytes = number.parse::<f64>().ok()? * unit;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be within 1 and 9e15"
    )]
    (1.0..=9e15)
        .contains(&bytes)
        .then_some(bytes.round() as u64)
}

/// A size as `function.toml` has it.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let whole = units.iter().find(|(_, unit)| bytes.is_multiple_of(*unit));
    match whole {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

/// A duration as `function.toml` has it.
pub(super) fn duration(millis: u64) -> String {
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let whole = units.iter().find(|(_, unit)| millis.is_multiple_of(*unit));
    match whole {
        _ if millis == 0 => "0".into(),
        Some((name, unit)) => format!("{}{name}", millis / unit),
        None => format!("{millis}ms"),
    }
}

/// A number as TOML writes it best.
pub(super) fn decimal(number: f64) -> toml::Value {
    let whole = number.fract() == 0.0 && number.abs() < 1e15;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 1e15")]
    if whole {
        toml::Value::Integer(number as i64)
    } else {
        toml::Value::Float(number)
    }
}
