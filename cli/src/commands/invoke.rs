//! `gateless invoke`: calls a function through any sidecar, sync or async.
//!
//! The call itself never touches the server; it is only asked where a sidecar is. Deliberately
//! not a load tool: one call, its answer, its timing.

use std::time::{Duration, Instant};

use clap::Args;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Response, StatusCode};
use serde_json::Value;
use tokio_util::io::ReaderStream;

use super::answer::{Shown, show_answer, took};
use super::sidecars::{call_name, entrances};
use super::trace;
use crate::client::{Client, problem_of, transport_failure};
use crate::failure::{Exit, Failure};
use crate::manifest::units::Millis;
use crate::output::{Output, at};

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
    /// Show where the time went; with --async wait, and show the attempts.
    #[arg(long)]
    trace: bool,
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
            trace: args.trace.then(Vec::new),
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
    if !args.wait && !args.trace {
        return out.item(&accepted, |_| id);
    }
    let deadline = start + Duration::from_millis(args.timeout.0);
    let finished = await_result(client, out, &sidecar, &id, deadline).await;
    let (call, response) = finished.map_err(|failure| explain(out, args, failure))?;
    let mut shown = Shown::result_of(&id);
    (shown.start, shown.include) = (start, args.include);
    shown.trace = args.trace.then(|| trace::attempts(&call));
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

/// A call that came to nothing shows its attempts, too.
fn explain(out: &mut Output, args: &InvokeArgs, failure: Failure) -> Failure {
    let phases = trace::attempts(&failure.document()["call"]);
    if args.trace && !phases.is_empty() {
        out.note(trace::timeline(&phases).trim_end());
    }
    failure
}

/// Waits until the call is finished and asks for its answer.
async fn await_result(
    client: &Client,
    out: &mut Output,
    sidecar: &str,
    id: &str,
    deadline: Instant,
) -> Result<(Value, Response), Failure> {
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
            "succeeded" => return Ok((call, get(format!("{url}/result")).await?)),
            "dead" | "cancelled" => {
                return Err(
                    Failure::new(Exit::Failure, "call_failed", format!("call {id} is {state}"))
                        .cause(at(&call, "/reason"))
                        .with("call", call)
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
