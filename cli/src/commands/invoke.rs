//! `gateless invoke`: calls a function through any sidecar, sync or async.
//!
//! The call itself never touches the server; it is only asked where a sidecar is. Deliberately
//! not a load tool: one call, its answer, its timing.

use std::fs::File;
use std::time::{Duration, Instant};

use clap::Args;
use gateless_sdk::{Error, Gateless, Invoke};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::answer::{Shown, show_answer, took};
use super::trace;
use crate::client::Client;
use crate::failure::Failure;
use crate::login::check_url;
use crate::manifest::units::Millis;
use crate::output::Output;

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
    let sidecar = args.sidecar.as_deref().map(check_url).transpose()?;
    let sdk = client.sdk(sidecar.as_deref())?;
    let start = Instant::now();
    if args.queue {
        return queue(client, &sdk, out, args, start).await;
    }
    let call = args.call()?.deadline(args.timeout());
    let answered = sdk.invoke(&args.function, call).await;
    let response = answered.map_err(|error| failed(client, error))?;
    let shown = Shown {
        what: args.function.clone(),
        start,
        include: args.include,
        is_result: false,
        trace: args.trace.then(Vec::new),
    };
    show_answer(out, response, &shown).await
}

async fn queue(
    client: &Client,
    sdk: &Gateless,
    out: &mut Output,
    args: &InvokeArgs,
    start: Instant,
) -> Result<(), Failure> {
    let mut call = args.call()?;
    if let Some(url) = &args.callback {
        call = call.callback(url);
    }
    let accepted = tokio::time::timeout(args.timeout(), sdk.invoke_async(&args.function, call));
    let accepted = accepted.await.unwrap_or_else(|_| {
        let whom = "the sidecar".into();
        Err(Error::Timeout { whom })
    });
    let call = accepted.map_err(|error| failed(client, error))?;
    let id = call.id().to_owned();
    out.note(format!("call {id} is queued, accepted in {}", took(start)));
    if !args.wait && !args.trace {
        let document = json!({"id": id, "token": call.token(), "function": args.function});
        return out.item(&document, |_| id);
    }
    let left = args.timeout().saturating_sub(start.elapsed());
    let (mut said, mut last) = (String::new(), Value::Null);
    let finished = call.result_watched(left, |status| {
        let line = format!("  {}, {} attempts", status.state, status.attempts());
        if line != said {
            out.note(&line);
            said = line;
        }
        last = json!(status);
    });
    let finished = finished.await;
    let trace = args.trace.then(|| trace::attempts(&last));
    let response = finished.map_err(|error| {
        // A call that came to nothing shows its attempts, too.
        if let Some(trace) = trace.as_ref().filter(|t| !t.is_empty()) {
            out.note(trace::timeline(trace).trim_end());
        }
        unfinished(client, &args.function, error).with("call", last)
    })?;
    let mut shown = Shown::result_of(&id);
    (shown.start, shown.include, shown.trace) = (start, args.include, trace);
    show_answer(out, response, &shown).await
}

/// Why there is no answer, and the way out from here.
fn failed(client: &Client, error: Error) -> Failure {
    let hint = match &error {
        Error::Unreachable { whom, .. } if whom.starts_with("the server") => {
            "calls need no server: name a sidecar with --sidecar or GATELESS_SIDECAR"
        }
        Error::Unreachable { .. } | Error::Transport { .. } | Error::Timeout { .. } => {
            "see `gateless sidecars`, or name another with --sidecar"
        }
        _ => return client.failure(error),
    };
    Failure::from(error).hint(hint)
}

fn unfinished(client: &Client, function: &str, error: Error) -> Failure {
    let hint = match &error {
        Error::CallFailed { id, .. } => format!(
            "gateless invocations get {function} {id} shows every attempt; gateless dlq replay {function} {id} tries again"
        ),
        Error::CallUnfinished { id, .. } => {
            format!("gateless invocations result {function} {id} prints its answer later")
        }
        _ => return failed(client, error),
    };
    Failure::from(error).hint(hint)
}

impl InvokeArgs {
    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout.0)
    }

    /// What is sent.
    fn call(&self) -> Result<Invoke, Failure> {
        let headers: HeaderMap = self.headers.iter().cloned().collect();
        let mut call = Invoke::new().path(&self.path).headers(headers);
        if let Some(method) = &self.method {
            call = call.method(method.clone());
        }
        match &self.data {
            Some(data) => with_body(call, data),
            None => Ok(call),
        }
    }
}

fn with_body(call: Invoke, data: &str) -> Result<Invoke, Failure> {
    let path = match data.strip_prefix('@') {
        _ if data == "-" => "/dev/stdin",
        Some("-") => "/dev/stdin",
        Some(path) => path,
        None => return Ok(call.body(data.to_owned())),
    };
    let broken = |e: std::io::Error| Failure::io(format!("cannot read the body from {path}"), &e);
    let file = File::open(path).map_err(broken)?;
    let meta = file.metadata().map_err(broken)?;
    let call = if meta.is_file() && path != "/dev/stdin" {
        call.header("content-length", &meta.len().to_string())
    } else {
        call
    };
    let path = path.to_owned();
    Ok(call.body_from(move || match File::open(&path) {
        Ok(file) => Body::wrap_stream(ReaderStream::new(tokio::fs::File::from_std(file))),
        // It was there a moment ago.
        Err(error) => Body::wrap_stream(futures_util::stream::once(async move {
            Err::<bytes::Bytes, _>(error)
        })),
    }))
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
