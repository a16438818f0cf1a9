//! Cuts a byte stream into lines of bounded length.
//!
//! Knows no file and no time; what it holds back is at most one line.

use std::borrow::Cow;

use super::MAX_LINE_BYTES;

/// Cuts one stream.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// Start of a line whose end has not come yet.
    partial: Vec<u8>,
    /// How long that line is so far, with what is not kept of it.
    length: usize,
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
                line(&whole(head, head.len()), at);
            } else {
                self.keep(head);
                line(&whole(&self.partial, self.length), at);
                self.partial.clear();
                self.length = 0;
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        self.keep(rest);
    }

    /// The line that never ended, if there is one.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let partial = std::mem::take(&mut self.partial);
        let length = std::mem::take(&mut self.length);
        (!partial.is_empty()).then(|| whole(&partial, length).into_owned())
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        let room = MAX_LINE_BYTES.saturating_sub(self.partial.len());
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.partial.extend_from_slice(kept);
    }
}

/// A line of `length` bytes of which `line` is the start: without its end, and where it is too long cut
/// between two characters and marked, so that nobody takes it for all there was.
fn whole(line: &[u8], length: usize) -> Cow<'_, [u8]> {
    if length <= MAX_LINE_BYTES {
        return Cow::Borrowed(line.strip_suffix(b"\r").unwrap_or(line));
    }
    let mark = format!(" [cut, the line has {length} bytes]");
    let mut end = MAX_LINE_BYTES - mark.len();
    while line.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
        end -= 1;
    }
    let mut cut = line.get(..end).unwrap_or(line).to_vec();
    cut.extend_from_slice(mark.as_bytes());
    Cow::Owned(cut)
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
    fn long_lines_are_cut_and_say_so_and_the_next_is_whole() {
        let long = "x".repeat(MAX_LINE_BYTES + 10);
        for chunks in [vec![format!("{long}\nok\n")], vec![long, "\nok\n".into()]] {
            let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
            let (lines, rest) = cut(&chunks);
            assert_eq!(lines[0].0.len(), MAX_LINE_BYTES);
            assert!(lines[0].0.ends_with("x [cut, the line has 65546 bytes]"));
            assert_eq!(lines[1], ("ok".into(), MAX_LINE_BYTES as u64 + 14));
            assert_eq!(rest, None);
        }
    }

    #[test]
    fn a_line_is_cut_between_characters_and_one_of_the_bound_is_not_cut() {
        let (lines, _) = cut(&[&"\u{fc}".repeat(MAX_LINE_BYTES), "\n"]);
        assert!(!lines[0].0.contains(char::REPLACEMENT_CHARACTER));
        let (_, rest) = cut(&[&"x".repeat(MAX_LINE_BYTES)]);
        assert_eq!(rest.unwrap().len(), MAX_LINE_BYTES);
        let (_, rest) = cut(&[&"x".repeat(MAX_LINE_BYTES), "x"]);
        assert!(rest.unwrap().ends_with("bytes]"));
    }
}
