//! The catalogue on disk, so that a sidecar starts without its server.
//!
//! One file, `DATA/catalogue`: a log of accepted changes, each framed with its length and
//! a checksum, rewritten as a snapshot when it has grown. A tail torn by a crash is dropped:
//! the server has it. Anything else that does not read is kept aside for people, and what
//! reads before it is used. Mode 0600; what is secret in it is sealed all the same (`sealed.rs`). Blocking: not for async tasks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use gateless_common::io::{PRIVATE, private_dir, replacement};
use gateless_proto::v1;
use prost::Message;
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"GLESSC01";
const SUM_BYTES: usize = 8;
/// Length, checksum, kind.
const HEADER_BYTES: usize = 4 + SUM_BYTES + 1;
const KIND_CHANGES: u8 = 1;
const KIND_REJECTED: u8 = 2;
/// A log may grow to twice its snapshot and this before it is rewritten.
const SLACK_BYTES: u64 = 1 << 20;

/// What is logged.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    /// A snapshot or changes, good ones only.
    Changes(v1::WatchResponse),
    /// All that is refused from now on; its version is not used.
    Rejected(v1::WatchAck),
}

impl Record {
    fn encode(&self, out: &mut Vec<u8>) {
        let (kind, body) = match self {
            Self::Changes(m) => (KIND_CHANGES, m.encode_to_vec()),
            Self::Rejected(m) => (KIND_REJECTED, m.encode_to_vec()),
        };
        // A catalogue of 4 GiB would not have fitted into the message it came in.
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
        out.extend(length);
        out.extend(checksum(length, kind, &body));
        out.push(kind);
        out.extend(body);
    }
}

fn checksum(length: [u8; 4], kind: u8, body: &[u8]) -> [u8; SUM_BYTES] {
    let mut hash = Sha256::new();
    hash.update(length);
    hash.update([kind]);
    hash.update(body);
    let mut sum = [0; SUM_BYTES];
    sum.copy_from_slice(&hash.finalize()[..SUM_BYTES]);
    sum
}

/// How reading ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Clean,
    /// The last frame is incomplete.
    Torn,
    Damaged(&'static str),
}

/// Records up to the first one that does not read, and the bytes they take.
fn decode(bytes: &[u8]) -> (Vec<Record>, usize, End) {
    let mut records = Vec::new();
    if !bytes.starts_with(MAGIC) {
        return (
            records,
            0,
            End::Damaged("it does not begin like a catalogue"),
        );
    }
    let mut at = MAGIC.len();
    while at < bytes.len() {
        let rest = &bytes[at..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return (records, at, End::Torn);
        };
        let [l0, l1, l2, l3, ref sum @ .., kind] = *header;
        let length = [l0, l1, l2, l3];
        let Some(body) = rest.get(..u32::from_le_bytes(length) as usize) else {
            return (records, at, End::Torn);
        };
        if checksum(length, kind, body) != *sum {
            let last = body.len() == rest.len();
            let end = if last {
                End::Torn
            } else {
                End::Damaged("a checksum is wrong")
            };
            return (records, at, end);
        }
        let record = match kind {
            KIND_CHANGES => v1::WatchResponse::decode(body).map(Record::Changes),
            KIND_REJECTED => v1::WatchAck::decode(body).map(Record::Rejected),
            _ => {
                return (
                    records,
                    at,
                    End::Damaged("it has a kind of a newer version"),
                );
            }
        };
        match record {
            Ok(record) => records.push(record),
            Err(_) => return (records, at, End::Damaged("a message does not decode")),
        }
        at += HEADER_BYTES + body.len();
    }
    (records, at, End::Clean)
}

/// The open log.
pub(super) struct LastGood {
    path: PathBuf,
    /// None: the next write must be a rewrite.
    file: Option<File>,
    bytes: u64,
    snapshot_bytes: u64,
}

