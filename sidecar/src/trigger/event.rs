//! `CloudEvents` 1.0 over HTTP: binary, structured and batched, in; binary, out.
//!
//! Data is carried as it came: a JSON value keeps every byte. Deliberately no other format than JSON,
//! and no schema is looked at.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::value::RawValue;

use crate::queue::types::Header;

/// Context attributes of one event, extensions included.
const MAX_ATTRIBUTES: usize = 64;
/// Of an attribute's name, characters.
const MAX_NAME: usize = 64;
/// Of an attribute's value, bytes.
const MAX_VALUE: usize = 8 * 1024;

const CONTENT_TYPE: &str = "datacontenttype";

/// An event that keeps the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// By name, in their canonical text form.
    attributes: BTreeMap<String, String>,
    data: Bytes,
}

/// Why there is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bad {
    /// Neither binary nor JSON.
    #[error("{0:?} is not a format of events that is understood here")]
    Format(String),
    /// Not JSON, or not of the shape of an event.
    #[error("the body is no JSON of an event: {0}")]
    Json(String),
    #[error("attribute {name} {problem}{}", .index.map_or_else(String::new, |i| format!(" (event {i} of the batch)")))]
    Attribute {
        name: String,
        /// What is wrong with it.
        problem: String,
        /// From 0, in a batch.
        index: Option<usize>,
    },
}

fn bad(name: &str, problem: impl Into<String>) -> Bad {
    Bad::Attribute {
        name: name.chars().take(MAX_NAME).collect(),
        problem: problem.into(),
        index: None,
    }
}

/// The events of a request; more than one only of a batch.
pub(super) fn parse(headers: &HeaderMap, body: Bytes) -> Result<Vec<Event>, Bad> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/cloudevents+json" => {
            let parsed = serde_json::from_slice(&body);
            Ok(vec![structured(
                parsed.map_err(|e| Bad::Json(e.to_string()))?,
            )?])
        }
        "application/cloudevents-batch+json" => {
            let parsed: Result<Vec<BTreeMap<_, _>>, _> = serde_json::from_slice(&body);
            let parsed = parsed.map_err(|e| Bad::Json(e.to_string()))?;
            let events = parsed.into_iter().enumerate();
            let event = |(at, event)| structured(event).map_err(|bad| in_batch(bad, at));
            events.map(event).collect()
        }
        other if other.starts_with("application/cloudevents") => {
            Err(Bad::Format(other.chars().take(80).collect()))
        }
        _ => Ok(vec![binary(headers, body)?]),
    }
}

fn in_batch(bad: Bad, at: usize) -> Bad {
    match bad {
        Bad::Attribute { name, problem, .. } => Bad::Attribute {
            name,
            problem,
            index: Some(at),
        },
        Bad::Json(problem) => Bad::Json(format!("event {at} of the batch: {problem}")),
        other => other,
    }
}

fn binary(headers: &HeaderMap, data: Bytes) -> Result<Event, Bad> {
    let mut attributes = BTreeMap::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else {
            continue;
        };
        let text = percent_decoded(value.as_bytes());
        let text = text.ok_or_else(|| bad(name, "is not UTF-8, percent-encoded"))?;
        if attributes.insert(name.to_owned(), text).is_some() {
            return Err(bad(name, "occurs twice"));
        }
    }
    if attributes.contains_key(CONTENT_TYPE) {
        return Err(bad(
            CONTENT_TYPE,
            "is the content-type header in binary mode",
        ));
    }
    if let Some(value) = headers.get(header::CONTENT_TYPE) {
        let value = value.to_str();
        let value = value.map_err(|_| bad(CONTENT_TYPE, "is not ASCII"))?;
        attributes.insert(CONTENT_TYPE.to_owned(), value.to_owned());
    }
    check(&attributes)?;
    Ok(Event { attributes, data })
}

