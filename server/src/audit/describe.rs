//! What was changed, field by field, without what is secret and within bounds.
//!
//! Pure. A key nobody thought of is named, and nothing of it is shown.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::chain::FieldChange;
use crate::store::recorded::Change;

/// The most fields of one entry; more are counted.
pub const MAX_FIELDS: usize = 64;
/// The most bytes of one field's value; a longer one is cut to its beginning.
pub const MAX_FIELD_BYTES: usize = 2_048;
const REDACTED: &str = "(redacted)";
const REDACTED_NEW: &str = "(redacted, new)";

/// How much of a key's value may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    /// Everything.
    All,
    /// Everything but the values under `/data`.
    NoData,
    /// That it changed.
    Nothing,
    /// Not even that: it is no change that anybody made, but what follows from one.
    Hidden,
}

fn show(key: &str) -> Show {
    let first = key.split('/').next().unwrap_or_default();
    match first {
        "functions" | "triggers" | "quotas" | "catalogue" => Show::All,
        "secrets" => Show::NoData,
        "revisions" => Show::Hidden,
        "auth" if key.starts_with("auth/tokens/") => Show::All,
        "auth" if key.starts_with("auth/sessions/") || key.starts_with("auth/links/") => {
            Show::Hidden
        }
        _ => Show::Nothing,
    }
}

/// The namespace that a change concerns: that of its key, or of the token or session in it; `None`: none in particular.
pub fn namespace(change: &Change) -> Option<String> {
    let mut parts = change.key.split('/');
    let (first, second) = (parts.next()?, parts.next()?);
    match first {
        "identity" | "catalogue" | "sealing" => None,
        "auth" => {
            let record = change.after.as_deref().or(change.before.as_deref());
            let record = value(record);
            let namespace = record.get("namespace")?.as_str()?;
            (namespace != "*").then(|| namespace.to_owned())
        }
        _ => Some(second.to_owned()),
    }
}

/// The changed fields, and how many more there are.
pub fn fields(changes: &[Change]) -> (Vec<FieldChange>, u32) {
    let mut all = Vec::new();
    for change in changes {
        let (before, after) = match show(&change.key) {
            Show::Hidden => continue,
            Show::All => (
                value(change.before.as_deref()),
                value(change.after.as_deref()),
            ),
            Show::NoData => redacted(
                value(change.before.as_deref()),
                value(change.after.as_deref()),
            ),
            Show::Nothing => (
                change
                    .before
                    .as_ref()
                    .map_or(Value::Null, |_| json!(REDACTED)),
                change
                    .after
                    .as_ref()
                    .map_or(Value::Null, |_| json!(REDACTED_NEW)),
            ),
        };
        let field = |pointer: &str, before: Option<&Value>, after: Option<&Value>| FieldChange {
            resource: change.key.clone(),
            pointer: pointer.to_owned(),
            before: before.map_or(Value::Null, cut),
            after: after.map_or(Value::Null, cut),
        };
        if !before.is_object() || !after.is_object() {
            all.push(field("", Some(&before), Some(&after)));
            continue;
        }
        differences("", &before, &after, &mut |pointer, was, is| {
            all.push(field(pointer, was, is));
        });
    }
    let omitted = all.len().saturating_sub(MAX_FIELDS);
    all.truncate(MAX_FIELDS);
    (all, u32::try_from(omitted).unwrap_or(u32::MAX))
}

/// Tells where two documents differ. Lists are wholes: an item that was inserted would change all after it.
fn differences(
    pointer: &str,
    before: &Value,
    after: &Value,
    tell: &mut impl FnMut(&str, Option<&Value>, Option<&Value>),
) {
    let (Value::Object(was), Value::Object(is)) = (before, after) else {
        if before != after {
            tell(pointer, Some(before), Some(after));
        }
        return;
    };
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for name in names {
        let inner = format!("{pointer}/{}", pointer_segment(name));
        match (was.get(name), is.get(name)) {
            (Some(was), Some(is)) => differences(&inner, was, is, tell),
            (was, is) => tell(&inner, was, is),
        }
    }
}

/// A name in a pointer (RFC 6901, 3).
fn pointer_segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn value(bytes: Option<&[u8]>) -> Value {
    let parsed = bytes.map(|bytes| serde_json::from_slice(bytes).unwrap_or(json!(REDACTED)));
    parsed.unwrap_or(Value::Null)
}

/// Secrets, of which only the keys may be seen, and which of them have another value.
fn redacted(mut before: Value, mut after: Value) -> (Value, Value) {
    let old = before.get("data").cloned().unwrap_or(Value::Null);
    hide(&mut before, |_, _| REDACTED);
    hide(&mut after, |key, value| match old.get(key) == Some(value) {
        true => REDACTED,
        false => REDACTED_NEW,
    });
    (before, after)
}