impl LastGood {
    /// Opens `folder/catalogue`, creating both, and reads what is there.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Vec<Record>)> {
        private_dir(folder)?;
        let path = folder.join("catalogue");
        let mut log = Self {
            path,
            file: None,
            bytes: 0,
            snapshot_bytes: 0,
        };
        let mut bytes = Vec::new();
        match File::open(&log.path) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((log, Vec::new())),
            Err(e) => return Err(e),
        };
        let (records, good, end) = decode(&bytes);
        match end {
            End::Clean => log.reopen(good)?,
            End::Torn => {
                let dropped = bytes.len() - good;
                tracing::warn!(path = %log.path.display(), dropped_bytes = dropped,
                    "the last change in the saved catalogue is incomplete and dropped");
                log.reopen(good)?;
            }
            End::Damaged(reason) => {
                let aside = log.path.with_extension("damaged");
                fs::rename(&log.path, &aside)?;
                tracing::error!(path = %log.path.display(), moved_to = %aside.display(), reason,
                    usable_records = records.len(),
                    "the saved catalogue is damaged; what could be read is used");
            }
        }
        Ok((log, records))
    }

    fn reopen(&mut self, good: usize) -> io::Result<()> {
        let file = OpenOptions::new().append(true).open(&self.path)?;
        file.set_len(good as u64)?;
        self.file = Some(file);
        self.bytes = good as u64;
        self.snapshot_bytes = self.bytes;
        Ok(())
    }

    /// Whether the next write should be [`LastGood::rewrite`].
    pub(super) fn wants_rewrite(&self) -> bool {
        self.file.is_none() || self.bytes > 2 * self.snapshot_bytes + SLACK_BYTES
    }

    /// Adds records durably. After an error the next write must be a rewrite.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        records.iter().for_each(|record| record.encode(&mut bytes));
        let Some(mut file) = self.file.take() else {
            return Err(io::Error::other(
                "the saved catalogue must be rewritten first",
            ));
        };
        file.write_all(&bytes)?;
        file.sync_data()?;
        self.bytes += bytes.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    /// Replaces everything, atomically and durably.
    pub(super) fn rewrite(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        let mut file = replacement(&self.path, PRIVATE)?;
        let mut written = 0;
        let mut bytes = MAGIC.to_vec();
        for record in records {
            record.encode(&mut bytes);
            file.write_all(&bytes)?;
            written += bytes.len() as u64;
            bytes.clear();
        }
        file.commit()?;
        let file = OpenOptions::new().append(true).open(&self.path)?;
        self.file = Some(file);
        self.bytes = written;
        self.snapshot_bytes = written;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn version(version: u64) -> Record {
        Record::Changes(v1::WatchResponse {
            api_port: 0,
            trust: None,
            catalogue_id: "c1".into(),
            version,
            ..Default::default()
        })
    }

    fn written() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, records) = LastGood::open(folder.path()).unwrap();
        assert!(records.is_empty() && log.wants_rewrite());
        log.rewrite(std::iter::once(version(1))).unwrap();
        log.append(&[version(2), Record::Rejected(v1::WatchAck::default())])
            .unwrap();
        log.append(&[version(3)]).unwrap();
        let path = folder.path().join("catalogue");
        (folder, path)
    }

    #[test]
    fn what_was_written_is_read_and_only_by_its_owner() {
        let (folder, path) = written();
        let (mut log, records) = LastGood::open(folder.path()).unwrap();
        assert_eq!(records.len(), 4);
        assert_eq!(records[3], version(3));
        log.append(&[version(4)]).unwrap();
        let (_, records) = LastGood::open(folder.path()).unwrap();
        assert_eq!(records.len(), 5);
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn the_catalogue_a_released_version_saved_is_used() {
        let (kept, is_to_be_made) = crate::tests::released("catalogue");
        let rejected = Record::Rejected(v1::WatchAck {
            version: 2,
            rejected: vec![v1::Rejection {
                resource: "functions/default/bad".into(),
                reason: "no".into(),
            }],
            ..Default::default()
        });
        // The resources as a released server sent them.
        let change = |name: &str, sent: &[u8]| v1::Change {
            name: name.into(),
            resource: Some(v1::Resource::decode(sent).unwrap()),
        };
        let snapshot = Record::Changes(v1::WatchResponse {
            api_port: 7700,
            trust: None,
            catalogue_id: "c1".into(),
            version: 1,
            snapshot: true,
            changes: vec![
                change(
                    "functions/default/hello",
                    include_bytes!("../../../tests/tests/released/function.bin"),
                ),
                change(
                    "secrets/default/s",
                    include_bytes!("../../../tests/tests/released/secret.bin"),
                ),
            ],
            ..Default::default()
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalogue");
        if is_to_be_made {
            let (mut log, _) = LastGood::open(folder.path()).unwrap();
            log.rewrite(std::iter::once(snapshot.clone())).unwrap();
            log.append(&[version(2), rejected.clone()]).unwrap();
            fs::copy(&path, &kept).unwrap();
        }
        fs::copy(kept, path).unwrap();
        let (mut log, records) = LastGood::open(folder.path()).unwrap();
        assert_eq!(records, [snapshot, version(2), rejected]);
        log.append(&[version(3)]).unwrap();
        assert_eq!(LastGood::open(folder.path()).unwrap().1.len(), 4);
    }

    #[test]
    fn torn_tail_is_dropped_wherever_it_is_torn() {
        let (_folder, path) = written();
        let bytes = fs::read(&path).unwrap();
        let (_, third, _) = decode(&bytes);
        assert_eq!(third, bytes.len());
        let last_frame = HEADER_BYTES
            + v1::WatchResponse {
                api_port: 0,
                trust: None,
                catalogue_id: "c1".into(),
                version: 3,
                ..Default::default()
            }
            .encoded_len();
        for cut in 1..last_frame {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("catalogue");
            fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
            let (mut log, records) = LastGood::open(folder.path()).unwrap();
            assert_eq!(records.len(), 3, "cut {cut}");
            log.append(&[version(9)]).unwrap();
            let (_, records) = LastGood::open(folder.path()).unwrap();
            assert_eq!(records.last(), Some(&version(9)), "cut {cut}");
            assert!(!folder.path().join("catalogue.damaged").exists());
        }
    }

    #[test]
    fn damage_is_moved_aside_and_what_comes_before_it_is_used() {
        for (at, usable) in [(0, 0), (MAGIC.len() + 6, 0), (33, 1)] {
            let (folder, path) = written();
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 0xff;
            fs::write(&path, &bytes).unwrap();
            let (mut log, records) = LastGood::open(folder.path()).unwrap();
            assert_eq!(records.len(), usable, "{at}: {records:?}");
            assert_eq!(
                fs::read(folder.path().join("catalogue.damaged")).unwrap(),
                bytes
            );
            assert!(log.wants_rewrite());
            log.rewrite(std::iter::once(version(5))).unwrap();
            let (_, records) = LastGood::open(folder.path()).unwrap();
            assert_eq!(records, [version(5)]);
        }
    }
}
