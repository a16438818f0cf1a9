//! GET says hello, POST gives the body back as it comes. A `wasi:http` component: no port, no server, one
//! function that is called for every request. What it prints becomes the function's log.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

struct Hello;

wasip2::http::proxy::export!(Hello);

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let answered = match request.method() {
            Method::Get => hello(&request, out),
            Method::Post => echo(&request, out),
            _ => begin(out, 405, "text/plain").map(finish),
        };
        if let Err(error) = answered {
            eprintln!("the answer broke off: {error:?}");
        }
    }
}

fn hello(request: &IncomingRequest, out: ResponseOutparam) -> Result<(), StreamError> {
    let target = request.path_with_query().unwrap_or_default();
    let name = target
        .split_once("name=")
        .map_or("world", |(_, name)| name.split('&').next().unwrap_or(name));
    let body = begin(out, 200, "text/plain")?;
    let stream = body.write().map_err(|()| StreamError::Closed)?;
    stream.blocking_write_and_flush(format!("Hello, {name}, from Rust!\n").as_bytes())?;
    drop(stream);
    finish(body);
    Ok(())
}

fn echo(request: &IncomingRequest, out: ResponseOutparam) -> Result<(), StreamError> {
    let incoming = request.consume().map_err(|()| StreamError::Closed)?;
    let input = incoming.stream().map_err(|()| StreamError::Closed)?;
    let body = begin(out, 200, "application/octet-stream")?;
    let output = body.write().map_err(|()| StreamError::Closed)?;
    loop {
        match output.blocking_splice(&input, 64 * 1024) {
            Ok(_) => {}
            Err(StreamError::Closed) => break,
            Err(error) => return Err(error),
        }
    }
    output.blocking_flush()?;
    drop(output);
    finish(body);
    Ok(())
}

/// Sends the response's head; the body can be written while the caller reads it.
fn begin(
    out: ResponseOutparam,
    status: u16,
    content_type: &str,
) -> Result<OutgoingBody, StreamError> {
    let headers = Fields::new();
    headers
        .append("content-type", content_type.as_bytes())
        .map_err(|_| StreamError::Closed)?;
    let response = OutgoingResponse::new(headers);
    response
        .set_status_code(status)
        .map_err(|()| StreamError::Closed)?;
    let body = response.body().map_err(|()| StreamError::Closed)?;
    ResponseOutparam::set(out, Ok(response));
    Ok(body)
}

fn finish(body: OutgoingBody) {
    if let Err(error) = OutgoingBody::finish(body, None) {
        eprintln!("the answer broke off: {error:?}");
    }
}
