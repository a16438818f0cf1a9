//! Whether the bytes that came so far end in the middle of a head, as seen from outside the HTTP library.
//!
//! Of HTTP/2 only the frames' own heads are read (RFC 9113, 4.1): where one ends, and whether a block of headers goes
//! on. Of HTTP/1.1 nothing: there, bytes that lead to no request are part of a head.

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// What is spoken on a connection, as far as it has come.
#[derive(Debug)]
pub(crate) enum Protocol {
    /// As many bytes as these began as HTTP/2 does.
    Unknown(usize),
    Http1,
    Http2(Frames),
}

impl Default for Protocol {
    fn default() -> Self {
        Self::Unknown(0)
    }
}

impl Protocol {
    /// Takes what was read, in order.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        if let Self::Unknown(known) = self {
            let rest = &PREFACE[*known..];
            let same = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            *known += same;
            let complete = *known == PREFACE.len();
            if !complete && same == bytes.len() {
                return;
            }
            *self = match complete {
                true => Self::Http2(Frames::default()),
                false => Self::Http1,
            };
            bytes = &bytes[same..];
        }
        if let Self::Http2(frames) = self {
            frames.read(bytes);
        }
    }

    /// Whether a head of HTTP/2, of a request or of a frame, has begun and not ended; data may take its time.
    pub(crate) fn is_within_head(&self) -> bool {
        matches!(self, Self::Http2(frames) if frames.is_within_head())
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }
}

/// Where in the sequence of frames a connection is.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    head: [u8; FRAME_HEAD],
    /// Bytes of the frame's head that are there.
    known: usize,
    /// Bytes of the frame that are still to come, once its head is there.
    left: usize,
    /// A block of headers goes on in the next frame.
    unfinished: bool,
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let now = self.left.min(bytes.len());
                self.left -= now;
                bytes = &bytes[now..];
                continue;
            }
            if self.known == FRAME_HEAD {
                self.known = 0;
            }
            let now = (FRAME_HEAD - self.known).min(bytes.len());
            self.head[self.known..self.known + now].copy_from_slice(&bytes[..now]);
            self.known += now;
            bytes = &bytes[now..];
            if self.known == FRAME_HEAD {
                let [a, b, c, kind, flags, ..] = self.head;
                self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                if matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
                    self.unfinished = flags & END_HEADERS == 0;
                }
            }
        }
    }

    fn is_within_head(&self) -> bool {
        let within_frame_head = self.known > 0 && self.known < FRAME_HEAD;
        let within_frame = self.left > 0 && self.head[3] != DATA;
        within_frame_head || within_frame || self.unfinished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [.., a, b, c] = length.to_be_bytes();
        let mut frame = vec![a, b, c, kind, flags, 0, 0, 0, 1];
        frame.resize(FRAME_HEAD + length, 0);
        frame
    }

    #[track_caller]
    fn check(frames: &[Vec<u8>], expected_at_end: bool) {
        let bytes: Vec<u8> = frames.concat();
        for piece in [1, 3, 7, bytes.len().max(1)] {
            let mut protocol = Protocol::default();
            protocol.read(PREFACE);
            for part in bytes.chunks(piece) {
                protocol.read(part);
            }
            assert_eq!(protocol.is_within_head(), expected_at_end, "{piece}");
        }
    }

    #[test]
    fn heads_that_have_not_ended_are_seen_however_they_are_cut() {
        let settings = || frame(4, 0, 12);
        check(&[], false);
        check(&[settings()], false);
        check(&[settings()[..5].to_vec()], true);
        check(&[settings()[..15].to_vec()], true);
        check(&[settings(), frame(HEADERS, END_HEADERS, 30)], false);
        check(&[settings(), frame(HEADERS, 0, 30)], true);
        check(&[frame(HEADERS, 0, 30), frame(CONTINUATION, 0, 5)], true);
        let ended = frame(CONTINUATION, END_HEADERS, 0);
        check(&[frame(HEADERS, 0, 30), ended], false);
    }

    #[test]
    fn data_may_take_its_time() {
        check(&[frame(DATA, 0, 100)[..50].to_vec()], false);
        check(&[frame(DATA, 0, 100), frame(6, 0, 8)], false);
        check(&[frame(DATA, 0, 100)[..4].to_vec()], true);
    }

    #[test]
    fn protocols_are_told_apart_at_the_first_other_byte() {
        for (bytes, http2) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], true),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", false),
            (b"PUT / HTTP/1.1\r\n", false),
            (b"", false),
        ] {
            let mut protocol = Protocol::default();
            for byte in bytes {
                protocol.read(std::slice::from_ref(byte));
            }
            assert_eq!(protocol.is_http2(), http2);
        }
    }
}
