//! {{name}}: answers every call. A component that handles HTTP requests, run inside the sidecar.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

struct Function;

wasip2::http::proxy::export!(Function);

impl Guest for Function {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        if let Err(error) = answer(&request, out) {
            // What is printed is in `gateless logs {{name}}`.
            eprintln!("the answer broke off: {error:?}");
        }
    }
}

fn answer(request: &IncomingRequest, out: ResponseOutparam) -> Result<(), StreamError> {
    let bytes = length(request)?;
    let path = request.path_with_query().unwrap_or_default();
    let text = format!("hello from {{name}}: {} {path}, {bytes} bytes\n", method(request));

    let headers = Fields::new();
    headers
        .append("content-type", b"text/plain; charset=utf-8")
        .map_err(|_| StreamError::Closed)?;
    let response = OutgoingResponse::new(headers);
    let body = response.body().map_err(|()| StreamError::Closed)?;
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().map_err(|()| StreamError::Closed)?;
    stream.blocking_write_and_flush(text.as_bytes())?;
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|_| StreamError::Closed)
}

/// How long the request's body is.
fn length(request: &IncomingRequest) -> Result<usize, StreamError> {
    let body = request.consume().map_err(|()| StreamError::Closed)?;
    let stream = body.stream().map_err(|()| StreamError::Closed)?;
    let mut bytes = 0;
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(part) => bytes += part.len(),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(error) => return Err(error),
        }
    }
}

fn method(request: &IncomingRequest) -> String {
    match request.method() {
        Method::Other(name) => name,
        known => format!("{known:?}").trim_start_matches("Method::").to_uppercase(),
    }
}
