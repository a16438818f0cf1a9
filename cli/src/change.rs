//! What differs between two JSON documents, one line a leaf.
//!
//! Deliberately leaves only: a list is one value, so that reordering shows as what it is.

use serde_json::{Value, json};

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// Dotted, `scaling.max_scale`.
    path: String,
    from: Option<Value>,
    to: Option<Value>,
}

/// Everything that differs, in the order of the keys.
pub(crate) fn changes(from: &Value, to: &Value) -> Vec<Change> {
    let mut out = Vec::new();
    compare("", Some(from), Some(to), &mut out);
    out
}

fn compare(path: &str, from: Option<&Value>, to: Option<&Value>, out: &mut Vec<Change>) {
    let members = |value: Option<&Value>| value.is_none_or(Value::is_object);
    if from == to {
        return;
    }
    let both = [from, to].map(|v| v.and_then(Value::as_object));
    if members(from) && members(to) && both.iter().flatten().any(|o| !o.is_empty()) {
        let mut keys: Vec<&String> = both.iter().flatten().flat_map(|o| o.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let inner = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let [a, b] = both.map(|o| o.and_then(|o| o.get(key)).filter(|v| !v.is_null()));
            compare(&inner, a, b, out);
        }
        return;
    }
    out.push(Change {
        path: path.to_owned(),
        from: from.cloned(),
        to: to.cloned(),
    });
}

impl Change {
    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({"path": self.path, "from": self.from, "to": self.to})
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "~ {}: {from} -> {to}", self.path),
            (None, Some(to)) => write!(f, "+ {}: {to}", self.path),
            (Some(from), None) => write!(f, "- {}: {from}", self.path),
            (None, None) => write!(f, "  {}", self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: Value, to: Value, expected: &[&str]) {
        let lines: Vec<String> = changes(&from, &to)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(lines, expected, "{from} {to}");
    }

    #[test]
    fn only_leaves_that_differ_are_named() {
        check(
            json!({"a": 1, "b": {"c": 2}}),
            json!({"a": 1, "b": {"c": 2}}),
            &[],
        );
        check(
            json!({"a": 1, "b": {"c": 2, "d": [1]}, "x": "y"}),
            json!({"a": 1, "b": {"c": 3, "d": [2]}, "z": null}),
            &["~ b.c: 2 -> 3", "~ b.d: [1] -> [2]", "- x: \"y\""],
        );
        check(
            json!({}),
            json!({"a": {"b": 1, "c": {}}}),
            &["+ a.b: 1", "+ a.c: {}"],
        );
    }
}
