//! `gateless invoke`: calls a function through any sidecar, sync or async.
//!
//! The call itself never touches the server; it is only asked where a sidecar is. Deliberately
//! not a load tool: one call, its answer, its timing.

use std::time::{Duration, Instant};

use clap::Args;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::sidecars::{call_name, entrances};
use crate::client::{Client, problem_of, transport_failure};
use crate::failure::{Exit, Failure};
use crate::manifest::units::Millis;
use crate::output::{Format, Output, at};

/// Between looks at an async call: doubled from the first to the last.
const POLL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Call a function.
#[derive(Debug, Args)]
pub(crate) struct InvokeArgs {
    /// NAME, or NAME.NAMESPACE.
    function: String,
    /// Path and query below the function.
    #[arg(default_value = "/")]
    path: String,
    /// Body: a text, @FILE, or - for stdin. Makes the method POST.
    #[arg(short, long, value_name = "DATA", allow_hyphen_values = true)]
    data: Option<String>,
    /// Header, also several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Method.
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<Method>,
    /// Print status and headers before the body.
    #[arg(short, long)]
    include: bool,
    /// Queue the call and print its id.
    #[arg(long = "async")]
    queue: bool,
    /// With --async: wait for the answer and print it.
    #[arg(long, requires = "queue")]
    wait: bool,
    /// With --async: where to send the answer.
    #[arg(long, value_name = "URL", requires = "queue")]
    callback: Option<String>,
    /// How long to wait for the answer.
    #[arg(long, default_value = "5m", value_name = "DURATION")]
    timeout: Millis,
    /// A sidecar's public address [default: one the server knows].
    #[arg(long, env = "GATELESS_SIDECAR", value_name = "URL")]
    sidecar: Option<String>,
}

/// How an answer is described.
pub(crate) struct Shown {
    what: String,
    start: Instant,
    include: bool,
    /// A result carries the function's status in `x-function-status`.
    is_result: bool,
}

impl Shown {
    /// The answer kept for an async call.
    pub(crate) fn result_of(id: &str) -> Self {
        Self {
            what: format!("call {id}"),
            start: Instant::now(),
            include: false,
            is_result: true,
        }
    }
}

/// Calls and prints the answer.
pub(crate) async fn invoke(
    client: &Client,
    out: &mut Output,
    args: &InvokeArgs,
) -> Result<(), Failure> {
    let start = Instant::now();
    let (sidecar, response) = send(client, args).await?;
    if !args.queue {
        let shown = Shown {
            what: args.function.clone(),
            start,
            include: args.include,
            is_result: false,
        };
        return show_answer(out, response, &shown).await;
    }
    if response.status() != StatusCode::ACCEPTED {
        return Err(problem_of(response).await);
    }
    let accepted: Value = response
        .json()
        .await
        .map_err(|e| transport_failure(&format!("the sidecar {sidecar}"), &e))?;
    let id = at(&accepted, "/id");
    out.note(format!("call {id} is queued, accepted in {}", took(start)));
    if !args.wait {
        return out.item(&accepted, |_| id);
    }
    let deadline = start + Duration::from_millis(args.timeout.0);
    let response = await_result(client, out, &sidecar, &id, deadline).await?;
    let mut shown = Shown::result_of(&id);
    (shown.start, shown.include) = (start, args.include);
    show_answer(out, response, &shown).await
}

/// Sends to the first sidecar that takes the connection. The body starts only then, so trying
/// the next is safe.
async fn send(client: &Client, args: &InvokeArgs) -> Result<(String, Response), Failure> {
    let entrances = entrances(client, args.sidecar.as_ref()).await?;
    let mut last = None;
    for sidecar in entrances {
        match request(client, args, &sidecar).await?.send().await {
            Ok(response) => return Ok((sidecar, response)),
            Err(error) => {
                let failure = transport_failure(&format!("the sidecar {sidecar}"), &error)
                    .hint("see `gateless sidecars`, or name another with --sidecar");
                if !error.is_connect() {
                    return Err(failure);
                }
                last = Some(failure);
            }
        }
    }
    Err(last.unwrap_or_else(|| Failure::usage("no sidecar to call")))
}

