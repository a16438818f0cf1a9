//! A function's log lines from every sidecar that runs it, as one stream.
//!
//! Without `follow` the lines are sorted by time; with it they come as they come, after each sidecar's
//! own tail.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, BoxStream, StreamExt};
use gateless_common::limits::LOG_LINES;
use gateless_proto::v1::{LogLine, LogsRequest};
use tonic::{Status, Streaming};

use super::calls::Warning;
use super::functions::Name;
use super::{Result, Service};
use crate::clock;
use crate::sidecars::clients::{CallError, Client};

/// How long a sidecar may take between two lines of the past.
const LINE_TIMEOUT: Duration = Duration::from_secs(5);

/// Which lines.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Go on with new lines.
    pub follow: bool,
    /// At most so many of the past, at most [`LOG_LINES`].
    pub tail: u32,
    /// Unix milliseconds; 0: no bound.
    pub since_ms: u64,
    /// Unix milliseconds, not included; 0: no bound.
    pub until_ms: u64,
    /// Empty: all.
    pub revision: String,
    /// Empty: all.
    pub instance: String,
}

/// Lines as they come; those of sidecars that could not be asked are missing.
pub struct Lines {
    /// The lines.
    pub lines: BoxStream<'static, LogLine>,
    /// Whose are missing.
    pub warnings: Vec<Warning>,
}

impl Service {
    /// Log lines of a function.
    ///
    /// # Errors
    /// [`super::Error::NotFound`] when the function is not there.
    pub async fn logs(&self, name: Name<'_>, query: &Query) -> Result<Lines> {
        self.function_record(name).await?;
        let request = LogsRequest {
            namespace: name.0.to_owned(),
            function: name.1.to_owned(),
            revision: query.revision.clone(),
            instance: query.instance.clone(),
            tail_lines: query.tail.min(LOG_LINES),
            follow: query.follow,
            since_ms: query.since_ms,
            until_ms: query.until_ms,
        };
        let (clients, gone) = self.registry.clients();
        let mut warnings: Vec<Warning> = gone
            .into_iter()
            .map(|(sidecar, since)| Warning {
                sidecar,
                detail: format!("not connected since {since:.0}"),
            })
            .collect();
        let mut opened = Vec::new();
        for answer in join_all(clients.iter().map(|client| open(client, &request))).await {
            match answer {
                Ok(stream) => opened.push(stream),
                Err(error) => warnings.push(Warning {
                    detail: error.status.message().to_owned(),
                    sidecar: error.sidecar,
                }),
            }
        }
        if query.follow {
            let streams = opened
                .into_iter()
                .map(|(sidecar, lines)| follow(sidecar, lines));
            let lines = stream::select_all(streams).boxed();
            return Ok(Lines { lines, warnings });
        }
        let tail = request.tail_lines as usize;
        let mut lines = Vec::new();
        for (sidecar, found, failed) in join_all(
            opened
                .into_iter()
                .map(|(sidecar, lines)| past(sidecar, lines, tail)),
        )
        .await
        {
            lines.extend(found);
            if let Some(detail) = failed {
                warnings.push(Warning { sidecar, detail });
            }
        }
        lines.sort_by_key(|line| line.time_ms);
        let skip = lines.len().saturating_sub(tail);
        let lines = stream::iter(lines.into_iter().skip(skip)).boxed();
        Ok(Lines { lines, warnings })
    }
}

type Opened = (String, Streaming<LogLine>);

async fn open(client: &Client, request: &LogsRequest) -> Result<Opened, CallError> {
    let request = request.clone();
    let lines = client.ask(|mut admin| async move { admin.logs(request).await });
    Ok((client.sidecar.clone(), lines.await?))
}

/// A sidecar's lines of the past, at most `tail`, and why they broke off, if they did.
async fn past(
    sidecar: String,
    mut lines: Streaming<LogLine>,
    tail: usize,
) -> (String, Vec<LogLine>, Option<String>) {
    let mut found = Vec::new();
    let failed = loop {
        if found.len() >= tail {
            break None;
        }
        match tokio::time::timeout(LINE_TIMEOUT, lines.message()).await {
            Ok(Ok(Some(line))) => found.push(line),
            Ok(Ok(None)) => break None,
            Ok(Err(status)) => break Some(status.message().to_owned()),
            Err(_) => break Some("its log lines stopped coming".to_owned()),
        }
    };
    (sidecar, found, failed)
}

/// Ends with the sidecar's stream; its end is a line of its own, so that nobody waits for nothing.
fn follow(sidecar: String, lines: Streaming<LogLine>) -> BoxStream<'static, LogLine> {
    lines
        .scan(false, move |ended, line: Result<LogLine, Status>| {
            let line = match line {
                _ if *ended => None,
                Ok(line) => Some(line),
                Err(status) => {
                    *ended = true;
                    Some(lost(&sidecar, &status))
                }
            };
            std::future::ready(line)
        })
        .boxed()
}

fn lost(sidecar: &str, status: &Status) -> LogLine {
    let now = clock::now().as_millisecond();
    LogLine {
        time_ms: u64::try_from(now).unwrap_or(0),
        stream: "gateless".to_owned(),
        line: format!("sidecar {sidecar} stopped sending: {}", status.message()),
        node_id: sidecar.to_owned(),
        ..LogLine::default()
    }
}
