//! What the containers of the tests run: a server that does as its path says, without a crate, so that `rustc` alone makes it.
//!
//! Linked statically, it is an image by itself.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn _exit(code: i32) -> !;
}

extern "C" fn end(_: i32) {
    // SAFETY: it ends the process, whatever it does.
    unsafe { _exit(0) }
}

fn main() {
    // The first program of a container ignores what it does not handle.
    // SAFETY: the handler calls nothing but what a handler may.
    unsafe { signal(15, end) };
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("exit") => std::process::exit(words.next().unwrap().parse().unwrap()),
        Some("never") => loop {
            std::thread::park();
        },
        _ => {}
    }
    let port = std::env::var("PORT").unwrap();
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    for stream in listener.incoming().flatten() {
        std::thread::spawn(|| serve(stream));
    }
}

fn serve(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let path = first.split(' ').nth(1)?.to_owned();
        let mut line = String::new();
        while reader.read_line(&mut line).ok()? > 2 {
            line.clear();
        }
        let answer = answer(&path);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(answer.as_bytes()).ok()?;
    }
}

fn answer(path: &str) -> String {
    let path = path.trim_start_matches('/');
    let (what, argument) = path.split_once('/').unwrap_or((path, ""));
    match what {
        "say" => println!("{argument}"),
        "exit" => std::process::exit(argument.parse().unwrap()),
        "env" => return std::env::var(argument).unwrap_or_default(),
        // More memory than it may have, touched.
        "hog" => {
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1_u8; 1 << 20]);
            }
        }
        "write" => {
            let written = std::fs::write(format!("/{argument}"), "x");
            return written.map_or_else(|error| error.to_string(), |()| "written".into());
        }
        "status" => return std::fs::read_to_string("/proc/self/status").unwrap_or_default(),
        // Calls another through where it was told that functions are.
        "call" => return call(argument).unwrap_or_else(|error| format!("no answer: {error}")),
        "connect" => {
            let address = argument.parse().unwrap();
            let patience = std::time::Duration::from_secs(2);
            return match TcpStream::connect_timeout(&address, patience) {
                Ok(_) => "connected".into(),
                Err(error) => error.to_string(),
            };
        }
        _ => {}
    }
    format!("/{path}\n")
}

fn call(path: &str) -> std::io::Result<String> {
    let url = std::env::var("GATELESS_URL").unwrap_or_default();
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host)?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer)?;
    Ok(answer)
}