async fn request(
    client: &Client,
    args: &InvokeArgs,
    sidecar: &str,
) -> Result<reqwest::RequestBuilder, Failure> {
    let kind = if args.queue {
        "async-function"
    } else {
        "function"
    };
    let slash = if args.path.starts_with(['/', '?']) {
        ""
    } else {
        "/"
    };
    let name = call_name(client, &args.function);
    let url = format!("{sidecar}/{kind}/{name}{slash}{}", args.path);
    let default = if args.data.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let headers: HeaderMap = args.headers.iter().cloned().collect();
    let mut request = client
        .http()
        .request(args.method.clone().unwrap_or(default), url)
        .timeout(Duration::from_millis(args.timeout.0))
        .headers(headers);
    if let Some(callback) = &args.callback {
        request = request.header("x-callback-url", callback);
    }
    Ok(match &args.data {
        Some(data) => with_body(request, data).await?,
        None => request,
    })
}

async fn with_body(
    request: reqwest::RequestBuilder,
    data: &str,
) -> Result<reqwest::RequestBuilder, Failure> {
    let path = match data.strip_prefix('@') {
        _ if data == "-" => "/dev/stdin",
        Some("-") => "/dev/stdin",
        Some(path) => path,
        None => return Ok(request.body(data.to_owned())),
    };
    let broken = |e: std::io::Error| Failure::io(format!("cannot read the body from {path}"), &e);
    let file = tokio::fs::File::open(path).await.map_err(broken)?;
    let meta = file.metadata().await.map_err(broken)?;
    let request = if meta.is_file() && path != "/dev/stdin" {
        request.header("content-length", meta.len())
    } else {
        request
    };
    Ok(request.body(Body::wrap_stream(ReaderStream::new(file))))
}

