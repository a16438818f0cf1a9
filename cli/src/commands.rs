//! The client commands: one file per resource, one function per command.
//!
//! Each takes the client, the output and its own arguments, and returns once its data is
//! printed. Deliberately no state shared between them.

pub(crate) mod answer;
pub(crate) mod audit;
pub(crate) mod calls;
pub(crate) mod catalogue;
pub(crate) mod contexts;
pub(crate) mod dashboard;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod functions;
pub(crate) mod identity;
pub(crate) mod import;
pub(crate) mod invoke;
pub(crate) mod join_tokens;
pub(crate) mod keys;
pub(crate) mod logs;
pub(crate) mod namespaces;
pub(crate) mod new;
pub(crate) mod records;
pub(crate) mod rollout;
pub(crate) mod secrets;
pub(crate) mod secrets_key;
pub(crate) mod sidecars;
pub(crate) mod tokens;
pub(crate) mod top;
pub(crate) mod trace;
pub(crate) mod traffic;
pub(crate) mod triggers;
pub(crate) mod upload;

use jiff::Timestamp;
use serde_json::Value;

use crate::manifest::units::show_millis;
use crate::output::at;

/// How long ago the RFC 3339 time at `pointer` was.
pub(crate) fn age(value: &Value, pointer: &str) -> String {
    let then: Option<Timestamp> = value
        .pointer(pointer)
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok());
    let Some(then) = then else {
        return at(value, pointer);
    };
    let millis = Timestamp::now().as_millisecond() - then.as_millisecond();
    show_millis(u64::try_from(millis).unwrap_or(0))
}

/// The milliseconds at `pointer` as a duration.
pub(crate) fn millis(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer).and_then(Value::as_u64) {
        Some(millis) => show_millis(millis),
        None => at(value, pointer),
    }
}

/// `KEY=VALUE`, for clap.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it like KEY=VALUE".into()),
    }
}
