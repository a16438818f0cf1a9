//! The logical export: what an export looks like, and how it is checked when it is read.
//!
//! JSON lines, so that it outlives the engine and can be read with common tools:
//!
//! ```text
//! {"format":"gateless-catalogue","format_version":2,"catalogue":"<uuid>","revision":7,"count":1}
//! {"key":"...","revision":7,"value":"<base64>"}
//! {"sha256":"<of every byte before this line>"}
//! ```
//!
//! It holds the entries as of one revision as they lie in the engine: what is secret is sealed (`sealed.rs`), and an older one
//! has it in the clear, so whoever writes it to a file keeps it private. It does not hold the change log; who follows a restored store lists again.

use std::io::{self, BufRead, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Entry, Error, ExportSummary, MAX_KEY_BYTES, MAX_VALUE_BYTES, Result, Revision};

const FORMAT: &str = "gateless-catalogue";
/// Goes up when an older version could not read what a newer one writes.
pub(super) const FORMAT_VERSION: u32 = 2;
/// A line longer than any entry's: base64 is 4/3, a key's escapes are at most sixfold.
const MAX_LINE_BYTES: u64 = (MAX_VALUE_BYTES / 3 * 4 + MAX_KEY_BYTES * 6 + 1024) as u64;

/// Everything in a catalogue as of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Export {
    pub(super) catalogue: Uuid,
    pub(super) revision: Revision,
    pub(super) entries: Vec<Entry>,
}

impl Export {
    pub(super) fn summary(&self) -> ExportSummary {
        ExportSummary {
            catalogue: self.catalogue,
            revision: self.revision,
            entries: self.entries.len() as u64,
        }
    }
}

/// What the first line of an export of any version has.
#[derive(Deserialize)]
struct Format {
    format: String,
    format_version: u32,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    format_version: u32,
    catalogue: Uuid,
    revision: Revision,
    count: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    revision: Revision,
    value: String,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    sha256: String,
}

/// Writes an export, trailer included, and flushes `to`.
pub(super) fn write(export: &Export, to: &mut dyn Write) -> io::Result<()> {
    let mut to = io::BufWriter::new(to);
    let mut hash = Sha256::new();
    let mut line = |to: &mut dyn Write, json: serde_json::Result<Vec<u8>>| {
        let mut json = json?;
        json.push(b'\n');
        hash.update(&json);
        to.write_all(&json)
    };
    let header = Header {
        format: FORMAT.to_owned(),
        format_version: FORMAT_VERSION,
        catalogue: export.catalogue,
        revision: export.revision,
        count: export.entries.len() as u64,
    };
    line(&mut to, serde_json::to_vec(&header))?;
    for entry in &export.entries {
        let json = serde_json::to_vec(&Line {
            key: entry.key.clone(),
            revision: entry.revision,
            value: STANDARD.encode(&entry.value),
        });
        line(&mut to, json)?;
    }
    let sha256 = hex::encode(hash.finalize());
    serde_json::to_writer(&mut to, &Trailer { sha256 })?;
    to.write_all(b"\n")?;
    to.flush()
}

/// Reads and checks a whole export; nothing of a torn or altered one is returned.
pub(super) fn read(from: &mut dyn BufRead) -> Result<Export> {
    let mut lines = Lines {
        from,
        number: 0,
        hash: Sha256::new(),
    };
    let first = lines.line()?;
    lines.check_format(&first)?;
    let header: Header = lines.parse(&first)?;
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..header.count {
        let line: Line = lines.next()?;
        let entry = lines.entry(line, header.revision)?;
        if entries.last().is_some_and(|last| last.key >= entry.key) {
            return Err(lines.invalid("its keys are not in order"));
        }
        entries.push(entry);
    }
    let sha256 = hex::encode(lines.hash.clone().finalize());
    let trailer: Trailer = lines.next()?;
    if trailer.sha256 != sha256 {
        return Err(lines.invalid("its checksum does not fit its content"));
    }
    if !lines
        .from
        .fill_buf()
        .map_err(Error::io("reading an export"))?
        .is_empty()
    {
        return Err(lines.invalid("there is more after it"));
    }
    Ok(Export {
        catalogue: header.catalogue,
        revision: header.revision,
        entries,
    })
}

struct Lines<'a> {
    from: &'a mut dyn BufRead,
    number: u64,
    hash: Sha256,
}

impl Lines<'_> {
    fn next<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = self.line()?;
        self.parse(&line)
    }

    /// Of any version, the first line says which.
    fn check_format(&self, line: &[u8]) -> Result<()> {
        let format: Format = self.parse(line)?;
        if format.format != FORMAT {
            return Err(self.invalid("it is not an export of a catalogue"));
        }
        match format.format_version {
            FORMAT_VERSION => Ok(()),
            found => Err(Error::Format {
                what: "the export".to_owned(),
                found,
                reads: FORMAT_VERSION,
            }),
        }
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        self.number += 1;
        let mut line = Vec::new();
        (&mut *self.from)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .map_err(Error::io("reading an export"))?;
        if line.last() != Some(&b'\n') {
            return Err(
                self.invalid("it is torn there, or the line is longer than any of an export")
            );
        }
        self.hash.update(&line);
        Ok(line)
    }

    fn parse<T: DeserializeOwned>(&self, line: &[u8]) -> Result<T> {
        // The parser's own message could quote a secret.
        serde_json::from_slice(line).map_err(|_| self.invalid("it is not what belongs there"))
    }

    fn invalid(&self, reason: &str) -> Error {
        Error::Export {
            reason: format!("line {}: {reason}", self.number),
        }
    }

    fn entry(&self, line: Line, revision: Revision) -> Result<Entry> {
        let value = STANDARD
            .decode(&line.value)
            .map_err(|_| self.invalid("its value is not base64"))?;
        let sound = !line.key.is_empty()
            && line.key.len() <= MAX_KEY_BYTES
            && value.len() <= MAX_VALUE_BYTES
            && (1..=revision).contains(&line.revision);
        if !sound {
            return Err(self.invalid("no catalogue can have this entry"));
        }
        Ok(Entry {
            key: line.key,
            value: Bytes::from(value),
            revision: line.revision,
        })
    }
}
