//! GET says hello, POST gives the body back as it comes. A `wasi:http` component of WASI 0.3: an async
//! function that is called for every request. What it prints becomes the function's log.

use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::wit_bindgen::StreamReader;
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Hello;

wasip3::http::service::export!(Hello);

impl Guest for Hello {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        match request.get_method() {
            Method::Get => respond(200, "text/plain", Some(hello(&request))),
            Method::Post => respond(200, "application/octet-stream", Some(body_of(request))),
            _ => respond(405, "text/plain", None),
        }
    }
}

/// A stream that is written while the caller reads it.
fn hello(request: &Request) -> StreamReader<u8> {
    let target = request.get_path_with_query().unwrap_or_default();
    let name = target
        .split_once("name=")
        .map_or("world", |(_, name)| name.split('&').next().unwrap_or(name));
    let text = format!("Hello, {name}, from Rust and WASI 0.3!\n");
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        if !writer.write_all(text.into_bytes()).await.is_empty() {
            eprintln!("the caller went away");
        }
    });
    reader
}

/// What the caller sends, as it comes.
fn body_of(request: Request) -> StreamReader<u8> {
    let (_, read) = wit_future::new(|| Ok(()));
    Request::consume_body(request, read).0
}

fn respond(
    status: u16,
    content_type: &str,
    body: Option<StreamReader<u8>>,
) -> Result<Response, ErrorCode> {
    let content_type = ("content-type".to_owned(), content_type.as_bytes().to_vec());
    let headers = Fields::from_list(&[content_type])
        .map_err(|error| ErrorCode::InternalError(Some(format!("{error:?}"))))?;
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(headers, body, no_trailers);
    response
        .set_status_code(status)
        .map_err(|()| ErrorCode::InternalError(None))?;
    Ok(response)
}
