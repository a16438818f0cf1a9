//! What a command changed holds at the sidecars that applied it: where it does not hold yet is said when the command ends.
//!
//! A process is one command, so what it heard last is kept here, whichever client heard it.

use std::sync::{Mutex, PoisonError};

use gateless_common::header::{APPLIED, AWAY, BEHIND};
use reqwest::header::{HeaderMap, HeaderName};

use crate::output::Output;

/// How long a change is waited for: sidecars apply one within milliseconds, and one that does not within this is in trouble.
const SECONDS: u64 = 2;

static LAST: Mutex<Option<Missing>> = Mutex::new(None);

/// The sidecars at which a change does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Missing {
    behind: Vec<String>,
    away: Vec<String>,
}

/// The preference of every request that changes something (RFC 7240).
pub(crate) fn preference() -> String {
    format!("wait={SECONDS}")
}

/// Keeps what an answer says of the change it answers; one to something else says nothing.
pub(crate) fn note(headers: &HeaderMap) {
    if headers.contains_key(APPLIED) {
        let missing = Missing {
            behind: names(headers, &BEHIND),
            away: names(headers, &AWAY),
        };
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(missing);
    }
}

/// Says where the last change does not hold.
pub(crate) fn report(out: &mut Output) {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
    for line in last.iter().flat_map(lines) {
        out.note(line);
    }
}

fn names(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    let names = text.unwrap_or_default().split(',').map(str::trim);
    let names = names.filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn lines(missing: &Missing) -> Vec<String> {
    let mut lines = Vec::new();
    if !missing.behind.is_empty() {
        let named = named(&missing.behind);
        lines.push(format!(
            "{named} had not applied this after {SECONDS} s: there all is as before, until `gateless sidecars` shows no lag"
        ));
    }
    if !missing.away.is_empty() {
        let named = named(&missing.away);
        lines.push(format!(
            "{named} did not hear of this, being away: what still runs there is as before (one that is gone for good: gateless sidecars rm NODE)"
        ));
    }
    lines
}

/// `sidecar a`, or `sidecars a, b and 12 more`.
fn named(names: &[String]) -> String {
    let (more, named): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.starts_with('+'));
    let noun = if names.len() == 1 {
        "sidecar"
    } else {
        "sidecars"
    };
    let named: Vec<&str> = named.into_iter().map(String::as_str).collect();
    let mut text = format!("{noun} {}", named.join(", "));
    if let Some(more) = more.first() {
        text.push_str(&format!(" and {} more", more.trim_start_matches('+')));
    }
    text
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn who_has_not_applied_a_change_is_named() {
        let mut headers = HeaderMap::new();
        headers.insert(BEHIND, HeaderValue::from_static("a, b,+12"));
        headers.insert(AWAY, HeaderValue::from_static("c"));
        let missing = Missing {
            behind: names(&headers, &BEHIND),
            away: names(&headers, &AWAY),
        };
        let lines = lines(&missing);
        assert!(lines[0].starts_with("sidecars a, b and 12 more had not applied"));
        assert!(lines[1].starts_with("sidecar c did not hear"));
        assert_eq!(super::lines(&Missing::default()), Vec::<String>::new());
    }
}
