//! Errors of a `function.toml` that show the line: snippet, caret, and what was probably meant.
//!
//! Also finds the line of what the server refuses, from the problem's JSON pointers. Deliberately
//! no rules of its own about keys and values.

use std::io::IsTerminal as _;
use std::ops::Range;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::failure::{Exit, Failure};

const KEYS_HINT: &str = "docs/function-toml.md lists every key with an example";

/// A file that is no TOML, or has a key or a value it must not have.
pub(super) fn toml_failure(error: &toml::de::Error, text: &str, file: &str) -> Failure {
    let message = error.message().replace('\n', ", ");
    let hint = match meant(&message) {
        Some(key) => format!("did you mean `{key}`? {KEYS_HINT}"),
        None => KEYS_HINT.to_owned(),
    };
    let title = format!("{file} is not a valid function.toml");
    let span = error.span().unwrap_or(0..0);
    let picture = picture(
        &title,
        text,
        file,
        &[(span.clone(), message.clone())],
        &hint,
    );
    let (position, source) = position(text, file, span.start);
    Failure::new(Exit::Usage, "bad_manifest", title)
        .at(&position, &format!("{message}, in `{source}`"))
        .hint(hint)
        .picture(picture)
}

/// Adds the lines of `text` that the server's problem is about, where its pointers name keys of it.
pub(crate) fn explain(failure: Failure, text: &str, file: &str) -> Failure {
    let document = failure.document();
    let errors = document["errors"].as_array();
    let found: Vec<(Range<usize>, String)> = errors
        .into_iter()
        .flatten()
        .filter_map(|error| {
            let span = locate(text, error["pointer"].as_str()?)?;
            Some((
                span,
                error["detail"].as_str().unwrap_or_default().to_owned(),
            ))
        })
        .collect();
    if found.is_empty() {
        return failure;
    }
    let title = document["detail"].as_str().filter(|d| !d.is_empty());
    let title = title.unwrap_or("the server refuses this function");
    let picture = picture(title, text, file, &found, KEYS_HINT);
    failure.picture(picture)
}

/// `FILE:LINE:COLUMN`, and the line.
fn position<'a>(text: &'a str, file: &str, offset: usize) -> (String, &'a str) {
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    let source = text.lines().nth(line - 1).unwrap_or_default().trim();
    (format!("{file}:{line}:{column}"), source)
}

fn picture(
    title: &str,
    text: &str,
    file: &str,
    places: &[(Range<usize>, String)],
    hint: &str,
) -> String {
    let labels = places
        .iter()
        .map(|(span, message)| LabeledSpan::new_with_span(Some(message.clone()), span.clone()));
    let report = miette::Report::new(
        MietteDiagnostic::new(title.to_owned())
            .with_labels(labels)
            .with_help(hint.to_owned()),
    )
    .with_source_code(NamedSource::new(file, text.to_owned()));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if colours {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let mut out = String::new();
    // A picture that cannot be drawn leaves the plain message.
    GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .with_links(false)
        .render_report(&mut out, report.as_ref())
        .ok();
    out.trim_end().to_owned()
}

/// The known key nearest to the unknown one of serde's "unknown field `x`, expected one of `a`, `b`".
fn meant(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut words = rest.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    let near = words.map(|known| (strsim::damerau_levenshtein(unknown, known), known));
    let (distance, known) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + unknown.len() / 4).then_some(known)
}

/// The bytes of `text` an API pointer is about: `/spec/limits/timeout_ms` is `timeout` in `[limits]`.
fn locate(text: &str, pointer: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    let keys = pointer.trim_start_matches('/').split('/');
    for key in keys.filter(|key| !matches!(*key, "spec" | "process")) {
        let friendly = ["_ms", "_bytes"]
            .iter()
            .find_map(|unit| key.strip_suffix(unit));
        let named = |name: &str| table.iter().find(|(k, _)| k.get_ref() == name);
        let Some((spelt, value)) = named(key).or_else(|| friendly.and_then(named)) else {
            break;
        };
        found = Some(span_of(spelt, value));
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    found
}

/// The value, or for a table its name: a whole table is too much to underline.
fn span_of(key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    match value.get_ref() {
        DeValue::Table(_) => key.span(),
        _ => value.span(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_misspelt_key_is_recognized_and_a_strange_one_is_not() {
        let message = |key: &str| {
            format!("unknown field `{key}`, expected one of `name`, `command`, `scaling`")
        };
        assert_eq!(meant(&message("comand")), Some("command"));
        assert_eq!(meant(&message("sacling")), Some("scaling"));
        assert_eq!(meant(&message("replicas")), None);
        assert_eq!(meant("invalid type"), None);
    }

    #[test]
    fn the_servers_pointers_are_found_in_the_file() {
        let text = "name = \"a\"\nstart_timeout = \"9d\"\n[limits]\ntimeout = \"99d\"\n";
        let at = |pointer: &str| locate(text, pointer).map(|span| &text[span]);
        assert_eq!(at("/spec/process/start_timeout_ms"), Some("\"9d\""));
        assert_eq!(at("/spec/limits/timeout_ms"), Some("\"99d\""));
        assert_eq!(at("/spec/limits/idle_timeout_ms"), Some("limits"));
        assert_eq!(at("/spec/scaling/target"), None);
    }

    #[test]
    fn what_the_server_refuses_is_shown_in_the_file() {
        let problem = json!({"detail": "the function is not valid", "errors": [
            {"pointer": "/spec/limits/timeout_ms", "detail": "more than a day"}]});
        let failure = explain(
            Failure::from_problem(422, problem),
            "[limits]\ntimeout = \"99d\"\n",
            "function.toml",
        );
        let text = failure.to_string();
        for part in ["function.toml:2", "timeout = \"99d\"", "more than a day"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
