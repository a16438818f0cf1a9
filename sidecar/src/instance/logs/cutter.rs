//! Cuts a byte stream into lines of bounded length.
//!
//! Knows no file and no time; what it holds back is at most one line.

use super::MAX_LINE_BYTES;

/// Cuts one stream.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// Start of a line whose end has not come yet.
    partial: Vec<u8>,
}

impl Cutter {
    /// Takes the next bytes, the first of which is at `offset`; gives each whole line and the
    /// offset just after it.
    pub(super) fn feed(&mut self, offset: u64, bytes: &[u8], mut line: impl FnMut(&[u8], u64)) {
        let mut rest = bytes;
        let mut at = offset;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            at += end as u64 + 1;
            if self.partial.is_empty() {
                line(trim(head), at);
            } else {
                self.keep(head);
                line(trim(&self.partial), at);
                self.partial.clear();
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        self.keep(rest);
    }

    /// The line that never ended, if there is one.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let partial = std::mem::take(&mut self.partial);
        (!partial.is_empty()).then(|| trim(&partial).to_vec())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES.saturating_sub(self.partial.len());
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.partial.extend_from_slice(kept);
    }
}

fn trim(line: &[u8]) -> &[u8] {
    let line = line.get(..MAX_LINE_BYTES).unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&str]) -> (Vec<(String, u64)>, Option<String>) {
        let mut cutter = Cutter::default();
        let (mut lines, mut offset) = (Vec::new(), 0);
        for chunk in chunks {
            cutter.feed(offset, chunk.as_bytes(), |line, end| {
                lines.push((String::from_utf8_lossy(line).into_owned(), end));
            });
            offset += chunk.len() as u64;
        }
        let rest = cutter.finish();
        (
            lines,
            rest.map(|rest| String::from_utf8_lossy(&rest).into_owned()),
        )
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let expected = vec![("one".into(), 5), (String::new(), 6), ("two".into(), 10)];
        for chunks in [
            &["one\r\n\ntwo\nrest"][..],
            &["on", "e\r", "\n\ntw", "o", "\nre", "st"],
        ] {
            assert_eq!(cut(chunks), (expected.clone(), Some("rest".into())));
        }
    }

    #[test]
    fn long_lines_are_cut_and_the_next_is_whole() {
        let long = "x".repeat(MAX_LINE_BYTES + 10);
        for chunks in [vec![format!("{long}\nok\n")], vec![long, "\nok\n".into()]] {
            let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
            let (lines, rest) = cut(&chunks);
            assert_eq!(lines[0].0.len(), MAX_LINE_BYTES);
            assert_eq!(lines[1], ("ok".into(), MAX_LINE_BYTES as u64 + 14));
            assert_eq!(rest, None);
        }
    }
}
