//! A function that answers with whatever bytes it is told to, for tests of what a proxy makes of them.
//!
//! Over HTTP/1.1 an answer comes with the request, as hex in `x-answer`; without one the request comes back
//! as the body, byte for byte. Over HTTP/2 it is the frames in the file `$RAW_FRAMES`; of several files, with colons
//! between them, each request has its turn. Every request is one line of hex in `$RAW_SEEN`. Deliberately no HTTP library: it would refuse what is to be tested.

#![allow(clippy::unwrap_used, reason = "a broken test program is a failed test")]

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stands for the stream of the request in `$RAW_FRAMES`.
const THE_STREAM: u32 = 0x7fff_ffff;
const PREFACE: usize = 24;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;

/// Requests over HTTP/2 so far.
static TURN: AtomicUsize = AtomicUsize::new(0);

fn main() {
    let port = std::env::var("PORT").unwrap();
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    let files = std::env::var("RAW_FRAMES").unwrap_or_default();
    let files = files.split(':').filter(|path| !path.is_empty());
    let frames: Vec<_> = files.map(|path| std::fs::read(path).unwrap()).collect();
    for stream in listener.incoming().flatten() {
        let frames = frames.clone();
        std::thread::spawn(move || match frames.is_empty() {
            false => serve_h2(stream, &frames).ok(),
            true => serve_h1(stream).ok(),
        });
    }
}

fn serve_h1(mut stream: TcpStream) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let Some(head) = read_until(&mut stream, &mut bytes, head_end)? else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let early = header(&text, "x-early").is_some();
        let whole = |bytes: &[u8]| {
            if early {
                Some(bytes.len())
            } else {
                body_end(&text, bytes, head)
            }
        };
        // A request that breaks off is none.
        let Some(end) = read_until(&mut stream, &mut bytes, whole)? else {
            return Ok(());
        };
        let request: Vec<u8> = bytes.drain(..end).collect();
        see(&request);
        match header(&text, "x-answer") {
            Some(hex) => stream.write_all(&unhex(hex))?,
            None => {
                let length = request.len();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"
                )?;
                stream.write_all(&request)?;
            }
        }
        if early || header(&text, "x-close").is_some() {
            return Ok(());
        }
    }
}

fn serve_h2(mut stream: TcpStream, answers: &[Vec<u8>]) -> io::Result<()> {
    let mut preface = [0; PREFACE];
    stream.read_exact(&mut preface)?;
    stream.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])?;
    // Whatever is sent is taken.
    let window = [
        0,
        0,
        4,
        WINDOW_UPDATE,
        0,
        0,
        0,
        0,
        0,
        0x3f,
        0xff,
        0xff,
        0xff,
    ];
    stream.write_all(&window)?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload)?;
        let (kind, flags) = (head[3], head[4]);
        if kind == SETTINGS && flags & 1 == 0 {
            stream.write_all(&[0, 0, 0, SETTINGS, 1, 0, 0, 0, 0])?;
        }
        if kind == HEADERS {
            see(&payload);
            let id = &head[5..9];
            let turn = TURN.fetch_add(1, Ordering::SeqCst) % answers.len();
            let mut answer = answers[turn].clone();
            for at in 0..answer.len().saturating_sub(3) {
                if answer[at..at + 4] == THE_STREAM.to_be_bytes() {
                    answer[at..at + 4].copy_from_slice(id);
                }
            }
            stream.write_all(&answer)?;
        }
    }
}

/// Reads on until `end` finds one; `None` when the other side ends first.
fn read_until(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
    end: impl Fn(&[u8]) -> Option<usize>,
) -> io::Result<Option<usize>> {
    loop {
        if let Some(end) = end(bytes) {
            return Ok(Some(end));
        }
        let mut more = [0; 16 << 10];
        match stream.read(&mut more)? {
            0 => return Ok(None),
            n => bytes.extend_from_slice(&more[..n]),
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let at = bytes.windows(what.len()).position(|window| window == what);
    at.map(|at| at + what.len())
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    find(bytes, b"\r\n\r\n")
}

fn body_end(head: &str, bytes: &[u8], from: usize) -> Option<usize> {
    if header(head, "transfer-encoding").is_some() {
        let body = &bytes[from..];
        let last = if body.starts_with(b"0\r\n") {
            Some(3)
        } else {
            find(body, b"\r\n0\r\n")
        };
        // The last chunk, then trailers and an empty line.
        let last = last? - 2;
        return find(&body[last..], b"\r\n\r\n").map(|end| from + last + end);
    }
    let length: usize =
        header(head, "content-length").map_or(0, |length| length.parse().unwrap_or(0));
    (bytes.len() >= from + length).then_some(from + length)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len() / 2).map(|n| digit(2 * n)).collect()
}

/// One whole line in one write.
fn see(request: &[u8]) {
    let path = std::env::var("RAW_SEEN").unwrap();
    let mut line: String = request.iter().map(|byte| format!("{byte:02x}")).collect();
    line.push('\n');
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.unwrap().write_all(line.as_bytes()).unwrap();
}
