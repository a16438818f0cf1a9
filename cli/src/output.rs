//! Everything the commands print: data to stdout, progress to stderr.
//!
//! With `-o json` a command writes exactly one document, with `-o jsonl` one a line; tables
//! are for people. Deliberately no colours and no terminal library: a status line on a
//! terminal is one carriage return.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::client::Listing;
use crate::failure::Failure;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document, also on failure.
    Json,
    /// One JSON document a line.
    Jsonl,
}

/// The two streams of a command.
pub(crate) struct Output {
    format: Format,
    quiet: bool,
    stdout: Box<dyn Write>,
    status: StatusLine,
    documents: usize,
}

impl Output {
    /// The process's own streams.
    pub(crate) fn new(format: Format, quiet: bool) -> Self {
        Self {
            format,
            quiet,
            stdout: Box::new(io::stdout().lock()),
            status: StatusLine {
                terminal: io::stderr().is_terminal(),
                shown: false,
            },
            documents: 0,
        }
    }

    /// The format asked for.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// True once a JSON document was written, so a failure must not add another.
    pub(crate) const fn has_document(&self) -> bool {
        self.documents > 0
    }

    /// One JSON document.
    pub(crate) fn document(&mut self, value: &Value) -> Result<(), Failure> {
        self.status.clear();
        self.documents += 1;
        let text = match self.format {
            Format::Jsonl => value.to_string(),
            Format::Table | Format::Json => format!("{value:#}"),
        };
        writeln!(self.stdout, "{text}")
            .and_then(|()| self.stdout.flush())
            .map_err(|e| Failure::stdout(&e))
    }

    /// One line of data for people or pipes.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.raw(text.as_bytes())?;
        self.raw(b"\n")
    }

    /// Data as it is.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.status.clear();
        self.stdout
            .write_all(bytes)
            .and_then(|()| self.stdout.flush())
            .map_err(|e| Failure::stdout(&e))
    }

    /// A list: a table, `{"items": [...], "warnings": [...]}`, or one item a line.
    pub(crate) fn list(
        &mut self,
        Listing { items, warnings }: Listing,
        headers: &[&str],
        row: impl Fn(&Value) -> Vec<String>,
    ) -> Result<(), Failure> {
        self.warnings(&warnings);
        match self.format {
            Format::Json => {
                self.document(&serde_json::json!({"items": items, "warnings": warnings}))
            }
            Format::Jsonl => items.iter().try_for_each(|item| self.document(item)),
            Format::Table => {
                let rows: Vec<Vec<String>> = items.iter().map(row).collect();
                self.raw(table(headers, &rows).as_bytes())
            }
        }
    }

    /// Whose part of an answer is missing, on stderr.
    pub(crate) fn warnings(&mut self, warnings: &[Value]) {
        for warning in warnings {
            let (sidecar, detail) = (at(warning, "/sidecar"), at(warning, "/detail"));
            self.note(format!("warning: without sidecar {sidecar}: {detail}"));
        }
    }

    /// One thing: a document, or what `people` makes of it.
    pub(crate) fn item(
        &mut self,
        value: &Value,
        people: impl FnOnce(&Value) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.line(&people(value)),
            Format::Json | Format::Jsonl => self.document(value),
        }
    }

    /// Stdout for a writer of its own lines.
    pub(crate) fn writer(&mut self) -> &mut dyn Write {
        self.documents += 1;
        &mut self.stdout
    }

    /// A failure on stderr, also when quiet.
    pub(crate) fn error(&mut self, failure: &Failure) {
        self.status.clear();
        writeln!(io::stderr(), "{failure}").ok();
    }

    /// A line of progress on stderr.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        if !self.quiet {
            self.status.clear();
            // A closed stderr must not end a deployment.
            writeln!(io::stderr(), "{}", text.as_ref()).ok();
        }
    }

    /// Replaces the status line, on a terminal only.
    pub(crate) fn status(&mut self, text: impl AsRef<str>) {
        if !self.quiet {
            self.status.show(text.as_ref());
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.status.clear();
    }
}

struct StatusLine {
    terminal: bool,
    shown: bool,
}

impl StatusLine {
    fn show(&mut self, text: &str) {
        if self.terminal {
            self.shown = true;
            write!(io::stderr(), "\r\x1b[K{text}").ok();
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }
}

/// Columns padded to their widest cell; an empty list still shows its headers.
pub(crate) fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headers.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let heads: Vec<String> = headers.iter().map(ToString::to_string).collect();
    for row in std::iter::once(&heads).chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The text at a JSON pointer; `-` when there is none.
pub(crate) fn at(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) if text.is_empty() => "-".into(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_align_and_lines_end_without_blanks() {
        let rows = vec![
            vec!["hello".into(), "true".into()],
            vec!["a".into(), "false".into()],
        ];
        assert_eq!(
            table(&["NAME", "READY"], &rows),
            "NAME   READY\nhello  true\na      false\n"
        );
    }

    #[test]
    fn missing_fields_show_as_a_dash() {
        let value = json!({"a": {"b": 3, "c": null, "d": ""}});
        let cells = ["/a/b", "/a/c", "/a/d", "/x"].map(|p| at(&value, p));
        assert_eq!(cells, ["3", "-", "-", "-"]);
    }
}
