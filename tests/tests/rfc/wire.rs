//! Bytes to and from a sidecar, with no HTTP library in between: it would not send what is to be tested.
//!
//! Deliberately blocking, a connection an exchange.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A proxy that has said nothing for so long will say nothing more.
const SILENCE: Duration = Duration::from_secs(3);
/// After an answer.
const AFTERWARDS: Duration = Duration::from_millis(30);

/// In their order, names in lower case.
type Headers = Vec<(String, String)>;

/// What came back over HTTP/1.1.
#[derive(Default)]
pub(crate) struct Answer {
    /// Of answers before the last, 1xx.
    pub(crate) interim: Vec<u16>,
    /// 0: there was none.
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    /// It ended where it said it would.
    pub(crate) complete: bool,
    /// The proxy closed the connection.
    pub(crate) closed: bool,
    /// What came after it on the connection.
    pub(crate) rest: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        f.debug_struct("Answer")
            .field("interim", &self.interim)
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &text(&self.body))
            .field("complete", &self.complete)
            .field("closed", &self.closed)
            .field("rest", &text(&self.rest))
            .finish()
    }
}

impl Answer {
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        values(&self.headers, name)
    }
}

pub(crate) fn values<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let of_name = headers.iter().filter(|(found, _)| found == name);
    of_name.map(|(_, value)| value.as_str()).collect()
}

/// Sends bytes and reads until the proxy closes, says nothing more, or has said all.
pub(crate) fn exchange(
    address: &str,
    bytes: &[u8],
    half_close: bool,
    is_all: impl Fn(&[u8]) -> bool,
) -> io::Result<(Vec<u8>, bool)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    // It may answer and close before it has read all.
    stream.write_all(bytes).ok();
    if half_close {
        stream.shutdown(Shutdown::Write)?;
    }
    let (mut got, mut more) = (Vec::new(), [0; 64 << 10]);
    loop {
        // Something that should not come would come right after.
        let patience = if is_all(&got) { AFTERWARDS } else { SILENCE };
        stream.set_read_timeout(Some(patience))?;
        match stream.read(&mut more) {
            Ok(0) => return Ok((got, true)),
            Ok(n) => got.extend_from_slice(&more[..n]),
            Err(error) => {
                let waits = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
                return Ok((got, !waits.contains(&error.kind())));
            }
        }
    }
}

/// Start line and headers of a message, and where its body begins.
pub(crate) fn head(bytes: &[u8]) -> Option<(String, Headers, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text: String = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n");
    let first = lines.next()?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Some((first, headers.collect(), end + 4))
}

/// The answer to a request with this method.
pub(crate) fn answer(mut bytes: &[u8], closed: bool, method: &str) -> Answer {
    let mut answer = Answer {
        closed,
        ..Answer::default()
    };
    loop {
        let Some((line, headers, body)) = head(bytes) else {
            return answer;
        };
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        bytes = &bytes[body..];
        match status.unwrap_or(0) {
            status @ 100..200 if status != 101 => answer.interim.push(status),
            status => {
                answer.status = status;
                answer.headers = headers;
                break;
            }
        }
    }
    let bodiless = method == "HEAD" || matches!(answer.status, 204 | 304 | 101);
    let length = answer
        .values("content-length")
        .first()
        .and_then(|n| n.parse().ok());
    let chunked = answer.values("transfer-encoding") == ["chunked"];
    let (body, used, complete) = if bodiless {
        (Vec::new(), 0, true)
    } else if chunked {
        dechunk(bytes)
    } else {
        let length: usize = length.unwrap_or(bytes.len());
        let used = length.min(bytes.len());
        (bytes[..used].to_vec(), used, used == length)
    };
    answer.rest = bytes[used..].to_vec();
    (answer.body, answer.complete) = (body, complete);
    answer
}

/// Body, bytes used, and whether its last chunk was there.
fn dechunk(bytes: &[u8]) -> (Vec<u8>, usize, bool) {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = bytes[at..].windows(2).position(|window| window == b"\r\n");
        let size = line.and_then(|end| {
            let text = std::str::from_utf8(&bytes[at..at + end]).ok()?;
            usize::from_str_radix(text.split(';').next()?.trim(), 16).ok()
        });
        let (Some(line), Some(size)) = (line, size) else {
            return (body, at, false);
        };
        let from = at + line + 2;
        if size == 0 {
            // Trailers, then an empty line.
            let end = bytes[from - 2..]
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            return match end {
                Some(end) => (body, from + 2 + end, true),
                None => (body, from, false),
            };
        }
        if bytes.len() < from + size + 2 {
            body.extend_from_slice(&bytes[from.min(bytes.len())..(from + size).min(bytes.len())]);
            return (body, bytes.len(), false);
        }
        body.extend_from_slice(&bytes[from..from + size]);
        at = from + size + 2;
    }
}

/// As `x-answer` has it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The other way.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_default();
    (0..text.len() / 2).map(|n| digit(2 * n)).collect()
}