/// Waits until the call is finished and asks for its answer.
async fn await_result(
    client: &Client,
    out: &mut Output,
    sidecar: &str,
    id: &str,
    deadline: Instant,
) -> Result<Response, Failure> {
    let url = format!("{sidecar}/_gateless/calls/{}", crate::client::segment(id));
    let get = |url: String| async move {
        let sent = client
            .http()
            .get(url)
            .timeout(Duration::from_secs(30))
            .send();
        let response = sent
            .await
            .map_err(|e| transport_failure(&format!("the sidecar {sidecar}"), &e))?;
        if response.status().as_u16() >= 400 {
            return Err(problem_of(response).await);
        }
        Ok(response)
    };
    let mut pause = POLL.0;
    let mut shown = String::new();
    loop {
        let response = get(url.clone()).await?;
        let call: Value = response
            .json()
            .await
            .map_err(|e| transport_failure(&format!("the sidecar {sidecar}"), &e))?;
        let state = at(&call, "/state");
        let attempts = call["attempts"].as_array().map_or(0, Vec::len);
        let line = format!("  {state}, {attempts} attempts");
        if line != shown {
            out.note(&line);
            shown = line;
        }
        match state.as_str() {
            "succeeded" => return get(format!("{url}/result")).await,
            "dead" | "cancelled" => {
                return Err(
                    Failure::new(Exit::Failure, "call_failed", format!("call {id} is {state}"))
                        .cause(at(&call, "/reason"))
                        .hint("gateless invocations get FUNCTION ID shows every attempt; gateless dlq replay FUNCTION ID tries again"),
                );
            }
            _ if Instant::now() >= deadline => {
                return Err(Failure::new(
                    Exit::Timeout,
                    "timeout",
                    format!("call {id} is not finished"),
                )
                .cause(format!("it is {state} after {attempts} attempts"))
                .hint(
                    "it goes on; gateless invocations result FUNCTION ID prints its answer later",
                ));
            }
            _ => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(POLL.1);
    }
}

/// Prints an answer: its body as it is, or one document with everything.
pub(crate) async fn show_answer(
    out: &mut Output,
    mut response: Response,
    shown: &Shown,
) -> Result<(), Failure> {
    let headers = response.headers().clone();
    let status = answer_status(&response, shown);
    let is_problem = text(&headers, "content-type").starts_with("application/problem+json");
    if status.as_u16() >= 400 && is_problem && out.format() == Format::Table && !shown.include {
        return Err(problem_of(response).await);
    }
    let mut body = Vec::new();
    if out.format() == Format::Table && shown.include {
        out.line(&format!("HTTP {status}"))?;
        for (name, value) in &headers {
            out.line(&format!("{name}: {}", value.to_str().unwrap_or("(binary)")))?;
        }
        out.line("")?;
    }
    let broken = |e: &reqwest::Error| transport_failure(&shown.what, e);
    while let Some(chunk) = response.chunk().await.map_err(|e| broken(&e))? {
        match out.format() {
            Format::Table => out.raw(&chunk)?,
            Format::Json | Format::Jsonl => body.extend_from_slice(&chunk),
        }
    }
    out.note(summary(status, &headers, shown.start));
    if out.format() != Format::Table {
        out.document(&answer_document(status, &headers, &body, shown.start))?;
    }
    if status.as_u16() < 400 {
        return Ok(());
    }
    let exit = if is_problem {
        Exit::from_status(status.as_u16())
    } else {
        Exit::Failure
    };
    Err(Failure::new(
        exit,
        "function_failed",
        format!("{} answered {status}", shown.what),
    ))
}

fn answer_status(response: &Response, shown: &Shown) -> StatusCode {
    let own = shown
        .is_result
        .then(|| response.headers().get("x-function-status"))
        .flatten()
        .and_then(|value| StatusCode::from_bytes(value.as_bytes()).ok());
    own.unwrap_or_else(|| response.status())
}

fn answer_document(status: StatusCode, headers: &HeaderMap, body: &[u8], start: Instant) -> Value {
    let headers: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                json!(String::from_utf8_lossy(value.as_bytes())),
            )
        })
        .collect();
    let mut document = json!({
        "status": status.as_u16(),
        "headers": headers,
        "duration_ms": millis(start),
    });
    match (
        serde_json::from_slice::<Value>(body),
        std::str::from_utf8(body),
    ) {
        (Ok(value), _) if is_json(&headers) => document["body"] = value,
        (_, Ok(text)) => document["body"] = json!(text),
        _ => document["body_hex"] = json!(hex::encode(body)),
    }
    document
}

fn is_json(headers: &serde_json::Map<String, Value>) -> bool {
    let kind = headers.get("content-type").and_then(Value::as_str);
    kind.is_some_and(|kind| {
        kind.split(';')
            .next()
            .is_some_and(|k| k.trim().ends_with("json"))
    })
}

fn summary(status: StatusCode, headers: &HeaderMap, start: Instant) -> String {
    let mut line = format!("{status} in {}", took(start));
    for (label, name) in [
        ("revision", "x-gateless-revision"),
        ("cold start", "x-gateless-cold-start"),
        ("timing", "server-timing"),
    ] {
        let value = text(headers, name);
        if !value.is_empty() {
            line.push_str(&format!("; {label}: {value}"));
        }
    }
    line
}

fn millis(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

fn took(start: Instant) -> String {
    format!("{:.1} ms", millis(start))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it like NAME: VALUE")?;
    let name = name
        .trim()
        .parse()
        .map_err(|_| format!("{name:?} is no header name"))?;
    let value = value
        .trim()
        .parse()
        .map_err(|_| "the value has bytes a header must not have")?;
    Ok((name, value))
}
