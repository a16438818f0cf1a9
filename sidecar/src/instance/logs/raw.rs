//! One raw output file of an instance, read as it grows and emptied from the front.
//!
//! Emptied by punching holes: the writer appends and never notices, and unlike truncation no byte
//! written meanwhile can be lost. Where the file system cannot, a fully copied file is truncated.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FallocateFlags;

use super::cutter::Cutter;
use crate::instance::LogStream;

const CHUNK: usize = 64 * 1024;
/// What is kept of a flood that is not copied in time.
const KEPT_OF_FLOOD: u64 = 512 * 1024;
const BLOCK: u64 = 4096;

/// One raw file.
#[derive(Debug)]
pub(super) struct Raw {
    pub stream: LogStream,
    file: File,
    cutter: Cutter,
    /// Next byte to read.
    offset: u64,
    /// Just after the last whole line copied.
    copied: u64,
    /// Bytes before this are given back to the file system.
    punched: u64,
    limit: u64,
}

/// What one [`Raw::read`] found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// There is more to read.
    pub more: bool,
    /// Bytes that came too fast and were passed over.
    pub skipped: u64,
}

impl Raw {
    /// Opens it where its copy ends.
    pub(super) fn open(
        path: &Path,
        stream: LogStream,
        copied: u64,
        limit: u64,
    ) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        // A copy beyond the end: the file was truncated since.
        let copied = if copied > file.metadata()?.len() {
            0
        } else {
            copied
        };
        Ok(Self {
            stream,
            file,
            cutter: Cutter::default(),
            offset: copied,
            copied,
            punched: 0,
            limit,
        })
    }

    /// Up to which offset its lines are copied.
    pub(super) fn copied(&self) -> u64 {
        self.copied
    }

    /// Reads at most about `budget` bytes and gives each whole line with its end offset.
    pub(super) fn read(
        &mut self,
        budget: usize,
        mut line: impl FnMut(&[u8], u64),
    ) -> io::Result<Progress> {
        let skipped = self.skip_flood()?;
        let mut chunk = vec![0_u8; CHUNK];
        let mut left = budget;
        let more = loop {
            let length = self.file.read_at(&mut chunk, self.offset)?;
            if length == 0 {
                break false;
            }
            let bytes = chunk.get(..length).unwrap_or_default();
            let copied = &mut self.copied;
            self.cutter.feed(self.offset, bytes, |text, end| {
                *copied = end;
                line(text, end);
            });
            self.offset += length as u64;
            if left <= length {
                break true;
            }
            left -= length;
        };
        self.free()?;
        Ok(Progress { more, skipped })
    }

    /// The line that never ended, and the file's end.
    pub(super) fn finish(&mut self) -> Option<(Vec<u8>, u64)> {
        let line = self.cutter.finish()?;
        self.copied = self.offset;
        Some((line, self.offset))
    }

    fn skip_flood(&mut self) -> io::Result<u64> {
        let length = self.file.metadata()?.len();
        if length.saturating_sub(self.offset) <= self.limit {
            return Ok(0);
        }
        let from = length.saturating_sub(KEPT_OF_FLOOD.min(self.limit));
        let skipped = from - self.offset;
        self.cutter = Cutter::default();
        self.offset = from;
        self.copied = from;
        Ok(skipped)
    }

    /// Gives copied bytes back once they are half of what the file may hold.
    fn free(&mut self) -> io::Result<()> {
        let end = self.copied / BLOCK * BLOCK;
        if end.saturating_sub(self.punched) < self.limit / 2 {
            return Ok(());
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file, hole, self.punched, end - self.punched) {
            Ok(()) => self.punched = end,
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                if self.copied == self.file.metadata()?.len() {
                    self.file.set_len(0)?;
                    (self.offset, self.copied) = (0, 0);
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn copied_bytes_leave_the_disk_and_no_line_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw");
        let mut writer = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        let limit = 256 * 1024;
        let mut raw = Raw::open(&path, LogStream::Stdout, 0, limit).unwrap();
        let mut seen = 0_u64;
        for number in 0..20_000_u64 {
            writeln!(writer, "line {number} {}", "x".repeat(80)).unwrap();
            if number % 1000 == 999 {
                let read = raw.read(usize::MAX, |line, _| {
                    assert!(line.starts_with(format!("line {seen} ").as_bytes()));
                    seen += 1;
                });
                assert_eq!(read.unwrap(), Progress::default());
            }
        }
        assert_eq!(seen, 20_000);
        let metadata = std::fs::metadata(&path).unwrap();
        assert!(metadata.len() > 4 * limit);
        assert!(
            metadata.blocks() * 512 <= 2 * limit,
            "{}",
            metadata.blocks()
        );
    }

    #[test]
    fn a_flood_is_skipped_and_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw");
        std::fs::write(&path, "0123456789abcde\n".repeat(10_000)).unwrap();
        let mut raw = Raw::open(&path, LogStream::Stderr, 0, 64 * 1024).unwrap();
        let mut lines = 0;
        let progress = raw.read(usize::MAX, |_, _| lines += 1).unwrap();
        assert_eq!(progress.skipped, 160_000 - 64 * 1024);
        assert_eq!(lines, 64 * 1024 / 16);
    }

    #[test]
    fn reading_goes_on_where_the_copy_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw");
        std::fs::write(&path, "one\ntwo\nthr").unwrap();
        let mut raw = Raw::open(&path, LogStream::Stdout, 4, 1 << 20).unwrap();
        let mut lines = Vec::new();
        raw.read(usize::MAX, |line, end| lines.push((line.to_vec(), end)))
            .unwrap();
        assert_eq!(lines, [(b"two".to_vec(), 8)]);
        assert_eq!(raw.copied(), 8);
        assert_eq!(raw.finish(), Some((b"thr".to_vec(), 11)));
    }
}
