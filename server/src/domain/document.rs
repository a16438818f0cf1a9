//! JSON documents into types, with a fault that says where: a line, or a pointer.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::FieldError;

/// Why a document is not the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON.
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        detail: String,
    },
    /// JSON, but a field is missing, unknown or of another type.
    Field(FieldError),
}

/// Parses a request's body.
///
/// # Errors
/// The first [`Fault`].
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut reader);
    let value = parsed.map_err(|error| fault(error.path(), error.inner()))?;
    reader.end().map_err(|error| syntax(&error))?;
    Ok(value)
}

/// Reads a document that was JSON already.
///
/// # Errors
/// The first [`Fault::Field`].
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let text = error.inner().to_string();
        FieldError::new(pointer(error.path(), &text), text)
    })
}

fn fault(path: &Path, error: &serde_json::Error) -> Fault {
    if !error.is_data() {
        return syntax(error);
    }
    let text = without_position(error);
    Fault::Field(FieldError::new(pointer(path, &text), text))
}

fn syntax(error: &serde_json::Error) -> Fault {
    Fault::Syntax {
        line: error.line(),
        column: error.column(),
        detail: without_position(error),
    }
}

/// serde_json appends " at line 1 column 2"; the pointer or our own fields say it better.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn pointer(path: &Path, text: &str) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&pointer_segment(key));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    // A missing field has no path of its own, an unknown one may or may not.
    for prefix in ["missing field `", "unknown field `"] {
        let named = text
            .strip_prefix(prefix)
            .and_then(|rest| rest.split('`').next());
        if let Some(name) = named {
            let own = format!("/{}", pointer_segment(name));
            if !(prefix.starts_with("unknown") && pointer.ends_with(&own)) {
                pointer.push_str(&own);
            }
        }
    }
    pointer
}

/// A key of a map as a JSON pointer's segment, cut so that an error stays short.
pub fn pointer_segment(key: &str) -> String {
    let cut: String = key.chars().take(128).collect();
    cut.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::Spec;

    fn check(text: &str, expected: &str) {
        let found = match from_slice::<Spec>(text.as_bytes()) {
            Ok(_) => "ok".to_owned(),
            Err(Fault::Syntax { line, column, .. }) => format!("{line}:{column}"),
            Err(Fault::Field(error)) => error.pointer,
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_fault_says_where_it_is() {
        check(r#"{"kind": "process"}"#, "ok");
        check("{\"kind\":\n nope}", "2:2");
        check(r#"{"kind": "process"} x"#, "1:21");
        check("", "1:0");
        check(r#"{"kind": "jar"}"#, "/kind");
        check("{}", "/kind");
        check(r#"{"kind": "process", "kinds": 1}"#, "/kinds");
        check(
            r#"{"kind": "process", "scaling": {"max": 1}}"#,
            "/scaling/max",
        );
        check(
            r#"{"kind": "process", "scaling": {"max_scale": -1}}"#,
            "/scaling/max_scale",
        );
        check(
            r#"{"kind": "process", "process": {"command": ["a", 1]}}"#,
            "/process/command/1",
        );
        check(r#"{"kind": "process", "env": {"a/b": 1}}"#, "/env/a~1b");
        check(
            r#"{"kind": "process", "secrets": [{"env": "A"}]}"#,
            "/secrets/0/secret",
        );
    }
}
