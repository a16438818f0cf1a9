//! Entries as lines of JSON, each with the hash of itself and of the one before: who changes, removes or inserts one breaks
//! the chain from there on.
//!
//! The hash is of the line's own bytes, so a later version may add fields. Pure: it knows no file and no clock.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// What the first entry of all follows.
pub const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Stands before the hash at the end of a line.
const HASH: &str = ",\"hash\":\"";

/// Who did something, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditActor)]
pub struct Actor {
    /// The token it was done with; null: none that is good, or the server did it itself.
    pub token_id: Option<String>,
    /// The namespace that token is good for; `*`: all.
    pub namespace: Option<String>,
    /// What its holder may do.
    #[schema(example = "deployer")]
    pub role: Option<String>,
    /// What the token was made for.
    pub description: Option<String>,
    /// The first digits of the session's hash, where a browser did it.
    pub session: Option<String>,
}

/// A field that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditChange)]
pub struct FieldChange {
    /// What it belongs to: `functions/NAMESPACE/NAME`, `secrets/...`, `triggers/...`, `auth/tokens/ID` and the like.
    #[schema(example = "functions/default/hello")]
    pub resource: String,
    /// Where in it (RFC 6901); empty: all of it.
    #[schema(example = "/spec/scaling/max_scale")]
    pub pointer: String,
    /// What it was; null: it was not there. Secret values are `(redacted)`, long ones cut.
    #[schema(value_type = Value)]
    pub before: Value,
    /// What it is; null: it is gone. A secret value that differs is `(redacted, new)`.
    #[schema(value_type = Value)]
    pub after: Value,
}

/// One change, or one that was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct Entry {
    /// Its place in this server's log: each has a higher number than those before, over all chains.
    pub sequence: u64,
    /// When it was answered.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// Who.
    pub actor: Actor,
    /// The address the request came from; null: from this machine, without one.
    pub from: Option<String>,
    /// Where a proxy says that it came from; anybody can write that.
    pub forwarded: Option<String>,
    /// Method and route.
    #[schema(example = "PUT /v1/namespaces/{namespace}/functions/{name}")]
    pub action: String,
    /// The path.
    #[schema(example = "/v1/namespaces/default/functions/hello")]
    pub path: String,
    /// The namespace concerned; null: none in particular.
    pub namespace: Option<String>,
    /// What it was answered with; null: whoever asked went away before, and changes may have been made.
    pub status: Option<u16>,
    /// Why it was refused, as in the problem.
    pub code: Option<String>,
    /// What was changed.
    pub changes: Vec<FieldChange>,
    /// Changes that were too many to be listed.
    pub omitted: u32,
    /// Requests of the same actor before this one that changed nothing and were too many to be recorded.
    pub suppressed: u64,
    /// The hash of the entry before in the same chain.
    pub previous: String,
    /// The hash of this one: SHA-256 of its line up to this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl Entry {
    /// Its line, without the line's end, and its hash. It has none yet.
    ///
    /// # Errors
    /// Of the JSON, which no entry causes.
    pub fn line(&self) -> Result<(String, String), serde_json::Error> {
        let text = serde_json::to_string(self)?;
        let body = text.strip_suffix('}').unwrap_or(&text);
        let hash = hex::encode(Sha256::digest(body.as_bytes()));
        Ok((format!("{body}{HASH}{hash}\"}}"), hash))
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is no entry at all.
    Unreadable,
    /// It was altered: its hash is not its own.
    Altered,
    /// It does not follow the line before: one was removed, inserted or moved.
    OutOfPlace,
    /// It is the last one, and not what was written last.
    Cut,
}

/// Reads a line, if it is as it was written.
///
/// # Errors
/// [`Broken`].
pub fn read(line: &str) -> Result<Entry, Broken> {
    let (body, hash) = line.rsplit_once(HASH).ok_or(Broken::Unreadable)?;
    let hash = hash.strip_suffix("\"}").ok_or(Broken::Unreadable)?;
    if hex::encode(Sha256::digest(body.as_bytes())) != hash {
        return Err(Broken::Altered);
    }
    serde_json::from_str(line).map_err(|_| Broken::Unreadable)
}

/// Whether an entry may follow one of this number and hash. Numbers between may be in other chains.
///
/// # Errors
/// [`Broken::OutOfPlace`].
pub fn follows(entry: &Entry, before: (u64, &str)) -> Result<(), Broken> {
    match entry.sequence > before.0 && entry.previous == before.1 {
        true => Ok(()),
        false => Err(Broken::OutOfPlace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u64, previous: &str) -> Entry {
        Entry {
            sequence,
            previous: previous.into(),
            action: "PUT /v1/x".into(),
            ..Entry::default()
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let mut written = entry(1, BEGINNING);
        written.changes.push(FieldChange {
            resource: "functions/a/b".into(),
            pointer: "/spec".into(),
            before: Value::Null,
            after: serde_json::json!({"b": 1, "a": ",\"hash\":\"x\"}"}),
        });
        let (line, hash) = written.line().unwrap();
        written.hash = Some(hash.clone());
        assert_eq!(read(&line).unwrap(), written);
        // It is JSON for everybody else, and a later version may have more in it.
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["hash"], *hash);
    }

    #[test]
    fn whatever_is_done_to_a_line_shows() {
        let (first, hash) = entry(1, BEGINNING).line().unwrap();
        let (second, _) = entry(2, &hash).line().unwrap();
        let second = read(&second).unwrap();
        assert!(follows(&second, (1, &hash)).is_ok());
        assert_eq!(follows(&second, (2, &hash)), Err(Broken::OutOfPlace));
        assert_eq!(follows(&second, (1, BEGINNING)), Err(Broken::OutOfPlace));
        for (altered, why) in [
            (first.replace("PUT", "GET"), Broken::Altered),
            (
                first.replace("\"sequence\":1", "\"sequence\":2"),
                Broken::Altered,
            ),
            (first.replace(&hash[..8], "00000000"), Broken::Altered),
            (first[..first.len() - 1].to_owned(), Broken::Unreadable),
            (String::new(), Broken::Unreadable),
        ] {
            assert_eq!(read(&altered), Err(why), "{altered}");
        }
    }
}