fn structured(mut members: BTreeMap<String, Box<RawValue>>) -> Result<Event, Bad> {
    let data = members.remove("data").filter(|d| d.get() != "null");
    let base64 = members.remove("data_base64").filter(|d| d.get() != "null");
    let mut attributes = BTreeMap::new();
    for (name, value) in members {
        let value: serde_json::Value =
            serde_json::from_str(value.get()).map_err(|e| Bad::Json(e.to_string()))?;
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text,
            serde_json::Value::Bool(flag) => flag.to_string(),
            serde_json::Value::Number(number) if number.is_i64() => number.to_string(),
            _ => return Err(bad(&name, "must be a string, a boolean or an integer")),
        };
        attributes.insert(name, text);
    }
    let data = match (data, base64) {
        (Some(_), Some(_)) => return Err(bad("data_base64", "and data exclude each other")),
        (None, None) => Bytes::new(),
        (None, Some(text)) => {
            let wrong = || bad("data_base64", "must be a string of base64");
            let text: String = serde_json::from_str(text.get()).map_err(|_| wrong())?;
            STANDARD.decode(text).map_err(|_| wrong())?.into()
        }
        (Some(value), None) => {
            let of_json = attributes.get(CONTENT_TYPE).is_none_or(|t| is_json(t));
            match serde_json::from_str::<String>(value.get()) {
                // A string is the text itself, unless JSON was announced.
                Ok(text) if !of_json => text.into(),
                _ => {
                    let json = || "application/json".to_owned();
                    attributes
                        .entry(CONTENT_TYPE.to_owned())
                        .or_insert_with(json);
                    Bytes::from(Box::<str>::from(value.get()).into_string())
                }
            }
        }
    };
    check(&attributes)?;
    Ok(Event { attributes, data })
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

fn check(attributes: &BTreeMap<String, String>) -> Result<(), Bad> {
    for name in ["specversion", "id", "source", "type"] {
        match attributes.get(name) {
            None => return Err(bad(name, "is missing")),
            Some(value) if value.is_empty() => return Err(bad(name, "is empty")),
            Some(_) => {}
        }
    }
    if attributes["specversion"] != "1.0" {
        return Err(bad("specversion", "must be 1.0"));
    }
    if attributes.len() > MAX_ATTRIBUTES {
        let last = attributes.keys().next_back().map_or("", String::as_str);
        return Err(bad(
            last,
            format!("is one too many: {MAX_ATTRIBUTES} may be"),
        ));
    }
    for (name, value) in attributes {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
            return Err(bad(name, "must have a name of 1 to 64 of a-z and 0-9"));
        }
        if value.len() > MAX_VALUE {
            return Err(bad(name, format!("has more than {MAX_VALUE} bytes")));
        }
        if value.chars().any(char::is_control) {
            return Err(bad(name, "has a control character in it"));
        }
        let problem = match name.as_str() {
            "source" if !is_uri(value) => "must be a URI reference",
            "dataschema" if !is_uri(value) || !value.contains(':') => "must be a URI",
            "subject" if value.is_empty() => "is empty",
            "time" if value.parse::<jiff::Timestamp>().is_err() => "must be a time of RFC 3339",
            CONTENT_TYPE if !value.contains('/') => "must be a media type",
            _ => continue,
        };
        return Err(bad(name, problem));
    }
    Ok(())
}

/// Has only what a URI (RFC 3986) or IRI may have; its parts are nobody's business here.
fn is_uri(text: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || "\"<>\\^`{|}".contains(c);
    !text.is_empty() && !text.contains(forbidden)
}

fn percent_decoded(bytes: &[u8]) -> Option<String> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).ok()?);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

/// As the HTTP binding asks: everything but printable ASCII, and space, quote and percent.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'%' => {}
            0x21..=0x7e => {
                encoded.push(char::from(byte));
                continue;
            }
            _ => {}
        }
        // Writing into a String cannot fail.
        let _ = write!(encoded, "%{byte:02X}");
    }
    encoded
}

impl Event {
    /// Whether it has all these attributes with just these values.
    pub(super) fn matches(&self, wanted: &BTreeMap<String, String>) -> bool {
        let has = |(name, value): (&String, &String)| self.attributes.get(name) == Some(value);
        wanted.iter().all(has)
    }

    /// Together they are the event's name: another one of the same is the same event.
    pub(super) fn source_and_id(&self) -> [&str; 2] {
        ["source", "id"].map(|name| self.attributes.get(name).map_or("", String::as_str))
    }

    /// In binary mode.
    pub(super) fn headers(&self) -> Vec<Header> {
        let header = |(name, value): (&String, &String)| match name.as_str() {
            CONTENT_TYPE => ("content-type".to_owned(), Bytes::from(value.clone())),
            name => (format!("ce-{name}"), Bytes::from(percent_encoded(value))),
        };
        self.attributes.iter().map(header).collect()
    }

    pub(super) fn data(&self) -> Bytes {
        self.data.clone()
    }
}

#[cfg(test)]
mod tests;
