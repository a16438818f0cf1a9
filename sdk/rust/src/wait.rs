//! Waiting until a function is what it shall be.
//!
//! Deliberately in parts: one request that lasts ten minutes looks like a dead server to everything on its way.

use std::time::{Duration, Instant};

use reqwest::Method;

use crate::client::Gateless;
use crate::error::Error;
use crate::types;

/// The longest the server is asked to wait at once.
const PART: Duration = Duration::from_secs(30);

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The newest revision is ready.
    Ready,
    /// It is gone.
    Deleted,
}

impl Gateless {
    /// Waits until a function's newest revision is ready.
    ///
    /// # Errors
    /// The problem `wait_timeout`, whose detail says what is the matter; why there is no answer.
    pub async fn wait_ready(
        &self,
        name: &str,
        timeout: Duration,
    ) -> Result<types::Function, Error> {
        self.wait(name, Condition::Ready, timeout)
            .await?
            .ok_or_else(|| Error::BadAnswer {
                whom: "the server".into(),
                cause: "a function that is ready, and none".into(),
            })
    }

    /// Waits until a function is deleted.
    ///
    /// # Errors
    /// As [`Gateless::wait_ready`].
    pub async fn wait_deleted(&self, name: &str, timeout: Duration) -> Result<(), Error> {
        self.wait(name, Condition::Deleted, timeout).await.map(drop)
    }

    async fn wait(
        &self,
        name: &str,
        condition: Condition,
        timeout: Duration,
    ) -> Result<Option<types::Function>, Error> {
        let until = Instant::now() + timeout;
        let path = self.path(&["functions", name, "wait"]);
        let condition = match condition {
            Condition::Ready => "ready",
            Condition::Deleted => "deleted",
        };
        loop {
            let part = until.saturating_duration_since(Instant::now()).min(PART);
            let request = self
                .request(Method::GET, &path)
                .query(&[
                    ("condition", condition.to_owned()),
                    ("timeout_ms", part.as_millis().to_string()),
                ])
                .timeout(part + PART);
            match self.json(request).await {
                Ok((_, function)) => return Ok(function),
                Err(error) if error.code() == "wait_timeout" && Instant::now() < until => {}
                Err(error) => return Err(error),
            }
        }
    }
}