fn hide(document: &mut Value, text: impl Fn(&str, &Value) -> &'static str) {
    match document.get_mut("data") {
        Some(Value::Object(data)) => {
            for (key, value) in data {
                *value = json!(text(key, value));
            }
        }
        Some(other) => *other = json!(REDACTED),
        None => {}
    }
}

/// A value within its bound.
fn cut(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= MAX_FIELD_BYTES {
        return value.clone();
    }
    let shown = &text[..text.floor_char_boundary(MAX_FIELD_BYTES)];
    json!(format!("{shown}... ({} bytes)", text.len()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn change(key: &str, before: Option<Value>, after: Option<Value>) -> Change {
        let bytes = |value: Value| Bytes::from(value.to_string());
        Change {
            key: key.into(),
            before: before.map(bytes),
            after: after.map(bytes),
        }
    }

    fn check(change: &Change, expected: &[(&str, Value, Value)]) {
        let (found, omitted) = fields(std::slice::from_ref(change));
        let found: Vec<_> = found
            .into_iter()
            .map(|f| (f.pointer, f.before, f.after))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(pointer, before, after)| ((*pointer).to_owned(), before.clone(), after.clone()))
            .collect();
        assert_eq!((found, omitted), (expected, 0), "{}", change.key);
    }

    #[test]
    fn only_what_differs_is_shown() {
        let (one, two) = (
            json!({"spec": {"a": 1, "b": 2}}),
            json!({"spec": {"a": 1, "c": 3, "b": 4}}),
        );
        check(
            &change("functions/n/f", Some(one.clone()), Some(two)),
            &[
                ("/spec/b", json!(2), json!(4)),
                ("/spec/c", Value::Null, json!(3)),
            ],
        );
        check(
            &change("functions/n/f", None, Some(one.clone())),
            &[("", Value::Null, one.clone())],
        );
        check(
            &change("triggers/n/t", Some(one.clone()), None),
            &[("", one, Value::Null)],
        );
        check(&change("revisions/n/f/u", None, Some(json!({}))), &[]);
        check(&change("auth/sessions/x", None, Some(json!({}))), &[]);
    }

    #[test]
    fn no_secret_is_shown_but_that_it_is_another() {
        let data = |a: &str, b: &str| json!({"updated_at": 1, "data": {"a": a, "b": b}});
        check(
            &change("secrets/n/s", Some(data("x", "y")), Some(data("x", "z"))),
            &[("/data/b", json!(REDACTED), json!(REDACTED_NEW))],
        );
        let shown = json!({"updated_at": 1, "data": {"a": REDACTED_NEW, "b": REDACTED_NEW}});
        check(
            &change("secrets/n/s", None, Some(data("x", "y"))),
            &[("", Value::Null, shown)],
        );
        let keys = change(
            "auth/keys",
            Some(json!({"seed": "x"})),
            Some(json!({"seed": "y"})),
        );
        check(&keys, &[("", json!(REDACTED), json!(REDACTED_NEW))]);
        let unknown = change("later/n/x", None, Some(json!({"password": "x"})));
        check(&unknown, &[("", Value::Null, json!(REDACTED_NEW))]);
        let strange = change("secrets/n/s", None, Some(json!({"data": "x"})));
        check(&strange, &[("", Value::Null, json!({"data": REDACTED}))]);
    }

    #[test]
    fn an_entry_has_bounds() {
        let long = "ä".repeat(MAX_FIELD_BYTES);
        let (found, _) = fields(&[change(
            "functions/n/f",
            Some(json!({"a": 1})),
            Some(json!({"a": long})),
        )]);
        assert!(found[0].after.as_str().unwrap().len() < MAX_FIELD_BYTES + 64);
        let many: serde_json::Map<String, Value> = (0..MAX_FIELDS + 5)
            .map(|n| (n.to_string(), json!(n)))
            .collect();
        let (found, omitted) = fields(&[change(
            "functions/n/f",
            Some(json!({})),
            Some(Value::Object(many)),
        )]);
        assert_eq!((found.len(), omitted), (MAX_FIELDS, 5));
    }

    #[test]
    fn a_change_says_its_namespace() {
        let token = |namespace: &str| Some(json!({"id": "x", "namespace": namespace}));
        for (key, before, after, expected) in [
            ("functions/n/f", None, None, Some("n")),
            ("auth/tokens/x", None, token("n"), Some("n")),
            ("auth/tokens/x", token("n"), None, Some("n")),
            ("auth/sessions/x", None, token("n"), Some("n")),
            ("auth/tokens/x", None, token("*"), None),
            ("auth/keys", None, Some(json!({"keys": []})), None),
            ("x", None, None, None),
        ] {
            let found = namespace(&change(key, before, after));
            assert_eq!(found.as_deref(), expected, "{key}");
        }
    }
}
