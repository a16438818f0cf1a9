//! A queued call: how it is, and its answer once there is one.
//!
//! Deliberately polls: sidecars tell the state of a call when asked, and a pause of half a second at most is soon enough.

use std::time::{Duration, Instant};

use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::client::{Gateless, problem_of, segment};
use crate::error::Error;
use crate::invoke::Invoke;

/// Between looks: doubled from the first to the last.
const POLL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// Of one look.
const LOOK: Duration = Duration::from_secs(30);

/// An async call that was accepted: it is on disk, and is delivered at least once.
#[derive(Debug, Clone)]
pub struct Call {
    client: Gateless,
    id: String,
    token: String,
}

/// A call as any sidecar tells of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallStatus {
    /// Names the call at every sidecar, for as long as its result is kept.
    pub id: String,
    /// `queued`, `running`, `retrying`, `succeeded`, `dead` or `cancelled`.
    pub state: String,
    /// Why it is dead or cancelled.
    pub reason: Option<String>,
    /// The function's status.
    pub status: Option<u16>,
    /// Everything else, as it came.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

impl CallStatus {
    /// How often it was tried.
    #[must_use]
    pub fn attempts(&self) -> usize {
        let attempts = self.more.get("attempts").and_then(|a| a.as_array());
        attempts.map_or(0, Vec::len)
    }
}

impl Call {
    pub(crate) fn new(client: Gateless, id: &str, token: &str) -> Self {
        Self {
            client,
            id: id.to_owned(),
            token: token.to_owned(),
        }
    }

    /// Names the call at every sidecar, for as long as its result is kept.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reads its state and result: whoever has it may. A secret, as the id is not.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    async fn get(&self, rest: &str) -> Result<Response, Error> {
        let path = format!("/_gateless/calls/{}{rest}", segment(&self.id));
        let look = Invoke::new()
            .header("x-call-token", &self.token)
            .deadline(LOOK);
        self.client.exchange(&path, &look).await
    }

    /// How it is now.
    ///
    /// # Errors
    /// What Gateless says, or why there is no answer.
    pub async fn status(&self) -> Result<CallStatus, Error> {
        let response = self.get("").await?;
        if response.status() != StatusCode::OK {
            return Err(problem_of(response).await.into());
        }
        let whom = "the sidecar";
        let bytes = response.bytes().await;
        let bytes = bytes.map_err(|error| Error::transport(whom, &error))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::BadAnswer {
            whom: whom.into(),
            cause: error.to_string(),
        })
    }

    /// Waits for the function's answer; its status is the function's own.
    ///
    /// # Errors
    /// [`Error::CallFailed`]; [`Error::CallUnfinished`] after `timeout`, and it can be asked again; as [`Call::status`].
    pub async fn result(&self, timeout: Duration) -> Result<Response, Error> {
        self.result_watched(timeout, |_| {}).await
    }

    /// [`Call::result`], and `watch` sees every state on the way.
    ///
    /// # Errors
    /// As [`Call::result`].
    pub async fn result_watched(
        &self,
        timeout: Duration,
        mut watch: impl FnMut(&CallStatus),
    ) -> Result<Response, Error> {
        let until = Instant::now() + timeout;
        let mut pause = POLL.0;
        loop {
            let call = self.status().await?;
            watch(&call);
            match call.state.as_str() {
                "succeeded" => return Ok(as_answered(self.get("/result").await?)),
                "dead" | "cancelled" => {
                    return Err(Error::CallFailed {
                        id: call.id,
                        state: call.state,
                        reason: call.reason.unwrap_or_else(|| "no reason given".into()),
                    });
                }
                _ => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let Self { id, .. } = self.clone();
                let state = call.state;
                return Err(Error::CallUnfinished { id, state });
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(POLL.1);
        }
    }
}

/// A result carries the function's status in a header: makes it the status again.
fn as_answered(response: Response) -> Response {
    let status = response.headers().get("x-function-status");
    let status = status
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .and_then(|status: u16| StatusCode::from_u16(status).ok());
    let mut response: http::Response<reqwest::Body> = response.into();
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    response.into()
}
