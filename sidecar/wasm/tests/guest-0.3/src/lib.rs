//! A component of WASI 0.3 with a route for the good and bad things its tasks can do. Deliberately not an
//! example of how to write a function: see `examples/` for that.

use std::sync::atomic::{AtomicU32, Ordering};

use wasip3::clocks::monotonic_clock;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::wit_bindgen::rt::async_support::{StreamReader, StreamResult};
use wasip3::{wit_bindgen, wit_future, wit_stream};

wasip3::http::service::export!(Guest);

struct Guest;

static CALLS: AtomicU32 = AtomicU32::new(0);

impl wasip3::exports::http::handler::Guest for Guest {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/count" => Ok(text(calls.to_string())),
            "/env" => Ok(text(environment())),
            "/echo" => Ok(respond(Fields::new(), body_of(request))),
            "/trap" => panic!("on purpose"),
            "/late-trap" => Ok(late_trap()),
            "/spin" => loop {
                std::hint::black_box(calls);
            },
            "/grow" => grow(),
            "/streams" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(wit_stream::new::<u8>());
                }
            }
            "/tasks" => {
                for _ in 0..100_000 {
                    wit_bindgen::spawn_local(async {
                        let (_writer, mut reader) = wit_stream::new::<u8>();
                        reader.next().await;
                    });
                }
                Ok(text("spawned"))
            }
            "/wait" => {
                monotonic_clock::wait_for(600_000_000_000).await;
                Ok(text("waited"))
            }
            "/endless" => Ok(endless()),
            "/header-flood" => {
                let headers = Fields::new();
                for n in 0..1_000 {
                    headers.append(&format!("x-{n}"), b"flood").unwrap();
                }
                Ok(respond(headers, empty()))
            }
            "/refuse" => Err(ErrorCode::LoopDetected),
            "/after" => {
                wit_bindgen::spawn_local(async {
                    monotonic_clock::wait_for(20_000_000).await;
                    println!("after the response");
                });
                Ok(text("answered"))
            }
            "/call" => call(query).await,
            "/bomb" => bomb(query).await,
            _ => Ok(text("hello")),
        }
    }
}

fn text(text: impl Into<String>) -> Response {
    let bytes = text.into().into_bytes();
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        writer.write_all(bytes).await;
    });
    respond(Fields::new(), reader)
}

fn empty() -> StreamReader<u8> {
    wit_stream::new().1
}

fn respond(headers: Fields, body: StreamReader<u8>) -> Response {
    let (_, trailers) = wit_future::new(|| Ok(None));
    Response::new(headers, Some(body), trailers).0
}

fn body_of(request: Request) -> StreamReader<u8> {
    let (_, read) = wit_future::new(|| Ok(()));
    Request::consume_body(request, read).0
}

fn environment() -> String {
    let pairs = std::env::vars().map(|(name, value)| format!("{name}={value}\n"));
    pairs.collect()
}

fn late_trap() -> Response {
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        writer.write_all(b"so far so good".to_vec()).await;
        panic!("on purpose, later");
    });
    respond(Fields::new(), reader)
}

fn grow() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 1 << 20]);
    }
}

fn endless() -> Response {
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        while writer.write_all(vec![b'x'; 64 << 10]).await.is_empty() {}
    });
    respond(Fields::new(), reader)
}

fn request_to(authority: &str) -> Request {
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _) = Request::new(Fields::new(), None, trailers, None);
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some("/")).unwrap();
    request
}

async fn call(authority: &str) -> Result<Response, ErrorCode> {
    let response = client::send(request_to(authority)).await?;
    let (_, read) = wit_future::new(|| Ok(()));
    let (mut body, _) = Response::consume_body(response, read);
    let mut whole = b"they said: ".to_vec();
    loop {
        let (status, piece) = body.read(Vec::with_capacity(1 << 10)).await;
        whole.extend(piece);
        if status == StreamResult::Dropped {
            break;
        }
    }
    Ok(text(String::from_utf8(whole).unwrap()))
}

/// As many requests at once as it can.
async fn bomb(authority: &str) -> Result<Response, ErrorCode> {
    let mut errors = 0;
    for _ in 0..1_000 {
        let sent = client::send(request_to(authority)).await;
        errors += u32::from(sent.is_err());
    }
    Ok(text(format!("{errors} refused")))
}
